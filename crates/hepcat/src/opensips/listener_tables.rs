//! The `[[listener]]` tables.

use std::collections::HashSet;

use hepcat_net::Transport;

use super::{
    listeners::{self, Declared},
    reader::{Item, Value, What},
    source::{Sources, Span},
    tally::Tally,
    tls::{Domain, Domains, Verify},
    toml::{Section, quote},
};
use crate::config::{self, DESTINATION_PORT, Host, Socket};

/// What became listeners.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) section: Section,
    /// Sockets that were written, for what must not collide with them.
    pub(super) sockets: Vec<Socket>,
}

/// Writes a table for each port of each HEP socket.
pub(super) fn write(
    items: &[Item],
    hep_port: Option<u16>,
    domains: &Domains,
    sources: &Sources,
    tally: &mut Tally,
) -> Listeners {
    let mut writer = Writer {
        out: Listeners::default(),
        names: HashSet::new(),
        limits: stream_limits(items),
        domains,
        sources,
        tally,
    };
    for item in items {
        let What::Socket(tokens) = &item.what else {
            continue;
        };
        match listeners::read(tokens, hep_port.unwrap_or(DESTINATION_PORT)) {
            None => {}
            Some(Ok(declared)) => writer.declared(&declared, &item.span),
            Some(Err(why)) => writer.lose(&item.span, &why),
        }
    }
    writer.finish()
}

/// A limit of the core that holds for streams of HEP as well.
struct StreamLimit<'a> {
    key: &'static str,
    /// TOML.
    value: String,
    span: &'a Span,
}

/// The limits, the last line of each.
fn stream_limits(items: &[Item]) -> Vec<StreamLimit<'_>> {
    let mut limits: Vec<StreamLimit<'_>> = Vec::new();
    for item in items {
        let What::Setting { name, value } = &item.what else {
            continue;
        };
        let Some(number) = Value::number(value) else {
            continue;
        };
        let limit = match name.as_str() {
            "tcp_max_connections" => ("max_connections", 1, 1_000_000, ""),
            "tcp_max_msg_time" => ("message_timeout", 1, 3600, "s"),
            "tcp_connection_lifetime" => ("idle_timeout", 1, 31_536_000, "s"),
            _ => continue,
        };
        let (key, least, most, unit) = limit;
        let number = number.clamp(least, most);
        let text = match unit {
            "" => number.to_string(),
            unit => quote(&format!("{number}{unit}")),
        };
        limits.retain(|own| own.key != key);
        limits.push(StreamLimit {
            key,
            value: text,
            span: &item.span,
        });
    }
    limits
}

struct Writer<'a> {
    out: Listeners,
    names: HashSet<String>,
    limits: Vec<StreamLimit<'a>>,
    domains: &'a Domains,
    sources: &'a Sources,
    tally: &'a mut Tally,
}

impl Writer<'_> {
    fn lose(&mut self, span: &Span, why: &str) {
        self.out.section.gap();
        self.out.section.lost(self.sources, span, why);
        self.tally.commented(self.sources, span);
    }

    fn declared(&mut self, declared: &Declared, span: &Span) {
        let single = declared.sockets.len() == 1;
        for (index, socket) in declared.sockets.iter().enumerate() {
            if self.taken(socket) {
                self.lose(
                    span,
                    &format!("{socket}: another line listens there already"),
                );
                continue;
            }
            let tls = if socket.transport == Transport::Tls {
                match self.tls(socket) {
                    Ok(tls) => Some(tls),
                    Err(why) => {
                        self.lose(span, &why);
                        continue;
                    }
                }
            } else {
                None
            };
            self.out.section.gap();
            self.out.section.origin(self.sources, span);
            if index == 0 {
                for note in &declared.notes {
                    self.out.section.line(format!("#   {note}"));
                }
            }
            self.out.section.line("[[listener]]");
            if let Some(name) = self.name(declared.tag.as_deref().filter(|_| single)) {
                self.out.section.key("name", quote(&name));
            }
            self.out.section.key("socket", quote(&socket.to_string()));
            if socket.transport != Transport::Udp {
                for limit in &self.limits {
                    self.out.section.key(limit.key, &limit.value);
                }
            }
            if let Some(tls) = tls {
                self.out.section.append(tls);
            }
            self.tally.converted(self.sources, span);
            self.out.sockets.push(socket.clone());
        }
    }

    /// TCP and TLS share the space of TCP ports.
    fn taken(&self, socket: &Socket) -> bool {
        let datagram = |socket: &Socket| socket.transport == Transport::Udp;
        self.out.sockets.iter().any(|own| {
            datagram(own) == datagram(socket) && own.host == socket.host && own.port == socket.port
        })
    }

    /// A tag as a name, if it can be one and is the first.
    fn name(&mut self, tag: Option<&str>) -> Option<String> {
        let tag = tag?;
        let good = config::hep_id::is_name(tag) && self.names.insert(tag.to_owned());
        good.then(|| tag.to_owned())
    }

    /// The `tls` table of a listener.
    fn tls(&mut self, socket: &Socket) -> Result<Section, String> {
        let host = bare_host(&socket.host);
        let fitting = self.domains.fitting(true, &host, socket.port);
        let main = fitting
            .iter()
            .find(|domain| domain.any_name())
            .or_else(|| fitting.first());
        let Some(main) = main else {
            return Err(format!(
                "{socket}: no server domain of tls_mgm fits this address, so there is no certificate: add \
                 [[listener]] with its tls table"
            ));
        };
        let Some((cert, key)) = main.pair() else {
            return Err(format!(
                "{socket}: the server domain `{}` has no certificate and private_key in this file: add [[listener]] \
                 with its tls table",
                main.name
            ));
        };
        let verify = fitting
            .iter()
            .map(Domain::verify)
            .max()
            .unwrap_or(Verify::Off);
        let mut section = Section::default();
        section.line("[listener.tls]");
        section.key("cert", quote(cert));
        section.key("key", quote(key));
        if verify != Verify::Off {
            let ca = fitting.iter().find_map(|domain| domain.ca_list.as_deref());
            let Some(ca) = ca else {
                return Err(format!(
                    "{socket}: certificates of agents are to be verified (verify_cert), and no ca_list says by whose \
                     authority: add [[listener]] with tls.ca, or with client_auth = \"off\""
                ));
            };
            let word = if verify == Verify::Required {
                "required"
            } else {
                "optional"
            };
            section.key("client_auth", quote(word));
            section.key("ca", quote(ca));
        }
        if fitting.iter().any(|domain| domain.verify() != verify) {
            section.comment(
                "client_auth holds for the whole listener: the strictest of its domains counts",
            );
        }
        let other_ca = |domain: &Domain| domain.ca_list.is_some() && domain.ca_list != main.ca_list;
        if verify != Verify::Off && fitting.iter().any(other_ca) {
            section.comment(
                "ca holds for the whole listener: put the authorities of all its domains into that file",
            );
        }
        let mut seen = HashSet::new();
        for domain in &fitting {
            self.domain(domain, main, &mut section, &mut seen);
        }
        Ok(section)
    }

    /// What an agent gets that asks for one of the domain's names.
    fn domain(
        &mut self,
        domain: &Domain,
        main: &Domain,
        section: &mut Section,
        seen: &mut HashSet<String>,
    ) {
        for span in &domain.spans {
            self.tally.converted(self.sources, span);
        }
        for (span, why) in &domain.lost {
            // A domain may fit several listeners.
            if !self.tally.is_commented(self.sources, span) {
                section.lost(self.sources, span, why);
                self.tally.commented(self.sources, span);
            }
        }
        if domain.name == main.name {
            return;
        }
        let Some((cert, key)) = domain.pair() else {
            let name = &domain.name;
            section.comment(&format!(
                "the domain `{name}` has no certificate and private_key in this file"
            ));
            return;
        };
        let (cert, key) = (quote(cert), quote(key));
        for name in domain.server_names() {
            if !config::is_server_name(name) {
                let own = &domain.name;
                section.comment(&format!(
                    "`{name}` of the domain `{own}` is no server name, nor `*.` and one"
                ));
            } else if seen.insert(name.to_ascii_lowercase()) {
                section.line("[[listener.tls.domains]]");
                section.key("name", quote(name));
                section.key("cert", &cert);
                section.key("key", &key);
            }
        }
    }

    fn finish(self) -> Listeners {
        let streams = |socket: &Socket| socket.transport != Transport::Udp;
        if self.out.sockets.iter().any(streams) {
            for limit in &self.limits {
                self.tally.converted(self.sources, limit.span);
            }
        }
        self.out
    }
}

/// The host without the brackets of IPv6, as tls_mgm compares addresses.
pub(super) fn bare_host(host: &Host) -> String {
    match host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    }
}
