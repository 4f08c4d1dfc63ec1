//! `modparam` lines by module: which module each is for, and which of several for one name counts.

use super::{
    number,
    reader::{Item, Value, What},
    source::Span,
};

/// The modules whose parameters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    ProtoHep,
    SipCapture,
    Tracer,
    TlsMgm,
}

impl Module {
    /// Its names; `siptrace` was the tracer's until version 3.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::ProtoHep => &["proto_hep"],
            Self::SipCapture => &["sipcapture"],
            Self::Tracer => &["tracer", "siptrace"],
            Self::TlsMgm => &["tls_mgm"],
        }
    }
}

/// One parameter as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
    pub(super) span: &'a Span,
    /// Whether the line names this module alone, not by a pattern for several.
    pub(super) exact: bool,
}

/// The parameters of a module, in the order of the file.
pub(super) fn of(module: Module, items: &[Item]) -> Vec<Parameter<'_>> {
    let mut parameters = Vec::new();
    for item in items {
        let What::Parameter {
            module: pattern,
            name,
            value,
        } = &item.what
        else {
            continue;
        };
        let names = module.names();
        if names.iter().any(|own| number::names_module(pattern, own)) {
            parameters.push(Parameter {
                name,
                value,
                span: &item.span,
                exact: names.iter().any(|own| own.eq_ignore_ascii_case(pattern)),
            });
        }
    }
    parameters
}

/// Splits the parameters of one name into the last, which counts, and those before it.
pub(super) fn last<'a, 'p>(
    parameters: &'p [Parameter<'a>],
    name: &str,
) -> (Option<&'p Parameter<'a>>, Vec<&'p Parameter<'a>>) {
    let mut all: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.name == name)
        .collect();
    (all.pop(), all)
}
