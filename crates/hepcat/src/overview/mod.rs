//! How a network does, in the figures that operators compare: calls counted by what became of them. Pure.
//!
//! A [`Tally`] is shown calls in any order; [`Tally::finish`] gives the [`Overview`]. What the figures mean stands in
//! `docs/overview.md`.

use std::{collections::HashMap, net::IpAddr};

use serde::Serialize;

use crate::call::{CallRecord, LegRecord, State};

/// Setup times that are kept to tell percentiles; beyond that, each new one takes the place of another.
const MOST_TIMES: usize = 200_000;
/// Peers that are told apart; others count together.
const MOST_PEERS: usize = 50_000;
/// Peers that are listed.
const LISTED: usize = 12;

/// A final response and how many calls got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodeCount {
    /// The status code; 0 where none came.
    pub code: u16,
    /// How many calls.
    pub calls: u64,
}

/// Somebody that calls are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Calls to it that are decided.
    pub calls: u64,
    /// Those that the network failed: neither answered, nor busy, declined or given up.
    pub failed: u64,
}

/// Setup times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Percentiles {
    /// Half of them are shorter.
    pub p50: u64,
    /// Nine of ten are.
    pub p90: u64,
    /// Ninety-nine of a hundred.
    pub p99: u64,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// Calls that began.
    pub calls: u64,
    /// Of these, those that are set up or ring now.
    pub setting_up: u64,
    /// Those that are in call now.
    pub in_call: u64,
    /// Those of which too little was seen to tell.
    pub unknown: u64,
    /// Answered, going on or over.
    pub answered: u64,
    /// Given up by the caller.
    pub cancelled: u64,
    /// Sent elsewhere.
    pub redirected: u64,
    /// Refused or not responded to.
    pub failed: u64,
    /// Answer-seizure ratio in percent (ITU-T E.411): answered of all that are decided.
    pub asr: Option<f64>,
    /// Network effectiveness ratio in percent (ITU-T E.425): what users decided counts as well as answers.
    pub ner: Option<f64>,
    /// From the request to the first sign of the other side.
    pub setup_us: Option<Percentiles>,
    /// Sum of talk times in microseconds.
    pub talk_us: u64,
    /// Final responses, the most frequent first.
    pub codes: Vec<CodeCount>,
    /// Who was sent calls that failed, most failures first.
    pub peers: Vec<Peer>,
}

/// Calls being counted.
#[derive(Debug, Default)]
pub struct Tally {
    overview: Overview,
    /// What users decided: busy, declined, no answer, given up.
    by_users: u64,
    times: Vec<u64>,
    seen_times: usize,
    codes: HashMap<u16, u64>,
    peers: HashMap<IpAddr, (u64, u64)>,
}

impl Tally {
    /// Counts one more call.
    pub fn add(&mut self, call: &CallRecord) {
        let overview = &mut self.overview;
        overview.calls += 1;
        let by_user = is_decided_by_users(call);
        let mut is_failure = false;
        match call.state {
            State::Setup | State::Ringing => overview.setting_up += 1,
            State::InCall => {
                overview.in_call += 1;
                overview.answered += 1;
            }
            State::Ended => overview.answered += 1,
            State::Cancelled => overview.cancelled += 1,
            State::Redirected => overview.redirected += 1,
            State::Failed => {
                overview.failed += 1;
                is_failure = !by_user;
            }
            State::Unknown => overview.unknown += 1,
        }
        self.by_users += u64::from(by_user);
        if let Some(talk) = call.talk {
            overview.talk_us = overview.talk_us.saturating_add(micros(talk));
        }
        if let Some(setup) = call.setup {
            self.add_time(micros(setup));
        }
        if call.state.is_over() || call.final_code.is_some() {
            *self.codes.entry(call.final_code.unwrap_or(0)).or_default() += 1;
        }
        if call.state.is_over() {
            self.add_peers(call, is_failure);
        }
    }

    /// Each address that legs went to was sent the call; it failed at that of the leg that is farthest along.
    fn add_peers(&mut self, call: &CallRecord, is_failure: bool) {
        let address = |leg: &LegRecord| Some(leg.destination?.ip().to_canonical());
        let refused = |leg: &&LegRecord| leg.final_code.is_some_and(|code| code >= 300);
        let farthest = call.legs.iter().rev().find(refused);
        let failed_at = farthest
            .or_else(|| call.legs.last())
            .and_then(address)
            .filter(|_| is_failure);
        let mut sent_to: Vec<IpAddr> = call.legs.iter().filter_map(address).collect();
        sent_to.sort_unstable();
        sent_to.dedup();
        for peer in sent_to {
            if self.peers.len() < MOST_PEERS || self.peers.contains_key(&peer) {
                let (calls, failed) = self.peers.entry(peer).or_default();
                *calls += 1;
                *failed += u64::from(failed_at == Some(peer));
            }
        }
    }

    /// A sample of all, each as likely to be in it.
    fn add_time(&mut self, time: u64) {
        self.seen_times += 1;
        if self.times.len() < MOST_TIMES {
            self.times.push(time);
        } else if let Some(slot) = self.times.get_mut(fastrand::usize(..self.seen_times)) {
            *slot = time;
        }
    }

    /// The figures.
    #[must_use]
    pub fn finish(mut self) -> Overview {
        let mut overview = self.overview;
        let decided = overview.answered + overview.cancelled + overview.failed;
        overview.asr = percent(overview.answered, decided);
        overview.ner = percent(overview.answered + self.by_users, decided);
        self.times.sort_unstable();
        let times = &self.times;
        let at = |share: usize| {
            let last = times.len().saturating_sub(1);
            times.get(last * share / 100).copied().unwrap_or_default()
        };
        overview.setup_us = (!times.is_empty()).then(|| Percentiles {
            p50: at(50),
            p90: at(90),
            p99: at(99),
        });
        let codes = self.codes.into_iter();
        overview.codes = codes
            .map(|(code, calls)| CodeCount { code, calls })
            .collect();
        overview
            .codes
            .sort_unstable_by_key(|one| (std::cmp::Reverse(one.calls), one.code));
        let peers = self
            .peers
            .into_iter()
            .filter(|(_, (_, failed))| *failed > 0);
        overview.peers = peers
            .map(|(address, (calls, failed))| Peer {
                address,
                calls,
                failed,
            })
            .collect();
        overview
            .peers
            .sort_unstable_by_key(|peer| (std::cmp::Reverse(peer.failed), peer.address));
        overview.peers.truncate(LISTED);
        overview
    }
}

/// Whether it was a user, not the network, that kept the call from being answered: busy, declined, not there after
/// ringing, or given up.
fn is_decided_by_users(call: &CallRecord) -> bool {
    let rang = call.legs.iter().any(|leg| leg.ringing.is_some());
    match (call.state, call.final_code) {
        (State::Cancelled, _) => true,
        (State::Failed, Some(486 | 600 | 603 | 607)) => true,
        (State::Failed, Some(408 | 480)) => rang,
        _ => false,
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
    let share = |number: u64| number as f64;
    (whole > 0).then(|| share(part) * 100.0 / share(whole))
}

fn micros(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
