//! Calls as subjects: a call has the values of all its legs.

use std::{net::SocketAddr, time::Duration};

use hepcat_store::Class;

use super::{
    ast::{Expr, Test},
    error::Problem,
    field::Field,
    subject::{Subject, Value},
    view::any_user_at_host,
};
use crate::call::{CallRecord, Kind, LegRecord, Party};

type Fits<'f> = &'f mut dyn FnMut(Value<'_>) -> bool;

impl Subject for CallRecord {
    fn any(&self, field: &Field, fits: Fits<'_>) -> bool {
        let mut legs = self.legs.iter();
        match field {
            Field::Time => fits(Value::Time(self.started.as_micros())),
            Field::Agent => self.agents.iter().any(|name| {
                let (address, _) = split_agent(name);
                address
                    .parse()
                    .is_ok_and(|address| fits(Value::Address(address)))
            }),
            Field::CaptureId => self.agents.iter().any(|name| {
                let (_, capture_id) = split_agent(name);
                number(capture_id.and_then(|number| number.parse().ok()), fits)
            }),
            Field::Class => fits(Value::Text(class_of(self.kind).name().as_bytes())),
            Field::Status => number(self.final_code.map(i64::from), fits),
            Field::CallId => legs.any(|leg| fits(Value::Text(leg.call_id.as_bytes()))),
            Field::From => parties(self, |leg| &leg.from).any(|party| user(party, fits)),
            Field::To => parties(self, |leg| &leg.to).any(|party| user(party, fits)),
            Field::RequestUri => legs.any(|leg| text(leg.request_user.as_deref(), fits)),
            Field::User => [Field::From, Field::To, Field::RequestUri]
                .iter()
                .any(|field| self.any(field, fits)),
            Field::Domain => {
                let from = parties(self, |leg| &leg.from);
                let mut all = from.chain(parties(self, |leg| &leg.to));
                all.any(|party| text(party.host.as_deref(), fits))
            }
            Field::UserAgent => legs
                .flat_map(|leg| &leg.user_agents)
                .any(|one| fits(Value::Text(one.name.as_bytes()))),
            Field::Source => legs.any(|leg| end(leg.source, fits)),
            Field::Destination => legs.any(|leg| end(leg.destination, fits)),
            Field::State => fits(Value::Text(self.state.label().as_bytes())),
            Field::Flag => self
                .flags
                .iter()
                .any(|flag| fits(Value::Text(flag.label().as_bytes()))),
            Field::ReleasedBy => text(self.released_by.map(|side| side.label()), fits),
            Field::Reason => {
                let phrase = self.final_phrase.as_deref();
                text(phrase, fits) || text(self.reason.as_deref(), fits)
            }
            Field::Codec => {
                let of_leg = |leg: &LegRecord| text(leg.codec.as_deref(), fits);
                legs.any(of_leg) || text(self.codec.as_deref(), fits)
            }
            Field::Media => legs
                .flat_map(|leg| &leg.media)
                .any(|media| end(Some(media.address), fits)),
            Field::Legs => number(i64::try_from(self.legs.len()).ok(), fits),
            Field::Messages => number(Some(self.messages.into()), fits),
            Field::Setup => duration(self.setup, fits),
            Field::Ring => duration(self.ring, fits),
            Field::Talk => duration(self.talk, fits),
            Field::Duration => duration(self.duration, fits),
            _ => false,
        }
    }
}

impl Field {
    /// Whether a call answers it itself. Everything else that a query about calls may ask for, its messages answer.
    #[must_use]
    pub fn is_of_calls(&self) -> bool {
        match self {
            Self::Time
            | Self::Last
            | Self::Agent
            | Self::CaptureId
            | Self::Class
            | Self::Status
            | Self::CallId
            | Self::From
            | Self::To
            | Self::RequestUri
            | Self::User
            | Self::Domain
            | Self::UserAgent
            | Self::Source
            | Self::Destination
            | Self::State
            | Self::Flag
            | Self::ReleasedBy
            | Self::Reason
            | Self::Codec
            | Self::Media
            | Self::Legs
            | Self::Messages
            | Self::Setup
            | Self::Ring
            | Self::Talk
            | Self::Duration => true,
            Self::Listener
            | Self::NetProtocol
            | Self::NetSource
            | Self::NetDestination
            | Self::Received
            | Self::Type
            | Self::Error
            | Self::Version
            | Self::Node
            | Self::Clock
            | Self::Method
            | Self::CSeq
            | Self::CorrelationId
            | Self::XCallId
            | Self::SessionId
            | Self::Branch
            | Self::FromTag
            | Self::ToTag
            | Self::Payload
            | Self::Header(_)
            | Self::LabelTable
            | Self::LabelField(_)
            | Self::AttachedTo => false,
        }
    }
}

/// What a query about calls asks of the calls, and what of their messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) of_calls: Expr,
    pub(super) of_messages: Expr,
}

/// Takes a query about calls apart. What is asked of messages must stand beside the rest, not under an `OR` with it: a
/// call then fits when one of its messages fits all of that.
pub(super) fn split(expr: &Expr) -> Result<Split, Problem> {
    let parts = match expr {
        Expr::And(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    let (mut of_calls, mut of_messages) = (Vec::new(), Vec::new());
    for part in parts {
        let (mut own, mut other) = (None, None);
        part.for_each_test(&mut |test: &Test| {
            let side = if test.field.is_of_calls() {
                &mut own
            } else {
                &mut other
            };
            side.get_or_insert(&test.field);
        });
        match (own, other) {
            (_, None) => of_calls.push(part.clone()),
            (None, Some(_)) => of_messages.push(part.clone()),
            (Some(call), Some(message)) => {
                return Err(Problem::Mixed {
                    call: call.to_string(),
                    message: message.to_string(),
                });
            }
        }
    }
    Ok(Split {
        of_calls: all(of_calls),
        of_messages: all(of_messages),
    })
}

fn all(mut parts: Vec<Expr>) -> Expr {
    match parts.len() {
        0 => Expr::Everything,
        1 => parts.remove(0),
        _ => Expr::And(parts),
    }
}

/// From or To of each leg.
fn parties(call: &CallRecord, of: fn(&LegRecord) -> &Party) -> impl Iterator<Item = &Party> {
    call.legs.iter().map(of)
}

fn user(party: &Party, fits: Fits<'_>) -> bool {
    let host = party.host.as_deref().map(str::as_bytes);
    let user = party.user.as_deref().map(str::as_bytes);
    user.is_some_and(|user| any_user_at_host(user, host, fits))
}

fn text(text: Option<&str>, fits: Fits<'_>) -> bool {
    text.is_some_and(|text| fits(Value::Text(text.as_bytes())))
}

fn number(number: Option<i64>, fits: Fits<'_>) -> bool {
    number.is_some_and(|number| fits(Value::Number(number)))
}

fn duration(span: Option<Duration>, fits: Fits<'_>) -> bool {
    span.is_some_and(|span| fits(Value::Duration(span)))
}

fn end(address: Option<SocketAddr>, fits: Fits<'_>) -> bool {
    address.is_some_and(|address| {
        let ip = address.ip().to_canonical();
        fits(Value::Endpoint(Some(ip), Some(address.port())))
    })
}

/// An agent by the name that calls know it by: address, and capture agent ID where it has one.
fn split_agent(name: &str) -> (&str, Option<&str>) {
    match name.split_once('/') {
        Some((address, capture_id)) => (address, Some(capture_id)),
        None => (name, None),
    }
}

/// The class in which its messages stand.
fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Call => Class::Call,
        Kind::Registration => Class::Registration,
        Kind::Options => Class::Options,
        _ => Class::Sip,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{choices, fields::FIELDS};
    use crate::call::{Flag, Side, State};

    #[test]
    fn the_words_are_those_of_calls() {
        let flags: Vec<_> = Flag::ALL.iter().map(|flag| flag.label()).collect();
        assert_eq!(choices::FLAGS, flags);
        for state in [
            State::Unknown,
            State::Setup,
            State::Ringing,
            State::InCall,
            State::Ended,
            State::Failed,
            State::Cancelled,
            State::Redirected,
        ] {
            assert!(choices::STATES.contains(&state.label()));
        }
        for side in [Side::Caller, Side::Callee, Side::Both] {
            assert!(choices::SIDES.contains(&side.label()));
        }
        let classes = hepcat_store::Class::ALL.iter().map(|class| class.name());
        let classes: Vec<_> = classes.filter(|name| *name != "record").collect();
        assert_eq!(choices::CLASSES, classes);
    }

    #[test]
    fn what_only_calls_know_calls_answer() {
        for entry in FIELDS
            .iter()
            .filter(|entry| entry.scope == super::super::Scope::Call)
        {
            assert!(entry.field.is_of_calls(), "{}", entry.name);
        }
    }
}
