//! Observations of one transmission become one arrow.

use std::{collections::HashMap, time::Duration};

use hepcat_sip::Kind as Line;

use super::method_of;
use crate::call::{
    digest::Digest,
    heard::{INSTANT, Identity, message_key},
    leg::hop,
    method::Method,
    moment::Moment,
    seen::Seen,
};

/// Two agents that see one transmission are, their clocks corrected, this close: half of T1, after which it may have
/// been sent again.
const TOGETHER: Duration = Duration::from_millis(250);

/// What one message says about its place in the call.
#[derive(Debug)]
pub(super) struct Fact<'a> {
    /// What tells the message from others; nothing for what is not SIP.
    pub(super) key: Option<u64>,
    pub(super) is_request: bool,
    pub(super) method: Method,
    pub(super) status: u16,
    pub(super) cseq: u32,
    pub(super) from_tag: u64,
    pub(super) to_tag: u64,
    /// Digests of Via branches, the topmost first.
    pub(super) branches: Vec<u64>,
    pub(super) leg: u64,
    pub(super) seen: &'a Seen<'a>,
}

const DIGEST: Digest = Digest::new(0);

impl<'a> Fact<'a> {
    pub(super) fn read(seen: &'a Seen<'a>) -> Self {
        let mut fact = Self {
            key: None,
            is_request: false,
            method: Method::Other,
            status: 0,
            cseq: 0,
            from_tag: 0,
            to_tag: 0,
            branches: Vec::new(),
            leg: 0,
            seen,
        };
        let Some(scan) = seen.sip() else { return fact };
        let identity = Identity::of(DIGEST, scan);
        let hop = if identity.has_cookie {
            0
        } else {
            hop(DIGEST, seen.source, seen.destination)
        };
        fact.leg = DIGEST.of(scan.call_id().unwrap_or_default());
        fact.key = Some(message_key(DIGEST, scan, &identity, hop) ^ fact.leg);
        fact.is_request = scan.kind() == Line::Request;
        fact.method = method_of(scan);
        fact.status = scan.status_code().unwrap_or(0);
        fact.cseq = scan.cseq_number().unwrap_or(0);
        (fact.from_tag, fact.to_tag) = (identity.from_tag, identity.to_tag);
        fact.branches = scan
            .via_branches()
            .map(|branch| DIGEST.of(branch))
            .collect();
        fact
    }

    /// When it was captured, as its agent says; when it came, where that says nothing.
    pub(super) fn time(&self) -> Moment {
        self.seen.sent.unwrap_or(self.seen.received)
    }
}

/// One observation, with its corrected time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    pub(super) message: usize,
    pub(super) at: Moment,
}

/// No observation; a transmission has at least one.
const NONE: Observation = Observation {
    message: usize::MAX,
    at: Moment::from_micros(0),
};

/// One transmission.
#[derive(Debug)]
pub(super) struct Transmission {
    /// At least one, the earliest first.
    pub(super) observed: Vec<Observation>,
    /// Which of its message's transmissions.
    pub(super) number: usize,
    pub(super) again_of: Option<usize>,
}

impl Transmission {
    pub(super) fn first(&self) -> Observation {
        self.observed.first().copied().unwrap_or(NONE)
    }
}

/// The transmissions of `messages`; those of one message follow each other in the order of time.
pub(super) fn transmissions(
    messages: &[Seen<'_>],
    facts: &[Fact<'_>],
    corrections: &[(&str, i64)],
) -> Vec<Transmission> {
    let correction = |agent: &str| {
        corrections
            .iter()
            .find(|(known, _)| *known == agent)
            .map_or(0, |(_, correction)| *correction)
    };
    let mut observations: Vec<(Option<u64>, Observation)> = facts
        .iter()
        .enumerate()
        .map(|(message, fact)| {
            let at = fact.time().shifted(correction(fact.seen.agent));
            (fact.key, Observation { message, at })
        })
        .collect();
    observations.sort_by_key(|(_, observation)| {
        let row = messages.get(observation.message).map_or(0, |seen| seen.row);
        (observation.at, row, observation.message)
    });
    let mut transmissions: Vec<Transmission> = Vec::new();
    let mut of_message: HashMap<u64, Vec<usize>> = HashMap::new();
    for (key, observation) in observations {
        let mut number = 0;
        let mut again_of = None;
        if let Some(key) = key {
            let known = of_message.entry(key).or_default();
            let same = known.iter().copied().find(|place| {
                let transmission = transmissions.get(*place);
                transmission
                    .is_some_and(|transmission| belongs(messages, transmission, observation))
            });
            if let Some(transmission) = same.and_then(|place| transmissions.get_mut(place)) {
                transmission.observed.push(observation);
                continue;
            }
            (number, again_of) = (known.len(), known.first().copied());
            known.push(transmissions.len());
        }
        transmissions.push(Transmission {
            observed: vec![observation],
            number,
            again_of,
        });
    }
    transmissions
}

fn belongs(messages: &[Seen<'_>], transmission: &Transmission, observation: Observation) -> bool {
    let agent = |message: usize| messages.get(message).map(|seen| seen.agent);
    let by = agent(observation.message);
    let mut own = transmission
        .observed
        .iter()
        .filter(|known| agent(known.message) == by);
    match own.next_back() {
        Some(before) => before.at.distance(observation.at) < INSTANT,
        None => transmission.first().at.distance(observation.at) < TOGETHER,
    }
}
