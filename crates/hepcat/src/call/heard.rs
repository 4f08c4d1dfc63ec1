//! Telling a message seen twice from a message sent twice.
//!
//! Two observations are of the same *message* when they agree in what makes a message on one hop: the branch of the
//! topmost Via, the CSeq, method or status, and both tags. Within those, an agent that sees the message again after a
//! while sees a *retransmission*; another agent that sees it, or the same one within an instant, sees a *duplicate* of
//! a transmission. So a message was sent as often as the agent saw it that saw it most.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    digest::{Digest, mix, narrow},
    moment::Moment,
};
use hepcat_sip::Scan;

/// One agent that sees a message twice within this sees one transmission twice: on its way in and out of an
/// interface, or mirrored. The first retransmission comes after T1, 500 ms (RFC 3261 §17), and no program sets T1
/// below 100 ms.
pub(super) const INSTANT: Duration = Duration::from_millis(50);
/// What comes again after this is not a retransmission but said anew (a 180 once a minute): transactions time out
/// after 64 times T1, 32 s.
pub(super) const TRANSACTION: Duration = Duration::from_secs(40);
/// Transmissions that a leg remembers, the latest. A call of 14 messages that two agents see fits.
pub(super) const MAX_REMEMBERED: usize = 64;

/// What an observation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Novelty {
    /// A message that was not seen before.
    New,
    /// A message that was sent before.
    Retransmission,
    /// A transmission that was seen before, at another place or twice at one.
    Duplicate,
}

/// The key of the message that `scan` is an observation of.
pub(super) fn message_key(digest: Digest, scan: &Scan<'_>, parts: &Identity, hop: u64) -> u64 {
    let mut key = mix(parts.branch, u64::from(scan.cseq_number().unwrap_or(0)));
    key = mix(key, parts.from_tag);
    key = mix(key, parts.to_tag);
    match scan.status_code() {
        Some(code) => {
            key = mix(key, u64::from(code));
            key = mix(key, digest.of(scan.cseq_method().unwrap_or_default()));
            // A provisional response may be said again with another body, which is another message.
            if (101..200).contains(&code) {
                key = mix(key, digest.of(scan.body()));
            }
        }
        None => key = mix(key, digest.of(scan.method().unwrap_or_default())),
    }
    // Without a branch as RFC 3261 wants it, the addresses have to tell hops apart.
    narrow(if parts.has_cookie { key } else { mix(key, hop) })
}

/// Digests of what identifies a message; 0 for what is absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Identity {
    pub(super) branch: u64,
    pub(super) from_tag: u64,
    pub(super) to_tag: u64,
    pub(super) has_cookie: bool,
}

impl Identity {
    pub(super) fn of(digest: Digest, scan: &Scan<'_>) -> Self {
        let some = |text: Option<&[u8]>| text.map_or(0, |text| narrow(digest.of(text)));
        let branch = scan.via_branch();
        Self {
            branch: some(branch),
            from_tag: some(scan.from().and_then(|from| from.tag())),
            to_tag: some(scan.to().and_then(|to| to.tag())),
            has_cookie: branch.is_some_and(has_cookie),
        }
    }
}

/// Whether a branch is one of RFC 3261, unique in space and time.
pub(super) fn has_cookie(branch: &[u8]) -> bool {
    branch
        .split_at_checked(7)
        .is_some_and(|(cookie, _)| cookie.eq_ignore_ascii_case(b"z9hG4bK"))
}

/// One transmission as one agent saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transmission {
    pub(super) key: u64,
    pub(super) at: Moment,
    pub(super) agent: u16,
}

/// The latest transmissions of a leg.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) transmissions: Vec<Transmission>,
    pub(super) counts: Counts,
}

/// How often what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Messages, each once.
    pub(super) messages: u32,
    /// Times that one was sent again.
    pub(super) retransmissions: u32,
    /// Observations of what had been observed.
    pub(super) duplicates: u32,
}

impl Heard {
    /// Takes in an observation by `agent` at `at`, corrected.
    pub(super) fn hear(&mut self, key: u64, agent: u16, at: Moment) -> Novelty {
        let novelty = self.judge(key, agent, at);
        let count = match novelty {
            Novelty::New => &mut self.counts.messages,
            Novelty::Retransmission => &mut self.counts.retransmissions,
            Novelty::Duplicate => &mut self.counts.duplicates,
        };
        *count = count.saturating_add(1);
        novelty
    }

    fn judge(&mut self, key: u64, agent: u16, at: Moment) -> Novelty {
        let mut near = false;
        let (mut by_this, mut others): (usize, SmallVec<[(u16, usize); 4]>) = (0, SmallVec::new());
        for known in self.transmissions.iter().filter(|known| known.key == key) {
            let distance = known.at.distance(at);
            if known.agent != agent {
                match others.iter_mut().find(|(other, _)| *other == known.agent) {
                    Some((_, count)) => *count += 1,
                    None => others.push((known.agent, 1)),
                }
            } else if distance < INSTANT {
                return Novelty::Duplicate;
            } else {
                by_this += 1;
                near |= distance < TRANSACTION;
            }
        }
        self.remember(Transmission { key, at, agent });
        let by_others = others.iter().map(|(_, count)| *count).max().unwrap_or(0);
        match by_this {
            // Another agent has seen as many: this is its next one.
            _ if by_this < by_others => Novelty::Duplicate,
            0 => Novelty::New,
            _ if near => Novelty::Retransmission,
            _ => Novelty::New,
        }
    }

    /// Keeps it in place of the oldest where there is no more room.
    fn remember(&mut self, transmission: Transmission) {
        if self.transmissions.len() < MAX_REMEMBERED {
            return self.transmissions.push(transmission);
        }
        if let Some(oldest) = self.transmissions.iter_mut().min_by_key(|known| known.at) {
            *oldest = transmission;
        }
    }

    /// Forgets what can no longer be sent again. The memory goes back.
    pub(super) fn forget(&mut self) {
        self.transmissions = Vec::new();
    }

    /// Digests of earlier versions are longer.
    pub(super) fn narrow(&mut self) {
        for transmission in &mut self.transmissions {
            transmission.key = narrow(transmission.key);
        }
    }

    pub(super) fn octets(&self) -> usize {
        self.transmissions.capacity() * size_of::<Transmission>()
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Moment {
        Moment::from_micros(1_700_000_000_000_000 + millis * 1_000)
    }

    fn hear_all(observations: &[(u64, u16, i64)]) -> Counts {
        let mut heard = Heard::default();
        for (key, agent, millis) in observations {
            heard.hear(*key, *agent, at(*millis));
        }
        heard.counts()
    }

    #[test]
    fn one_agent_hears_again_and_another_hears_the_same() {
        let counts = |messages, retransmissions, duplicates| Counts {
            messages,
            retransmissions,
            duplicates,
        };
        for (what, observations, expected) in [
            ("once", vec![(1, 1, 0)], counts(1, 0, 0)),
            (
                "sent three times",
                vec![(1, 1, 0), (1, 1, 500), (1, 1, 1_500)],
                counts(1, 2, 0),
            ),
            ("seen by two", vec![(1, 1, 0), (1, 2, 3)], counts(1, 0, 1)),
            (
                "seen by two with clocks far apart",
                vec![(1, 1, 0), (1, 2, 30_000)],
                counts(1, 0, 1),
            ),
            ("mirrored", vec![(1, 1, 0), (1, 1, 1)], counts(1, 0, 1)),
            (
                "sent twice, seen by two",
                vec![(1, 1, 0), (1, 2, 2), (1, 1, 500), (1, 2, 502)],
                counts(1, 1, 2),
            ),
            (
                "sent twice, one sees one",
                vec![(1, 2, 502), (1, 1, 0), (1, 1, 500)],
                counts(1, 1, 1),
            ),
            (
                "said anew after a minute",
                vec![(1, 1, 0), (1, 1, 60_000)],
                counts(2, 0, 0),
            ),
            (
                "three agents",
                vec![(1, 1, 0), (1, 2, 1), (1, 3, 2)],
                counts(1, 0, 2),
            ),
        ] {
            assert_eq!(hear_all(&observations), expected, "{what}");
            let backwards: Vec<_> = observations.into_iter().rev().collect();
            assert_eq!(hear_all(&backwards), expected, "{what}, backwards");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut heard = Heard::default();
        for key in 0..10_000 {
            heard.hear(key, 1, at(i64::try_from(key).unwrap() * 10));
        }
        assert_eq!(heard.transmissions.len(), MAX_REMEMBERED);
        assert_eq!(heard.counts().messages, 10_000);
    }
}
