//! What is remembered of peer addresses: decisions, limits that are used up, frames that did not decode.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use hepcat_net::Origin;

use super::{Guard, Limits, Quarantine, Standing, UnknownAgents, limits::Meter};
use crate::pipeline::{agents::MAX_AGENTS, ledger::Refused};

/// What an operator said about an address. It holds at every listener, but only for those that the listener's
/// address ranges, keys and subjects let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Its messages are taken also where unknown agents are not.
    Accepted,
    /// Its messages are refused also where unknown agents are welcome.
    Refused,
}

impl Decision {
    /// `accepted` or `refused`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }

    /// The decision of that label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Accepted, Self::Refused]
            .into_iter()
            .find(|decision| decision.label() == label)
    }
}

/// How an address behaved with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Well enough.
    Fair,
    /// So many frames in a row did not decode that it has just been muted.
    NowMuted,
    /// Muted: what does not decode is refused.
    Muted,
}

/// All addresses. Bounded: where there are more than it can hold, the rest share a meter and are not muted.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    decisions: HashMap<IpAddr, Decision>,
    /// Of those whose latest frame did not decode.
    bad: HashMap<IpAddr, BadFrames, foldhash::fast::RandomState>,
    meters: HashMap<IpAddr, Meter, foldhash::fast::RandomState>,
    others: Option<Meter>,
    limits: Limits,
    pub(crate) quarantine: Quarantine,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct BadFrames {
    in_a_row: u32,
    latest: Instant,
    muted_until: Option<Instant>,
}

impl AddressBook {
    /// What an operator said about `address`.
    pub(crate) fn decision(&self, address: IpAddr) -> Option<Decision> {
        if self.decisions.is_empty() {
            return None;
        }
        self.decisions.get(&address).copied()
    }

    /// Everything that operators said, in the order of addresses.
    pub(crate) fn decisions(&self) -> Vec<(IpAddr, Decision)> {
        let mut all: Vec<_> = self
            .decisions
            .iter()
            .map(|(at, what)| (*at, *what))
            .collect();
        all.sort_unstable_by_key(|(address, _)| *address);
        all
    }

    /// Notes a decision, or that there is none any more.
    pub(crate) fn decide(&mut self, address: IpAddr, decision: Option<Decision>) {
        match decision {
            Some(decision) => self.decisions.insert(address, decision),
            None => self.decisions.remove(&address),
        };
        self.quarantine.release(address);
    }

    /// What holds from now on; what was used up of other limits is forgotten.
    pub(crate) fn limit(&mut self, limits: Limits) {
        if self.limits != limits {
            self.meters.clear();
            self.others = None;
            self.bad.clear();
            self.limits = limits;
        }
    }

    /// Whether rates are limited.
    pub(crate) fn has_rate(&self) -> bool {
        self.limits.has_rate()
    }

    /// Where an agent stands at a listener, by all that is known without its frames.
    pub(crate) fn standing(&self, guard: &Guard, origin: &Origin) -> Standing {
        let by_address = self.standing_of_address(guard, origin.peer.ip());
        match by_address {
            Standing::Refused(Refused::Address) => by_address,
            _ if !guard.certified(origin) => Standing::Refused(Refused::Certificate),
            _ => by_address,
        }
    }

    /// The same for an address alone.
    pub(crate) fn standing_of_address(&self, guard: &Guard, address: IpAddr) -> Standing {
        if !guard.allows(address) {
            return Standing::Refused(Refused::Address);
        }
        match (self.decision(address), guard.unknown()) {
            (Some(Decision::Refused), _) => Standing::Refused(Refused::Agent),
            (Some(Decision::Accepted), _) | (None, UnknownAgents::Accept) => Standing::Accepted,
            (None, UnknownAgents::Quarantine) => Standing::Quarantined,
            (None, UnknownAgents::Refuse) => Standing::Refused(Refused::Unknown),
        }
    }

    /// Whether the latest frame of this address did not decode.
    pub(crate) fn is_bad(&self, address: IpAddr) -> bool {
        !self.bad.is_empty() && self.bad.contains_key(&address)
    }

    /// A frame of this address decoded.
    pub(crate) fn good(&mut self, address: IpAddr) {
        if !self.bad.is_empty() {
            self.bad.remove(&address);
        }
    }

    /// A frame of this address did not decode.
    pub(crate) fn bad(&mut self, address: IpAddr, now: Instant) -> Conduct {
        let Some(most) = self.limits.bad_frames else {
            return Conduct::Fair;
        };
        if self.bad.len() >= MAX_AGENTS && !self.bad.contains_key(&address) {
            self.sweep(now);
            if self.bad.len() >= MAX_AGENTS {
                return Conduct::Fair;
            }
        }
        let bad = self.bad.entry(address).or_insert(BadFrames {
            in_a_row: 0,
            latest: now,
            muted_until: None,
        });
        bad.latest = now;
        if let Some(until) = bad.muted_until {
            if now < until {
                return Conduct::Muted;
            }
            bad.muted_until = None;
            bad.in_a_row = 0;
        }
        bad.in_a_row += 1;
        if bad.in_a_row < most.get() {
            return Conduct::Fair;
        }
        bad.muted_until = Some(now + self.limits.mute);
        Conduct::NowMuted
    }

    /// Takes a frame of that many octets out of what the address may send, or says no.
    pub(crate) fn take(&mut self, address: IpAddr, octets: u64, now: Instant) -> bool {
        if self.meters.len() >= MAX_AGENTS && !self.meters.contains_key(&address) {
            self.sweep(now);
            if self.meters.len() >= MAX_AGENTS {
                let limits = &self.limits;
                let shared = self.others.get_or_insert_with(|| Meter::new(limits, now));
                return shared.take(octets, now);
            }
        }
        let limits = &self.limits;
        let meter = self
            .meters
            .entry(address)
            .or_insert_with(|| Meter::new(limits, now));
        meter.take(octets, now)
    }

    /// Forgets what says nothing any more; at most once a second, as it looks at everybody.
    fn sweep(&mut self, now: Instant) {
        const PAUSE: Duration = Duration::from_secs(1);
        let due = self
            .swept
            .is_none_or(|swept| now.saturating_duration_since(swept) >= PAUSE);
        if !due {
            return;
        }
        self.swept = Some(now);
        let limits = &self.limits;
        self.meters.retain(|_, meter| !meter.is_full(limits, now));
        self.bad
            .retain(|_, bad| now.saturating_duration_since(bad.latest) < limits.mute);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        num::{NonZeroU32, NonZeroU64},
    };

    use super::*;

    fn address(number: usize) -> IpAddr {
        IpAddr::from(Ipv4Addr::from(u32::try_from(number).unwrap()))
    }

    fn book(change: impl FnOnce(&mut Limits)) -> AddressBook {
        let mut limits = Limits::default();
        change(&mut limits);
        let mut book = AddressBook::default();
        book.limit(limits);
        book
    }

    #[test]
    fn an_address_is_muted_for_a_while_and_one_good_frame_clears_it() {
        let mut book = book(|limits| limits.bad_frames = NonZeroU32::new(3));
        let (start, a, b) = (Instant::now(), address(1), address(2));
        for expected in [
            Conduct::Fair,
            Conduct::Fair,
            Conduct::NowMuted,
            Conduct::Muted,
        ] {
            assert_eq!(book.bad(a, start), expected);
        }
        assert_eq!(book.bad(b, start), Conduct::Fair, "another address");
        assert_eq!(book.bad(a, start + Duration::from_secs(9)), Conduct::Muted);
        assert_eq!(book.bad(a, start + Duration::from_secs(10)), Conduct::Fair);
        book.bad(a, start + Duration::from_secs(10));
        book.good(a);
        for expected in [Conduct::Fair, Conduct::Fair, Conduct::NowMuted] {
            assert_eq!(book.bad(a, start + Duration::from_secs(11)), expected);
        }
        book.good(a);
        book.good(b);
        assert!(!book.is_bad(a) && !book.is_bad(b));
    }

    #[test]
    fn invented_addresses_fill_neither_table_for_ever() {
        let mut book = book(|limits| limits.messages_per_second = NonZeroU64::new(1));
        let start = Instant::now();
        for number in 0..2 * MAX_AGENTS {
            book.bad(address(number), start);
            book.take(address(number), 100, start);
        }
        assert_eq!(
            (book.bad.len(), book.meters.len()),
            (MAX_AGENTS, MAX_AGENTS)
        );
        // The rest share what one address may send.
        assert!(!book.take(address(3 * MAX_AGENTS), 100, start));
        let later = start + Duration::from_secs(60);
        assert!(book.take(address(3 * MAX_AGENTS), 100, later));
        assert_eq!(book.meters.len(), 1);
    }

    #[test]
    fn decisions_stand_above_what_is_done_about_unknown_agents() {
        let mut book = AddressBook::default();
        let guards = [
            UnknownAgents::Accept,
            UnknownAgents::Quarantine,
            UnknownAgents::Refuse,
        ]
        .map(|unknown| Guard::new(Vec::new(), Default::default(), Vec::new(), unknown));
        let standings = |book: &AddressBook| {
            guards
                .each_ref()
                .map(|guard| book.standing_of_address(guard, address(1)))
        };
        let undecided = [
            Standing::Accepted,
            Standing::Quarantined,
            Standing::Refused(Refused::Unknown),
        ];
        assert_eq!(standings(&book), undecided);
        book.decide(address(1), Some(Decision::Accepted));
        assert_eq!(standings(&book), [Standing::Accepted; 3]);
        book.decide(address(1), Some(Decision::Refused));
        assert_eq!(standings(&book), [Standing::Refused(Refused::Agent); 3]);
        book.decide(address(1), None);
        assert_eq!(standings(&book), undecided);
    }

    #[test]
    fn a_decision_does_not_open_an_address_range() {
        let mut book = AddressBook::default();
        let allow = vec!["10.0.0.0/8".parse().unwrap()];
        let guard = Guard::new(allow, Default::default(), Vec::new(), UnknownAgents::Accept);
        book.decide(address(1), Some(Decision::Accepted));
        assert_eq!(
            book.standing_of_address(&guard, address(1)),
            Standing::Refused(Refused::Address)
        );
    }
}
