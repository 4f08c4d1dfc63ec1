//! The domains of `tls_mgm`: which certificates a HEP socket shows, and which a collector must.

use super::{reader::Value, source::Span};

/// One domain of the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Domain {
    pub(super) name: String,
    /// Whether it is for connections that come in.
    pub(super) server: bool,
    /// `IP:port` and `*`; empty is everything.
    addresses: Vec<String>,
    /// Server names; empty is everything.
    names: Vec<String>,
    pub(super) certificate: Option<String>,
    pub(super) private_key: Option<String>,
    pub(super) ca_list: Option<String>,
    verify: Option<bool>,
    require: Option<bool>,
    /// Where its parameters stand.
    pub(super) spans: Vec<Span>,
    /// Parameters of it that have no counterpart, and why.
    pub(super) lost: Vec<(Span, &'static str)>,
}

/// What the two switches ask of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verify {
    Off,
    Optional,
    Required,
}

impl Domain {
    /// Both are on where nothing is said.
    pub(super) fn verify(&self) -> Verify {
        match (self.verify.unwrap_or(true), self.require.unwrap_or(true)) {
            (false, _) => Verify::Off,
            (true, false) => Verify::Optional,
            (true, true) => Verify::Required,
        }
    }

    /// How well the domain fits an address: 0 not at all, 1 like any, 2 by its own address.
    fn fit(&self, host: &str, port: u16) -> u8 {
        if self.addresses.is_empty() {
            return 1;
        }
        let fit = |address: &String| {
            if address == "*" {
                return 1;
            }
            let exact = *address == format!("{host}:{port}") || address == host;
            u8::from(exact || *address == format!("*:{port}")) * 2
        };
        self.addresses.iter().map(fit).max().unwrap_or(0)
    }

    /// Whether it stands for every server name.
    pub(super) fn any_name(&self) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == "*")
    }

    /// The server names that it stands for, without the words for all and none.
    pub(super) fn server_names(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().map(String::as_str);
        names.filter(|name| !matches!(*name, "*" | "none"))
    }

    /// Certificate and key, if it has both.
    pub(super) fn pair(&self) -> Option<(&str, &str)> {
        self.certificate.as_deref().zip(self.private_key.as_deref())
    }
}

/// All domains, and the settings that belong to none.
#[derive(Debug, Default)]
pub(super) struct Domains {
    domains: Vec<Domain>,
    /// What is written without the name of a domain: for both sides.
    common: Domain,
    /// Parameters of the module as a whole that have no counterpart.
    pub(super) lost: Vec<(Span, &'static str)>,
}

/// Parameters of single domains, which go to [`Domain::set`].
const OF_DOMAIN: [&str; 14] = [
    "certificate",
    "private_key",
    "ca_list",
    "ca_dir",
    "verify_cert",
    "require_cert",
    "match_ip_address",
    "match_sip_domain",
    "tls_method",
    "ciphers_list",
    "dh_params",
    "ec_curve",
    "crl_dir",
    "crl_check_all",
];

impl Domains {
    /// Reads the module's parameters in the order of the file.
    pub(super) fn read(parameters: &[(&str, &Value, &Span)]) -> Self {
        let mut read = Self::default();
        for (name, value, span) in parameters {
            if matches!(*name, "server_domain" | "client_domain") {
                read.define(*name == "server_domain", &value.text(), span);
            }
        }
        for (name, value, span) in parameters {
            if OF_DOMAIN.contains(name) {
                let text = value.text();
                let (domain, text) = read.find(text.trim());
                domain.set(name, text.trim(), span);
            } else if !matches!(*name, "server_domain" | "client_domain") {
                let why = match *name {
                    "tls_library" => "there is one TLS library here, rustls",
                    "db_url" | "db_table" | "db_mode" => {
                        "domains are not read from a database: write those that HEP sockets use as files"
                    }
                    "client_tls_domain_avp" | "client_sip_domain_avp" => {
                        "a destination has its certificates in its own table, nothing chooses them by variable"
                    }
                    "tls_handshake_timeout" | "tls_send_timeout" => {
                        "`handshake_timeout` of a listener and `hep_send_timeout` are the ones here"
                    }
                    _ => "it has no counterpart",
                };
                read.lost.push(((*span).clone(), why));
            }
        }
        read
    }

    /// `name`, or the older `name=address`.
    fn define(&mut self, server: bool, text: &str, span: &Span) {
        let (name, address) = text.split_once('=').unwrap_or((text, ""));
        let address = address.trim();
        let mut domain = Domain {
            name: name.trim().to_owned(),
            server,
            spans: vec![span.clone()],
            ..Domain::default()
        };
        if !address.is_empty() {
            domain.addresses.push(address.to_owned());
        }
        self.domains.push(domain);
    }

    /// The domain that a value is for: `[name]value`, the older `name:value`, or all.
    fn find<'t>(&mut self, text: &'t str) -> (&mut Domain, &'t str) {
        let named = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']'),
            None => text.split_once(':'),
        };
        let found = named.and_then(|(name, value)| {
            let at = self.domains.iter().position(|own| own.name == name.trim());
            at.map(|at| (at, value))
        });
        match found {
            Some((at, value)) => match self.domains.get_mut(at) {
                Some(domain) => (domain, value),
                None => (&mut self.common, value),
            },
            None => (&mut self.common, text),
        }
    }

    /// The domains of one side that fit an address, the best first; without any the common settings.
    pub(super) fn fitting(&self, server: bool, host: &str, port: u16) -> Vec<Domain> {
        let own = self.domains.iter().filter(|domain| domain.server == server);
        let mut fitting: Vec<_> = own
            .map(|domain| (domain.fit(host, port), domain))
            .filter(|(fit, _)| *fit > 0)
            .collect();
        fitting.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
        let mut fitting: Vec<_> = fitting
            .into_iter()
            .map(|(_, domain)| domain.clone())
            .collect();
        if fitting.is_empty() && !self.common.spans.is_empty() {
            fitting.push(self.common.clone());
        }
        fitting
    }
}

impl Domain {
    fn set(&mut self, name: &str, text: &str, span: &Span) {
        let owned = || Some(text.to_owned());
        let list = || {
            let items = text.split(',').map(|item| item.trim().to_owned());
            items.filter(|item| !item.is_empty()).collect::<Vec<_>>()
        };
        let switch = super::number::parse(text).map(|number| number != 0);
        let lost = match name {
            "ca_dir" => {
                "authorities are read from one file: put the certificates of the directory into one and name it as `ca`"
            }
            "tls_method" => "TLS is 1.2 and 1.3 here, nothing older and nothing to choose",
            "ciphers_list" | "dh_params" | "ec_curve" => {
                "the cipher suites and curves of rustls are fixed, and none of them is weak"
            }
            "crl_dir" | "crl_check_all" => "lists of revoked certificates are not read",
            _ => "",
        };
        if !lost.is_empty() {
            self.lost.push((span.clone(), lost));
            return;
        }
        match name {
            "certificate" => self.certificate = owned(),
            "private_key" => self.private_key = owned(),
            "ca_list" => self.ca_list = owned(),
            "verify_cert" => self.verify = switch,
            "require_cert" => self.require = switch,
            "match_ip_address" => self.addresses.extend(list()),
            _ => self.names.extend(list()),
        }
        self.spans.push(span.clone());
    }
}
