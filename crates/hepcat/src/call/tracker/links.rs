//! Brings legs together.

use std::net::{IpAddr, SocketAddr};

use hepcat_sip::Kind as Line;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Endpoint, Hearing, MAX_BRANCHES, MAX_MENTIONED, Placed, Told, Tracker};
use crate::call::{
    correlation::{
        LinkStatus, Member, Mentioned, Mentions, Pair, Rule, correlate_ids, embedded_replaces,
    },
    digest::{Digest, mix},
    headers::More,
    heard::has_cookie,
    leg::is_private,
    method::Method,
    moment::Moment,
    record::LegId,
    seen::Seen,
    text::kept,
};

/// Name spaces of pairs' keys.
const BRANCH: u8 = 10;
const MEDIA: u8 = 11;
const REFERRED: u8 = 12;
const MANUAL: u8 = 13;
/// `correlate` messages whose legs have not come.
const MAX_ALIASES: usize = 4_096;
/// Legs with one media address; more of them are behind one port of a relay, and not alike for that.
pub(super) const MAX_SHARERS: usize = 16;
/// REFERs and referred INVITEs to one user.
const MAX_REFERRALS: usize = 16;

/// Users that somebody is referred to at one time; more are not remembered.
const MAX_REFERRED: usize = 4_096;

/// A leg that was told to call somebody, or that calls because it was told to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Referral {
    leg: usize,
    /// Tells the leg from another one that has its number later.
    id: LegId,
    is_refer: bool,
    at: Moment,
}

impl Tracker {
    pub(super) fn mention_all(&mut self, leg: usize, mentions: Mentions<'_>) {
        for mention in mentions.0 {
            let Some(known) = self.state.legs.get_mut(leg).and_then(Option::as_mut) else {
                return;
            };
            let seal = mix(mention.key, mention.rule as u64);
            if known.mentioned.contains(&seal) {
                continue;
            }
            if known.mentioned.len() < MAX_MENTIONED {
                known.mentioned.push(seal);
            } else if self.state.graph.is_member(leg, mention.key) {
                continue;
            }
            let header = mention.header.and_then(|at| self.rules.headers.get(at));
            let member = Member {
                leg,
                key: mention.key,
                rule: mention.rule,
                confidence: mention.confidence,
                header: header.map(|header| kept(header.name.as_bytes())),
                status: self.status(mention.confidence),
            };
            let named = self.leg_number(mention.key);
            for outcome in self.state.graph.mention(member, &mention.value, named) {
                self.follow(leg, outcome);
            }
        }
    }

    fn status(&self, confidence: u8) -> LinkStatus {
        if confidence >= self.rules.join_at {
            LinkStatus::Joined
        } else {
            LinkStatus::Suggested
        }
    }

    fn pair(&mut self, leg: usize, other: usize, rule: Rule, key: u64, value: &[u8]) {
        let Some(confidence) = self.rules.confidence(rule) else {
            return;
        };
        let status = self.status(confidence);
        let pair = Pair {
            other,
            rule,
            confidence,
            value: kept(value),
            key,
            status,
        };
        let outcome = self.state.graph.pair(leg, pair);
        if outcome == Mentioned::Changed {
            // What is only suggested is said of both.
            self.touch(other);
        }
        self.follow(leg, outcome);
    }

    /// A B2BUA that keeps the Vias: an INVITE that came through the hop where another leg's INVITE was.
    pub(super) fn link_by_branches(&mut self, leg: usize, hearing: &Hearing<'_, '_>) {
        let begins = hearing.method == Method::Invite
            && hearing.scan.kind() == Line::Request
            && hearing.identity.to_tag == 0;
        if !begins || self.rules.confidence(Rule::ViaBranch).is_none() {
            return;
        }
        let vias = hearing.more.map_or(1, |more| more.vias);
        if vias <= 1 {
            let branch = hearing.scan.via_branch();
            return branch
                .into_iter()
                .for_each(|branch| self.link_by_branch(leg, branch));
        }
        let branches: SmallVec<[&[u8]; 8]> =
            hearing.scan.via_branches().take(MAX_BRANCHES).collect();
        branches
            .into_iter()
            .for_each(|branch| self.link_by_branch(leg, branch));
    }

    fn link_by_branch(&mut self, leg: usize, branch: &[u8]) {
        if !has_cookie(branch) {
            return;
        }
        let key = self.digest.in_space(BRANCH, branch);
        if !self.index.branches.contains_key(&key) {
            self.wake(key);
        }
        let other = *self.index.branches.entry(key).or_insert(leg);
        if other != leg {
            return self.pair(leg, other, Rule::ViaBranch, key, branch);
        }
        if let Some(known) = self.state.legs.get_mut(leg).and_then(Option::as_mut)
            && !known.branches.contains(&key)
        {
            if known.branches.len() < MAX_BRANCHES {
                known.branches.push(key);
            } else {
                self.index.branches.remove(&key);
            }
        }
    }

    /// The same media address in two legs at the same time, sent by two different hosts: the one passes on the
    /// other's description.
    pub(super) fn link_by_media(&mut self, leg: usize, told: &Told) {
        for endpoint in told {
            let key = media_key(self.digest, endpoint.socket());
            self.wake(key);
            let legs = self.index.media.entry(key).or_default();
            if !legs.contains(&leg) && legs.len() < MAX_SHARERS {
                legs.push(leg);
            }
            if legs.len() == 1 {
                continue;
            }
            let others: SmallVec<[usize; 4]> =
                legs.iter().copied().filter(|other| *other != leg).collect();
            for other in others {
                if self.shares(other, endpoint) {
                    let private = is_private(endpoint.address) || endpoint.address.is_loopback();
                    let rule = if private {
                        Rule::PrivateMedia
                    } else {
                        Rule::Media
                    };
                    self.pair(
                        leg,
                        other,
                        rule,
                        key,
                        endpoint.socket().to_string().as_bytes(),
                    );
                }
            }
        }
    }

    fn shares(&self, other: usize, endpoint: &Endpoint) -> bool {
        let window = self.rules.media_window;
        self.leg(other).is_some_and(|other| {
            other.endpoints().iter().any(|known| {
                known.socket() == endpoint.socket()
                    && known.source != endpoint.source
                    && known.first <= endpoint.last.after(window)
                    && endpoint.first <= known.last.after(window)
            })
        })
    }

    /// A blind transfer: REFER to a user, and an INVITE to that user with Referred-By.
    pub(super) fn link_by_referral(
        &mut self,
        leg: usize,
        hearing: &Hearing<'_, '_>,
        more: &More<'_>,
    ) {
        if hearing.scan.kind() == Line::Response || self.rules.confidence(Rule::Referred).is_none()
        {
            return;
        }
        let (target, is_refer) = match (hearing.method, more.refer_to, more.referred_by) {
            (Method::Refer, Some(refer_to), _) if embedded_replaces(refer_to).is_none() => {
                (uri_user(refer_to), true)
            }
            (Method::Invite, _, Some(_)) if hearing.identity.to_tag == 0 => {
                (hearing.scan.request_uri().and_then(|uri| uri.user()), false)
            }
            _ => return,
        };
        let Some(target) = target else { return };
        let Some(id) = self.leg(leg).map(|leg| leg.id) else {
            return;
        };
        let key = self.digest.in_space(REFERRED, target);
        if self.state.referred.len() >= MAX_REFERRED && !self.state.referred.contains_key(&key) {
            return self.follow(leg, Mentioned::Withheld);
        }
        let referral = Referral {
            leg,
            id,
            is_refer,
            at: hearing.at,
        };
        let window = self.rules.refer_window;
        let known = self.state.referred.entry(key).or_default();
        let fits: SmallVec<[(usize, LegId); 2]> = known
            .iter()
            .filter(|other| {
                other.is_refer != is_refer
                    && other.leg != leg
                    && other.at.distance(hearing.at) <= window
            })
            .map(|other| (other.leg, other.id))
            .collect();
        if !known
            .iter()
            .any(|other| (other.id, other.is_refer) == (id, is_refer))
        {
            if known.len() >= MAX_REFERRALS {
                known.remove(0);
            }
            known.push(referral);
        }
        if let Some(leg) = self.state.legs.get_mut(leg).and_then(Option::as_mut) {
            leg.is_referral = true;
        }
        for (other, id) in fits {
            if self.leg(other).is_some_and(|other| other.id == id) {
                self.pair(leg, other, Rule::Referred, key, target);
            }
        }
    }

    /// Forgets referrals that are too old to match; with them go those of closed legs.
    pub(super) fn expire_referrals(&mut self, now: Moment) {
        let window = self.rules.refer_window * 4;
        self.state.referred.retain(|_, referrals| {
            referrals.retain(|referral| referral.at.distance(now) <= window);
            !referrals.is_empty()
        });
    }

    /// Ids that somebody says belong together.
    pub(super) fn ingest_correlate(&mut self, seen: &Seen<'_>, at: Moment) -> Placed {
        let ids = correlate_ids(seen);
        let keys: Vec<(u64, &[u8])> = ids
            .iter()
            .map(|id| (self.digest.of(id), id.as_slice()))
            .collect();
        let mut place = None;
        if keys.len() > 1 && self.rules.confidence(Rule::Correlate).is_some() {
            let until = seen.received.after(self.limits.setup_idle);
            for outcome in self.state.graph.alias(&keys, until) {
                let leg = keys
                    .iter()
                    .find_map(|(key, _)| self.state.graph.leg_by_key(*key));
                if let Some(leg) = leg {
                    self.follow(leg, outcome);
                }
            }
            for (key, _) in &keys {
                if let Some(leg) = self.leg_number(*key) {
                    let outcome = self.state.graph.name(leg, *key);
                    self.follow(leg, outcome);
                }
            }
            let leg = keys
                .iter()
                .find_map(|(key, _)| self.state.graph.leg_by_key(*key));
            place = leg.and_then(|leg| self.place_of(leg));
            self.state
                .aliases
                .push_back((until, keys.iter().map(|(key, _)| *key).collect()));
            if self.state.aliases.len() > MAX_ALIASES {
                self.expire_alias();
            }
        }
        if place.is_none() {
            self.state.counters.unplaced += 1;
        }
        Placed {
            place,
            ..Placed::nowhere(at)
        }
    }

    pub(super) fn expire_aliases(&mut self, now: Moment) {
        while self
            .state
            .aliases
            .front()
            .is_some_and(|(until, _)| *until <= now)
        {
            self.expire_alias();
        }
        self.expire_referrals(now);
    }

    fn expire_alias(&mut self) {
        let Some((until, keys)) = self.state.aliases.pop_front() else {
            return;
        };
        for key in keys {
            self.state.graph.expire_group(key, until);
        }
    }

    /// Joins two open legs, because an operator says so. Gives whether both are open and are one call now.
    pub fn link(&mut self, one: LegId, other: LegId) -> bool {
        let (Some(one), Some(other)) = (self.leg_by_id(one), self.leg_by_id(other)) else {
            return false;
        };
        let both = [one, other].map(|leg| self.leg(leg).map_or(0, |leg| leg.key));
        let key = mix(
            u64::from(MANUAL),
            mix(both[0].min(both[1]), both[0].max(both[1])),
        );
        self.pair(one, other, Rule::Manual, key, b"");
        self.state.graph.component_of(one) == self.state.graph.component_of(other)
    }

    /// Takes a link of an open leg away for good, with whatever hung on it. Gives whether there was one.
    pub fn unlink(&mut self, leg: LegId, key: u64) -> bool {
        let Some(leg) = self.leg_by_id(leg) else {
            return false;
        };
        let Some(components) = self.state.graph.unlink(leg, key) else {
            return false;
        };
        for (place, component) in components.iter().enumerate() {
            let legs: Vec<usize> = self.state.graph.legs_of(*component).to_vec();
            if place > 0 {
                self.put_call(*component);
                let received = self.state.now;
                self.queue(*component, received);
            } else if let Some(call) = self
                .state
                .calls
                .get_mut(*component)
                .and_then(Option::as_mut)
            {
                call.first = (Moment::from_micros(i64::MAX), u64::MAX);
            }
            legs.into_iter().for_each(|leg| self.touch(leg));
        }
        true
    }

    fn leg_by_id(&mut self, id: LegId) -> Option<usize> {
        let awake = self.index.ids.get(&id.as_u64()).copied();
        awake.or_else(|| self.unpark_by_id(id))
    }
}

pub(super) fn media_key(digest: Digest, address: SocketAddr) -> u64 {
    let port = u64::from(address.port());
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => mix(digest.in_space(MEDIA, &ip.octets()), port),
        IpAddr::V6(ip) => mix(digest.in_space(MEDIA, &ip.octets()), port),
    }
}

/// The user part of a URI inside a Refer-To.
fn uri_user(refer_to: &[u8]) -> Option<&[u8]> {
    let start = memchr::memchr(b'<', refer_to).map_or(0, |at| at + 1);
    let uri = refer_to.get(start..)?;
    let user = uri.get(memchr::memchr(b':', uri)? + 1..)?;
    let end = user
        .iter()
        .position(|octet| matches!(octet, b'@' | b'>' | b';' | b'?'))?;
    user.get(..end).filter(|user| !user.is_empty())
}
