//! Statements of OpenSIPS to the tables of hepcat, in the order of `hepcat.example.toml`.

use hepcat_net::Transport;

use super::{
    Conversion,
    destinations::Destinations,
    hep_table, listener_tables, lua, number,
    parameters::{self, Module, Parameter},
    reader::{Item, Reading, What},
    source::{ReadError, Sources, Span},
    tally::Tally,
    tls::Domains,
    toml::{Section, quote},
    traces::Traces,
};
use crate::config::{self, Socket};

/// What captures of `sipcapture` do, as far as it matters here.
#[derive(Debug, Default)]
struct Capture {
    /// `hep_capture_on`: messages of HEP are captured at all.
    hep: bool,
    /// `capture_on`.
    on: Option<bool>,
    /// `hep_route`, as written.
    route: Option<String>,
    /// `capture_node`.
    node: Option<String>,
    left: Section,
}

/// Says the HEP part as a configuration of hepcat.
///
/// # Errors
/// When there is no HEP part.
pub(super) fn translate(reading: &Reading, script_name: &str) -> Result<Conversion, ReadError> {
    let Reading { sources, items } = reading;
    let mut tally = Tally::default();
    let hep = parameters::of(Module::ProtoHep, items);
    let tracer = parameters::of(Module::Tracer, items);
    let tls = parameters::of(Module::TlsMgm, items);
    let tls: Vec<_> = tls
        .iter()
        .map(|own| (own.name, own.value, own.span))
        .collect();
    let domains = Domains::read(&tls);

    let mut hep_keys = Section::default();
    let known = hep_table::write(&mut hep_keys, &hep, sources, &mut tally);
    let listeners = listener_tables::write(items, known.hep_port, &domains, sources, &mut tally);
    let mut destinations = Destinations::read(&hep);
    let mut capture = read_capture(items, sources, &mut tally);
    let traces = Traces::read(&tracer, &destinations);
    let capture_left = std::mem::take(&mut capture.left);
    let hep_route = capture.own_route();
    let script = lua::write(
        items,
        hep_route,
        capture.hep,
        &traces.names(),
        &mut destinations,
        sources,
        &mut tally,
    );
    let ids = destinations.write(&mut hep_keys, known, &domains, sources, &mut tally);
    let trace_tables = write_traces(&traces, &tracer, sources, &mut tally);
    let left = write_left(
        items,
        capture_left,
        &domains,
        &listeners.sockets,
        &destinations,
        sources,
        &mut tally,
    );
    count_modules(items, sources, &mut tally);
    let (converted, commented) = tally.counts();
    if converted + commented == 0 {
        let nothing = Span {
            file: 0,
            octets: 0..0,
        };
        return Err(sources.error(
            &nothing,
            "there is no HEP in this configuration: no socket of hep_udp, hep_tcp or hep_tls, no module of HEP",
        ));
    }

    let mut out = Section::default();
    write_head(&mut out, sources);
    if let Some(node) = &capture.node {
        out.gap();
        out.line("[node]");
        out.key("name", quote(node));
    }
    if let Some(route) = hep_route {
        if script.is_some() {
            // Its own name could be that of something else in Lua.
            hep_keys.comment(&format!(
                "hep_route = {route}: the function hep_route of the script"
            ));
            hep_keys.key("hep_route", quote("sip"));
        } else {
            hep_keys.comment(&format!("hep_route = {route}: no route uses HEP"));
        }
    } else if let Some(route) = &capture.route {
        hep_keys.key("hep_route", quote(route));
    }
    if let Some(on) = capture.on {
        write_capture_on(&mut hep_keys, on, script.as_ref());
    }
    if !hep_keys.is_empty() {
        out.gap();
        out.line("[hep]");
        out.append(hep_keys);
    }
    out.gap();
    if listeners.section.is_empty() {
        out.comment("no socket of HEP, and a node has to listen: this one serves programs on the same machine");
    } else {
        out.append(listeners.section);
    }
    if listeners.sockets.is_empty() {
        out.gap();
        out.line("[[listener]]");
        out.key("socket", quote("hep_udp:127.0.0.1:9060"));
    }
    for tables in [ids, trace_tables] {
        if !tables.is_empty() {
            out.gap();
            out.append(tables);
        }
    }
    out.gap();
    write_routes(&mut out, script.as_ref(), script_name, &destinations);
    write_http(&mut out, &listeners.sockets);
    if !left.is_empty() {
        out.gap();
        out.comment("What has no place above.");
        out.append(left);
    }
    Ok(Conversion {
        toml: out.text(),
        script: script.map(|script| script.text),
        converted,
        commented,
    })
}

/// `capture_on`, which there is about `sip_capture` only.
fn write_capture_on(hep: &mut Section, on: bool, script: Option<&lua::Script>) {
    if on {
        hep.key("capture_on", 1);
    } else if script.is_some_and(|script| script.text.contains("hep_relay(")) {
        hep.comment("capture_on = 0: sip_capture was off until switched on; here nothing at all would be taken in");
    } else {
        hep.comment("Until it is switched on (`sipcapture:capture` there).");
        hep.key("capture_on", 0);
    }
}

fn write_head(out: &mut Section, sources: &Sources) {
    let name = sources.name(0).file_name().unwrap_or_default();
    out.comment(&format!("Converted from {}.", name.to_string_lossy()));
    out.comment("Lines of it stand above what they became, and as comments with the reason where they became nothing.");
    out.comment("docs/convert.md says what is converted how, docs/config.md what each key means.");
}

impl Capture {
    /// The route that captured messages run first, where it is one of the script.
    fn own_route(&self) -> Option<&str> {
        let route = self.route.as_deref()?;
        (!matches!(route, "sip" | "none")).then_some(route)
    }
}

/// The parameters of `sipcapture`.
fn read_capture(items: &[Item], sources: &Sources, tally: &mut Tally) -> Capture {
    let own = parameters::of(Module::SipCapture, items);
    let mut capture = Capture::default();
    let (hep_on, _) = parameters::last(&own, "hep_capture_on");
    capture.hep = hep_on
        .and_then(|own| own.value.number())
        .is_some_and(|on| on != 0);
    for (index, parameter) in own.iter().enumerate() {
        let again = own
            .iter()
            .skip(index + 1)
            .any(|later| later.name == parameter.name);
        let outcome = if again {
            Err("a later line sets it again, and counts")
        } else {
            capture.take(parameter)
        };
        match outcome {
            Ok(()) => tally.converted(sources, parameter.span),
            Err("") => {}
            Err(why) => {
                capture.left.lost(sources, parameter.span, why);
                tally.commented(sources, parameter.span);
            }
        }
    }
    capture
}

impl Capture {
    /// Takes one parameter over, or says why not; an empty reason is none worth a comment.
    fn take(&mut self, parameter: &Parameter<'_>) -> Result<(), &'static str> {
        let on = parameter.value.number().map(|number| number != 0);
        match parameter.name {
            "hep_capture_on" => match on {
                Some(true) => Ok(()),
                _ => Err(
                    "without it OpenSIPS captures nothing of HEP; a listener here takes what comes",
                ),
            },
            "capture_on" => {
                self.on = Some(on.ok_or("the value is no number")?);
                Ok(())
            }
            "hep_route" => {
                let route = parameter.value.text();
                let lower = route.to_ascii_lowercase();
                if matches!(lower.as_str(), "sip" | "none") {
                    self.route = Some(lower);
                    return Ok(());
                }
                if route.is_empty() || route.contains(char::is_whitespace) {
                    return Err("no route has such a name");
                }
                self.route = Some(route);
                Ok(())
            }
            "capture_node" => {
                let node = parameter.value.text();
                if !config::hep_id::is_name(&node) {
                    return Err("it cannot be a name here: write [node] name");
                }
                self.node = Some(node);
                Ok(())
            }
            "db_url" | "max_async_queries" => {
                Err("messages are not written into a SQL database, but kept by hepcat itself")
            }
            "table_name" | "rtcp_table_name" => Err(
                "there are no tables: what sip_capture and report_capture name becomes a label of the message",
            ),
            name if name.starts_with("raw_") => Err(
                "hepcat takes HEP only: let a capture agent read the interface, or `hepcat send` a capture",
            ),
            "promiscuous_on" | "promiscious_on" | "raw" => {
                Err("hepcat takes HEP only: let a capture agent read the interface")
            }
            name if name.ends_with("_column") => Err("there are no columns to rename"),
            _ if parameter.exact => {
                Err("sipcapture has no such parameter, or it has no counterpart")
            }
            _ => Err(""),
        }
    }
}

/// The traces, and the parameters of the tracer that are none.
fn write_traces(
    traces: &Traces,
    parameters: &[Parameter<'_>],
    sources: &Sources,
    tally: &mut Tally,
) -> Section {
    let mut section = Section::default();
    let mut off = false;
    for parameter in parameters.iter().filter(|own| own.name != "trace_id") {
        let why = match parameter.name {
            "trace_on" => {
                off = parameter.value.number() == Some(0);
                tally.converted(sources, parameter.span);
                continue;
            }
            "trace_local_ip" => "traced messages keep the addresses with which they were captured",
            "table" | "db_url" => "traces are not written into a database",
            name if name.ends_with("_column") => "there are no columns to rename",
            "duplicate_uri" | "duplicate_with_hep" | "hep_version" => {
                "this is a form of version 2.1 and older: write a hep_id and a trace_id"
            }
            _ if parameter.exact => "the tracer has no such parameter, or it has no counterpart",
            _ => continue,
        };
        section.lost(sources, parameter.span, why);
        tally.commented(sources, parameter.span);
    }
    let tables = traces.write(off, sources, tally);
    if !tables.is_empty() {
        section.gap();
        section.append(tables);
    }
    section
}

/// Routes: OpenSIPS sends HEP nowhere unless a script or a trace says so.
fn write_routes(
    out: &mut Section,
    script: Option<&lua::Script>,
    script_name: &str,
    destinations: &Destinations,
) {
    let any = destinations.names().next().is_some();
    match script {
        Some(_) => out.comment("OpenSIPS sends HEP only where its script says so: what the script is silent about goes nowhere."),
        None if any => out.comment("Nothing in the script of OpenSIPS sends what it receives: name destinations here to relay to them."),
        None => out.comment("What is received is only shown: there is no destination."),
    }
    out.line("[[route]]");
    out.key("to", "[\"tail\"]");
    if script.is_some() {
        out.key("lua", true);
        out.gap();
        out.line("[lua]");
        out.key("script", quote(script_name));
    }
}

/// The page moves where HEP has its port.
fn write_http(out: &mut Section, sockets: &[Socket]) {
    const USUAL: u16 = 9080;
    let taken = |port: u16| {
        let stream = |own: &&Socket| own.transport != Transport::Udp;
        sockets.iter().filter(stream).any(|own| own.port == port)
    };
    if !taken(USUAL) {
        return;
    }
    if let Some(free) = (USUAL + 1..USUAL + 200).find(|port| !taken(*port)) {
        out.gap();
        out.comment("Port 9080, where this usually is, is one of HEP.");
        out.line("[http]");
        out.key("listen", quote(&format!("127.0.0.1:{free}")));
    }
}

/// Lines of the HEP part that belong to no table.
fn write_left(
    items: &[Item],
    capture: Section,
    domains: &Domains,
    sockets: &[Socket],
    destinations: &Destinations,
    sources: &Sources,
    tally: &mut Tally,
) -> Section {
    let mut left = capture;
    let any_tls =
        destinations.any_tls() || sockets.iter().any(|own| own.transport == Transport::Tls);
    if any_tls {
        for (span, why) in &domains.lost {
            left.lost(sources, span, why);
            tally.commented(sources, span);
        }
    }
    let streams = sockets.iter().any(|own| own.transport != Transport::Udp);
    for item in items {
        let why = match &item.what {
            What::Parameter { module, name, .. } if name == "trace_destination" => {
                let known = ["proto_hep", "sipcapture", "tracer"];
                if known.iter().any(|own| number::names_module(module, own)) {
                    continue;
                }
                "these messages are made by OpenSIPS about itself; let it send them to a listener of this node"
            }
            What::Setting { name, .. } if streams => match name.as_str() {
                "tcp_connect_timeout" => {
                    "`hep_async_local_connect_timeout` is the one here, and nothing waits for it"
                }
                "tcp_socket_backlog" => "the operating system's own bound holds",
                _ => continue,
            },
            What::Absent => {
                "this file is not there, and need not be: what it would say is not converted"
            }
            What::Macro => {
                "only a preprocessor understands this: convert what it makes of the file"
            }
            _ => continue,
        };
        left.lost(sources, &item.span, why);
        tally.commented(sources, &item.span);
    }
    left
}

/// Lines that load what is built in here.
fn count_modules(items: &[Item], sources: &Sources, tally: &mut Tally) {
    for item in items {
        if let What::Module(name) = &item.what
            && matches!(
                name.as_str(),
                "proto_hep" | "sipcapture" | "tracer" | "siptrace"
            )
        {
            tally.converted(sources, &item.span);
        }
    }
}
