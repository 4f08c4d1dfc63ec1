//! The `hep_id` lines, and the next hops of `hep_relay`, as destinations.

use hepcat_net::Transport;

use super::{
    hep_id::{self, Read},
    hep_table::Known,
    listener_tables::bare_host,
    parameters::Parameter,
    source::{Sources, Span},
    tally::Tally,
    tls::{Domain, Domains, Verify},
    toml::{Section, quote},
};
use crate::config::{self, HepId, Socket, Version};

/// Words that routes use for something else.
const RESERVED: [&str; 2] = ["store", "tail"];

/// One destination of the result.
#[derive(Debug)]
struct Destination {
    /// As OpenSIPS calls it; the next hop of a relay has none.
    original: Option<String>,
    id: HepId,
    span: Span,
    notes: Vec<String>,
}

/// All destinations, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    destinations: Vec<Destination>,
    lost: Vec<(Span, String)>,
}

impl Destinations {
    /// Reads the `hep_id` parameters.
    pub(super) fn read(parameters: &[Parameter<'_>]) -> Self {
        let mut read = Self::default();
        for parameter in parameters.iter().filter(|own| own.name == "hep_id") {
            let span = parameter.span.clone();
            match hep_id::read(&parameter.value.text()) {
                Ok(id) => read.add(id, span),
                Err(why) => {
                    let why = format!("OpenSIPS refuses this text as well: {why}");
                    read.lost.push((span, why));
                }
            }
        }
        read
    }

    fn add(&mut self, read: Read, span: Span) {
        let Read { mut id, mut notes } = read;
        let original = id.name.clone();
        if self.find(&original).is_some() {
            let why = "a hep_id of that name stands above; OpenSIPS does not start with two";
            self.lost.push((span, why.to_owned()));
            return;
        }
        if RESERVED.contains(&original.as_str()) || !config::hep_id::is_name(&original) {
            let kept = original.chars().map(|c| {
                if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') {
                    c
                } else {
                    '_'
                }
            });
            id.name = self.free_name(&format!("hep_{}", kept.take(64).collect::<String>()));
            notes.push(format!("`{original}` cannot be a name here"));
        }
        self.destinations.push(Destination {
            original: Some(original),
            id,
            span,
            notes,
        });
    }

    fn free_name(&self, wanted: &str) -> String {
        let taken = |name: &str| self.destinations.iter().any(|own| own.id.name == name);
        let mut name = wanted.to_owned();
        let mut number = 2;
        while taken(&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }

    /// The name here of what OpenSIPS calls `original`.
    pub(super) fn find(&self, original: &str) -> Option<&str> {
        let found = self
            .destinations
            .iter()
            .find(|own| own.original.as_deref() == Some(original))?;
        Some(&found.id.name)
    }

    /// Whether `correlate` can write to it: version 3.
    pub(super) fn is_v3(&self, name: &str) -> bool {
        let mut named = self.destinations.iter().filter(|own| own.id.name == name);
        named.all(|own| own.id.version == Version::V3)
    }

    /// The name of the destination that a next hop is, which is added where there is none.
    pub(super) fn next_hop(&mut self, socket: Socket, span: &Span) -> String {
        // A relayed message keeps its version, which over a stream is 3 anyway.
        let keeps =
            |own: &Destination| !own.id.version_given || own.id.socket.transport != Transport::Udp;
        let mut known = self.destinations.iter();
        if let Some(same) = known.find(|own| own.id.socket == socket && keeps(own)) {
            return same.id.name.clone();
        }
        let host = bare_host(&socket.host).replace(':', "-");
        let wanted = format!("{}_{host}_{}", socket.transport.name(), socket.port);
        let name = self.free_name(&wanted);
        self.destinations.push(Destination {
            original: None,
            id: HepId {
                name: name.clone(),
                socket,
                version: Version::V3,
                version_given: false,
            },
            span: span.clone(),
            notes: vec!["the next hop of hep_relay, by that name in the script".to_owned()],
        });
        name
    }

    /// Names of all of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.destinations.iter().map(|own| own.id.name.as_str())
    }

    /// Whether any of them goes over TLS.
    pub(super) fn any_tls(&self) -> bool {
        self.destinations.iter().any(is_tls)
    }

    /// Writes those that a `hep_id` can say as key of `[hep]`, the others as tables.
    pub(super) fn write(
        &self,
        hep: &mut Section,
        known: Known,
        domains: &Domains,
        sources: &Sources,
        tally: &mut Tally,
    ) -> Section {
        let wide = known.capture_id.filter(|id| u16::try_from(*id).is_err());
        let needs_table =
            |own: &Destination| is_tls(own) || (wide.is_some() && own.id.version == Version::V2);
        let mut tables = Section::default();
        let short: Vec<_> = self
            .destinations
            .iter()
            .filter(|own| !needs_table(own))
            .collect();
        for (span, why) in &self.lost {
            hep.lost(sources, span, why);
            tally.commented(sources, span);
        }
        if !short.is_empty() {
            hep.line("hep_id = [");
            for own in short {
                hep.line(format!("  # {}", sources.shown(&own.span)));
                for note in &own.notes {
                    hep.line(format!("  #   {note}"));
                }
                hep.line(format!("  {},", quote(&own.id.to_string())));
                tally.converted(sources, &own.span);
            }
            hep.line("]");
        }
        for own in self.destinations.iter().filter(|own| needs_table(own)) {
            tables.gap();
            tables.origin(sources, &own.span);
            for note in &own.notes {
                tables.line(format!("#   {note}"));
            }
            tables.line("[[destination]]");
            tables.key("name", quote(&own.id.name));
            tables.key("socket", quote(&own.id.socket.to_string()));
            if own.id.version_given {
                tables.key("version", own.id.version.number());
            }
            if let Some(id) = wide.filter(|_| own.id.version == Version::V2) {
                tables.line("# version 2 carries the low 16 bits");
                tables.key("hep_capture_id", id & 0xffff);
            }
            tally.converted(sources, &own.span);
            if is_tls(own) {
                write_tls(own, &mut tables, domains, sources, tally);
            }
        }
        tables
    }
}

fn is_tls(destination: &Destination) -> bool {
    destination.id.socket.transport == Transport::Tls
}

/// What the client domain says that fits the address.
fn write_tls(
    destination: &Destination,
    tables: &mut Section,
    domains: &Domains,
    sources: &Sources,
    tally: &mut Tally,
) {
    let socket = &destination.id.socket;
    let host = bare_host(&socket.host);
    let fitting = domains.fitting(false, &host, socket.port);
    let Some(domain) = fitting.first() else {
        tables.comment(
            "no client domain of tls_mgm fits this address: the authorities of the system are trusted, and the \
             certificate must bear the name of the host",
        );
        return;
    };
    write_domain(domain, &host, tables, sources, tally);
}

fn write_domain(
    domain: &Domain,
    host: &str,
    tables: &mut Section,
    sources: &Sources,
    tally: &mut Tally,
) {
    for (span, why) in &domain.lost {
        if !tally.is_commented(sources, span) {
            tables.lost(sources, span, why);
            tally.commented(sources, span);
        }
    }
    for span in &domain.spans {
        tally.converted(sources, span);
    }
    tables.line("[destination.tls]");
    if domain.verify() == Verify::Off {
        tables.comment(
            "verify_cert is off there: anybody on the way can pose as the collector. Better name its `ca`",
        );
        tables.key("insecure", true);
    } else {
        match &domain.ca_list {
            Some(ca) => tables.key("ca", quote(ca)),
            None => tables.comment("no ca_list: the authorities of the system are trusted"),
        }
        tables.comment(&format!(
            "OpenSIPS checks no host name; here the certificate must bear {host}, or what `server_name` says"
        ));
    }
    match domain.pair() {
        Some((cert, key)) => {
            tables.key("cert", quote(cert));
            tables.key("key", quote(key));
        }
        None if domain.certificate.is_some() || domain.private_key.is_some() => {
            tables.comment("certificate and private_key are shown only where both are known");
        }
        None => {}
    }
}
