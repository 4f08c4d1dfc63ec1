//! The `trace_id` lines of `tracer`: those that send HEP as `[[trace]]` tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    destinations::Destinations,
    parameters::Parameter,
    source::{Sources, Span},
    tally::Tally,
    toml::{Section, hide_password, quote},
};

/// The trace ids of the result.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// Lines of one name belong together: what each sends to, in the order of the file.
    traces: BTreeMap<String, Vec<(String, Span)>>,
    /// Names in the order of the file.
    order: Vec<String>,
    lost: Vec<(Span, String)>,
}

impl Traces {
    /// Reads the `trace_id` parameters.
    pub(super) fn read(parameters: &[Parameter<'_>], destinations: &Destinations) -> Self {
        let mut read = Self::default();
        for parameter in parameters.iter().filter(|own| own.name == "trace_id") {
            let text = parameter.value.text();
            match read_one(&text, destinations) {
                Ok((name, destination)) => read.add(name, destination, parameter.span),
                Err(why) => read.lost.push((parameter.span.clone(), why)),
            }
        }
        read
    }

    fn add(&mut self, name: String, destination: String, span: &Span) {
        if !self.traces.contains_key(&name) {
            self.order.push(name.clone());
        }
        self.traces
            .entry(name)
            .or_default()
            .push((destination, span.clone()));
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        self.traces.keys().cloned().collect()
    }

    /// Writes the tables; `off` says that `trace_on` is 0.
    pub(super) fn write(&self, off: bool, sources: &Sources, tally: &mut Tally) -> Section {
        let mut section = Section::default();
        for (span, why) in &self.lost {
            section.gap();
            section.lost(sources, span, why);
            tally.commented(sources, span);
        }
        for name in &self.order {
            section.gap();
            let lines = self.traces.get(name).map(Vec::as_slice).unwrap_or_default();
            let mut to: Vec<&str> = Vec::new();
            for (destination, span) in lines {
                section.origin(sources, span);
                tally.converted(sources, span);
                if !to.contains(&destination.as_str()) {
                    to.push(destination);
                }
            }
            section.line("[[trace]]");
            section.key("trace_id", quote(name));
            let to: Vec<_> = to.into_iter().map(quote).collect();
            section.key("to", format!("[{}]", to.join(", ")));
            if off {
                section.key("on", false);
            }
        }
        section
    }
}

/// `[name]uri=hep:hep_id`.
fn read_one(text: &str, destinations: &Destinations) -> Result<(String, String), String> {
    let inner = text
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let (name, spec) = inner.ok_or("it does not begin with a name in brackets")?;
    let name = name.trim();
    if !crate::config::hep_id::is_name(name) {
        return Err(format!("`{name}` cannot be a name here"));
    }
    let mut uri = None;
    for item in spec.split(';') {
        if let Some((key, value)) = item.split_once('=')
            && key.trim().eq_ignore_ascii_case("uri")
        {
            uri = Some(value.trim());
        }
    }
    let uri = uri.ok_or("it has no uri")?;
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "hep" => {
            let id = rest.trim();
            let found = destinations.find(id);
            let found = found.ok_or_else(|| format!("there is no hep_id `{id}`"))?;
            Ok((name.to_owned(), found.to_owned()))
        }
        "sip" => Err("a trace goes to destinations of HEP; copies in SIP are not made".to_owned()),
        "file" | "syslog" => Err(
            "a trace goes to destinations of HEP; `hepcat tail` shows messages as text".to_owned(),
        ),
        _ => Err(format!(
            "a trace goes to destinations of HEP, not into a database ({})",
            hide_password(uri)
        )),
    }
}
