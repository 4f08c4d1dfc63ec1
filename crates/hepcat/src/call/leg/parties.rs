//! Who calls whom, from the message that knows best.

use hepcat_sip::{NameAddr, Scan};
use serde::{Deserialize, Serialize};

use crate::call::{digest::narrow, heard::Identity, moment::Moment, record::Party, text::keep};

/// How much a message tells of who is the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Witness {
    /// A request outside a dialog: its From is the caller.
    Beginning,
    /// A response: its From is that of a request that may have been inside a dialog.
    Response,
    /// A request inside a dialog: its From may be either.
    Inside,
}

/// Caller and callee. Taken from the best witness, and among those from the earliest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parties {
    pub(super) witness: Witness,
    pub(super) at: Moment,
    pub(super) order: u64,
    /// Digest of the caller's tag.
    pub(super) caller_tag: u64,
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) request_user: Option<Box<str>>,
}

impl Default for Parties {
    fn default() -> Self {
        Self {
            witness: Witness::Inside,
            at: Moment::from_micros(i64::MAX),
            order: narrow(u64::MAX),
            caller_tag: 0,
            from: Party::default(),
            to: Party::default(),
            request_user: None,
        }
    }
}

impl Parties {
    pub(super) fn octets(&self) -> usize {
        [&self.from, &self.to]
            .into_iter()
            .flat_map(|party| [&party.user, &party.host, &party.display])
            .chain([&self.request_user])
            .flatten()
            .map(|text| text.len())
            .sum()
    }

    /// Digests of earlier versions are longer.
    pub(super) fn narrow(&mut self) {
        (self.order, self.caller_tag) = (narrow(self.order), narrow(self.caller_tag));
    }

    /// Takes them from `scan` where it knows better. `order` settles between messages of one time.
    pub(super) fn hear(
        &mut self,
        scan: &Scan<'_>,
        witness: Witness,
        identity: &Identity,
        at: Moment,
        order: u64,
    ) -> bool {
        if (witness, at, order) >= (self.witness, self.at, self.order) {
            return false;
        }
        (self.witness, self.at, self.order) = (witness, at, order);
        self.caller_tag = identity.from_tag;
        party(&mut self.from, scan.from());
        party(&mut self.to, scan.to());
        let user = scan.request_uri().and_then(|uri| uri.user());
        if user.is_some() || witness == Witness::Beginning {
            keep(&mut self.request_user, user);
        }
        true
    }
}

fn party(party: &mut Party, address: Option<NameAddr<'_>>) {
    keep(&mut party.user, address.and_then(|address| address.user()));
    keep(&mut party.host, address.and_then(|address| address.host()));
    keep(
        &mut party.display,
        address.and_then(|address| address.display()),
    );
}
