//! One leg: everything that is remembered of one Call-ID while it is open.

mod dialog;
mod packed;
mod parties;
mod session;
mod summary;

use std::net::{IpAddr, SocketAddr};

use hepcat_sip::{Kind as Line, Scan};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::{
    dialog::{Attempts, Facts},
    parties::{Parties, Witness},
    session::Session,
};
use super::{
    correlation::embedded_replaces,
    digest::{Digest, mix, narrow},
    flag::{Flag, Flags},
    headers::More,
    heard::{Heard, Identity, Novelty},
    method::{Method, Methods},
    moment::Moment,
    quality::Quality,
    record::{Kind, LegId, State},
    text::{keep, kept},
};

pub(super) use packed::{Head, Kept, Keys};
pub(super) use session::Endpoint;
pub(super) use summary::Context;

/// Agents and user agents of one leg.
const MAX_AGENTS: usize = 8;
/// What a leg takes in the graph, in a call of its own and in the indexes.
const SHARE_OCTETS: usize = 480;
/// What one mentioned value takes there: a group, its text and its key.
const MENTION_OCTETS: usize = 320;

/// A leg.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) call_id: Box<str>,
    /// Digest of the Call-ID.
    pub(super) key: u64,
    /// Times of the first and the last message, corrected.
    pub(super) first: Moment,
    last: Moment,
    /// When the last one arrived, by our clock.
    pub(super) last_received: Moment,
    methods: Methods,
    flags: Flags,
    heard: Heard,
    agents: SmallVec<[u16; 4]>,
    parties: Parties,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    asserted: Option<Box<str>>,
    diversion: Option<Box<str>>,
    facts: Facts,
    session: Session,
    user_agents: Vec<UserAgent>,
    /// Keys that are in the graph already.
    pub(super) mentioned: SmallVec<[u64; 4]>,
    /// Branches that are in the tracker's index, digested.
    pub(super) branches: SmallVec<[u64; 2]>,
    pub(super) registration: Option<usize>,
    /// Whether a REFER is waited for by its number.
    #[serde(default)]
    pub(super) is_referral: bool,
    reports: u32,
    events: u32,
    quality: Option<Quality>,
    /// What [`Self::octets`] was when the tracker counted it last.
    #[serde(skip)]
    pub(super) counted: usize,
    /// Its place among those that are parked, where it was before.
    #[serde(skip)]
    pub(super) kept: Option<Kept>,
}

/// What a program calls itself, and the digest of its tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(u64, u64, Box<str>)", into = "(u64, u64, Box<str>)")]
struct UserAgent {
    tag: u64,
    name: Box<str>,
}

impl From<(u64, u64, Box<str>)> for UserAgent {
    /// Earlier versions had a digest of the name too.
    fn from((_, tag, name): (u64, u64, Box<str>)) -> Self {
        Self { tag, name }
    }
}

impl From<UserAgent> for (u64, u64, Box<str>) {
    fn from(UserAgent { tag, name }: UserAgent) -> Self {
        (0, tag, name)
    }
}

/// One message of a leg, with what was read from it.
#[derive(Debug)]
pub(super) struct Hearing<'h, 'a> {
    pub(super) digest: Digest,
    pub(super) scan: &'h Scan<'a>,
    pub(super) identity: Identity,
    /// What tells this message from others.
    pub(super) key: u64,
    pub(super) more: Option<&'h More<'a>>,
    pub(super) method: Method,
    pub(super) at: Moment,
    pub(super) received: Moment,
    pub(super) agent: u16,
    pub(super) clock_is_off: bool,
    pub(super) source: Option<SocketAddr>,
    pub(super) destination: Option<SocketAddr>,
}

impl Hearing<'_, '_> {
    fn is_inside(&self) -> bool {
        self.identity.to_tag != 0
    }

    fn cseq(&self) -> u32 {
        self.scan.cseq_number().unwrap_or(0)
    }

    /// Whether the request came straight from who made it.
    fn is_first_hop(&self) -> bool {
        self.more.is_some_and(|more| more.vias == 1)
    }
}

impl Default for Leg {
    /// One of which nothing was heard.
    fn default() -> Self {
        Self {
            id: LegId::from_u64(0),
            call_id: Box::default(),
            key: 0,
            first: Moment::from_micros(i64::MAX),
            last: Moment::from_micros(i64::MIN),
            last_received: Moment::from_micros(i64::MIN),
            methods: Methods::default(),
            flags: Flags::default(),
            heard: Heard::default(),
            agents: SmallVec::new(),
            parties: Parties::default(),
            source: None,
            destination: None,
            asserted: None,
            diversion: None,
            facts: Facts::default(),
            session: Session::default(),
            user_agents: Vec::new(),
            mentioned: SmallVec::new(),
            branches: SmallVec::new(),
            registration: None,
            is_referral: false,
            reports: 0,
            events: 0,
            quality: None,
            counted: 0,
            kept: None,
        }
    }
}

impl Leg {
    pub(super) fn new(id: LegId, call_id: &[u8], key: u64) -> Self {
        Self {
            id,
            call_id: kept(call_id),
            key,
            ..Self::default()
        }
    }

    /// About what it takes in memory, with its share of graph and indexes.
    pub(super) fn octets(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let user_agents = self.user_agents.capacity() * size_of::<UserAgent>()
            + self
                .user_agents
                .iter()
                .map(|program| program.name.len())
                .sum::<usize>();
        size_of::<Self>()
            + SHARE_OCTETS
            + self.mentioned.len() * MENTION_OCTETS
            + self.call_id.len()
            + text(&self.asserted)
            + text(&self.diversion)
            + user_agents
            + self.heard.octets()
            + self.parties.octets()
            + self.facts.octets()
            + self.session.octets()
    }

    /// Takes in a message. Media addresses that it tells go into `told`.
    pub(super) fn hear(
        &mut self,
        hearing: &Hearing<'_, '_>,
        told: &mut SmallVec<[Endpoint; 2]>,
    ) -> Novelty {
        self.first = self.first.min(hearing.at);
        self.last = self.last.max(hearing.at);
        self.last_received = self.last_received.max(hearing.received);
        self.flags.set_if(Flag::Clock, hearing.clock_is_off);
        self.flags
            .set_if(Flag::Malformed, hearing.scan.first_defect().is_some());
        if self.agents.len() < MAX_AGENTS && !self.agents.contains(&hearing.agent) {
            self.agents.push(hearing.agent);
        }
        let novelty = self.heard.hear(hearing.key, hearing.agent, hearing.at);
        self.methods.add(hearing.method);
        match hearing.scan.kind() {
            Line::Request => self.hear_request(hearing),
            Line::Response => self.hear_response(hearing),
        }
        self.hear_body(hearing, told);
        novelty
    }

    fn hear_request(&mut self, hearing: &Hearing<'_, '_>) {
        let Hearing {
            identity,
            at,
            method,
            ..
        } = *hearing;
        let inside = hearing.is_inside();
        let witness = match method {
            Method::Ack | Method::Cancel => Witness::Response,
            _ if inside => Witness::Inside,
            _ => Witness::Beginning,
        };
        let order = narrow(mix(hearing.key, self.hop(hearing)));
        if self
            .parties
            .hear(hearing.scan, witness, &identity, at, order)
        {
            (self.source, self.destination) = (hearing.source, hearing.destination);
            if let Some(more) = hearing.more {
                keep(&mut self.asserted, more.asserted);
                keep(&mut self.diversion, more.diversion);
            }
        }
        if !inside && witness == Witness::Beginning {
            self.facts.request.tell(at);
        }
        match method {
            Method::Invite => self.hear_invite(hearing, inside),
            Method::Ack => self.facts.add_ack(hearing.cseq(), identity.branch),
            Method::Bye => self.facts.add_bye(identity.from_tag, at),
            Method::Cancel => self.facts.cancel(identity.branch, at),
            Method::Prack | Method::Update => {}
            _ => {
                let refers = method == Method::Refer;
                self.flags
                    .set_if(Flag::Transfer, refers && (inside || has_replaces(hearing)));
                self.facts.inside |= inside;
                if !inside {
                    let attempts = self.facts.others.get_or_insert_default();
                    attempts.attempt = attempts.attempt.max(hearing.cseq());
                }
            }
        }
        if let Some(reason) = hearing.more.and_then(|more| more.reason)
            && matches!(method, Method::Bye | Method::Cancel)
        {
            self.facts.give_reason(at, reason);
        }
        self.hear_user_agent(hearing, identity.from_tag);
    }

    fn hear_invite(&mut self, hearing: &Hearing<'_, '_>, inside: bool) {
        self.facts.add_invite_branch(hearing.identity.branch);
        self.flags.set_if(
            Flag::Transfer,
            hearing.more.is_some_and(|more| more.replaces.is_some()),
        );
        if inside {
            self.flags.set(Flag::Reinvite);
            self.facts.inside = true;
            return;
        }
        self.facts.invite.tell(hearing.at);
        let attempts = &mut self.facts.invites;
        attempts.attempt = attempts.attempt.max(hearing.cseq());
        let contact = hearing.scan.contact().and_then(|contact| contact.host());
        let behind_nat = contact.and_then(address).is_some_and(is_private);
        self.flags.set_if(
            Flag::Nat,
            behind_nat && from_public(hearing) && hearing.is_first_hop(),
        );
    }

    fn hear_response(&mut self, hearing: &Hearing<'_, '_>) {
        let Hearing {
            identity,
            at,
            method,
            ..
        } = *hearing;
        self.facts.responses = true;
        let code = hearing.scan.status_code().unwrap_or(0);
        let order = narrow(mix(hearing.key, self.hop(hearing)));
        if self
            .parties
            .hear(hearing.scan, Witness::Response, &identity, at, order)
        {
            // The request went the other way.
            (self.source, self.destination) = (hearing.destination, hearing.source);
        }
        if code > 100 && identity.to_tag != 0 {
            self.hear_user_agent(hearing, identity.to_tag);
        }
        let invite = method == Method::Invite;
        match code {
            101..200 if invite => {
                self.facts.ringing.tell(at);
                self.facts.ringing_attempt = self.facts.ringing_attempt.max(hearing.cseq());
                if identity.to_tag != 0 {
                    self.facts.add_rang(identity.to_tag);
                }
            }
            200..300 if invite => {
                self.facts
                    .answer(identity.branch, hearing.cseq(), identity.to_tag, at);
                self.hear_final(hearing, code);
            }
            200.. => self.hear_final(hearing, code),
            _ => {}
        }
    }

    fn hear_final(&mut self, hearing: &Hearing<'_, '_>, code: u16) {
        let Hearing { at, method, .. } = *hearing;
        let (cseq, phrase) = (hearing.cseq(), hearing.scan.reason_phrase());
        if matches!(code, 401 | 407) && !matches!(method, Method::Cancel | Method::Ack) {
            self.facts.challenge(cseq);
        }
        let attempts: &mut Attempts = match method {
            Method::Invite => &mut self.facts.invites,
            Method::Bye | Method::Cancel | Method::Ack | Method::Prack | Method::Update => return,
            _ => self.facts.others.get_or_insert_default(),
        };
        if code < 300 {
            attempts.succeed(cseq, code, at, phrase, method == Method::Invite);
            return;
        }
        let vias = hearing.more.map_or(0, |more| more.vias);
        attempts.refuse(cseq, code, vias, at, phrase);
        if let Some(reason) = hearing.more.and_then(|more| more.reason) {
            self.facts.give_reason(at, reason);
        }
    }

    fn hear_user_agent(&mut self, hearing: &Hearing<'_, '_>, tag: u64) {
        let Some(name) = hearing.scan.user_agent() else {
            return;
        };
        let mut of_tag = self.user_agents.iter().filter(|known| known.tag == tag);
        if self.user_agents.len() >= MAX_AGENTS
            || of_tag.clone().any(|known| known.name.as_bytes() == name)
        {
            return;
        }
        // What is kept may be cut, or not what was written.
        let name = kept(name);
        if of_tag.all(|known| known.name != name) {
            self.user_agents.push(UserAgent { tag, name });
        }
    }

    fn hear_body(&mut self, hearing: &Hearing<'_, '_>, told: &mut SmallVec<[Endpoint; 2]>) {
        let body = hearing.scan.body();
        if body.is_empty()
            || !matches!(
                hearing.method,
                Method::Invite | Method::Ack | Method::Prack | Method::Update
            )
        {
            return;
        }
        let Identity {
            from_tag, to_tag, ..
        } = hearing.identity;
        let is_request = hearing.scan.kind() == Line::Request;
        let tag = if is_request { from_tag } else { to_tag };
        let source = hearing
            .source
            .map_or(0, |source| narrow(digest_ip(hearing.digest, source.ip())));
        let described = self
            .session
            .hear(hearing.digest, body, tag, hearing.at, source, told);
        if !described {
            return;
        }
        let early = hearing.scan.status_code().is_some_and(|code| code < 200);
        self.flags
            .set_if(Flag::EarlyMedia, early && hearing.method == Method::Invite);
        if is_request && hearing.method == Method::Update {
            self.facts.updated = self.facts.updated.max(Some(hearing.at));
        }
        if is_request && hearing.is_first_hop() && from_public(hearing) {
            let mut ours = self
                .session
                .endpoints()
                .iter()
                .filter(|endpoint| endpoint.tag == tag);
            let private = ours.any(|endpoint| is_private(endpoint.address));
            self.flags.set_if(Flag::Nat, private);
        }
    }

    /// A number for the way that a message took.
    fn hop(&self, hearing: &Hearing<'_, '_>) -> u64 {
        hop(hearing.digest, hearing.source, hearing.destination)
    }

    /// A report about media belongs to it.
    pub(super) fn report(&mut self, quality: Option<Quality>, received: Moment) {
        self.reports = self.reports.saturating_add(1);
        self.last_received = self.last_received.max(received);
        if let Some(quality) = quality {
            self.quality.get_or_insert_default().worsen(quality);
        }
    }

    /// A log line or an event belongs to it.
    pub(super) fn event(&mut self, received: Moment) {
        self.events = self.events.saturating_add(1);
        self.last_received = self.last_received.max(received);
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        self.session.endpoints()
    }

    /// Gives back the memory of what can no longer be sent again.
    pub(super) fn forget_transmissions(&mut self) {
        self.heard.forget();
    }

    /// Makes what an earlier version kept what this one would have.
    pub(super) fn narrow(&mut self) {
        self.heard.narrow();
        self.parties.narrow();
        self.facts.narrow();
        self.session.narrow();
        for program in &mut self.user_agents {
            program.tag = narrow(program.tag);
        }
    }

    pub(super) fn set_flag(&mut self, flag: Flag) {
        self.flags.set(flag);
    }

    pub(super) fn kind(&self) -> Kind {
        let any = |methods: &[Method]| self.methods.any(methods);
        if any(&[
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Prack,
        ]) {
            Kind::Call
        } else if any(&[Method::Register]) {
            Kind::Registration
        } else if any(&[Method::Subscribe, Method::Notify]) {
            Kind::Subscription
        } else if any(&[Method::Message]) {
            Kind::Message
        } else if any(&[Method::Options]) {
            Kind::Options
        } else {
            Kind::Other
        }
    }

    /// How far it got, as far as it is known now.
    pub(super) fn state(&self) -> State {
        self.outcome().state
    }
}

fn has_replaces(hearing: &Hearing<'_, '_>) -> bool {
    let refer_to = hearing.more.and_then(|more| more.refer_to);
    refer_to.and_then(embedded_replaces).is_some()
}

fn from_public(hearing: &Hearing<'_, '_>) -> bool {
    hearing
        .source
        .is_some_and(|source| !is_private(source.ip()) && !source.ip().is_loopback())
}

fn address(host: &[u8]) -> Option<IpAddr> {
    let host = host
        .strip_prefix(b"[")
        .and_then(|host| host.strip_suffix(b"]"))
        .unwrap_or(host);
    std::str::from_utf8(host).ok()?.parse().ok()
}

/// Whether an address means something only behind a NAT: RFC 1918, RFC 6598, RFC 4193 and link-local ones.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_private(IpAddr::V4(mapped)),
            None => address.is_unique_local() || address.is_unicast_link_local(),
        },
    }
}

pub(super) fn digest_ip(digest: Digest, address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => digest.of(&address.octets()),
        IpAddr::V6(address) => digest.of(&address.octets()),
    }
}

/// A number for the way between two addresses.
pub(super) fn hop(
    digest: Digest,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
) -> u64 {
    let end = |end: Option<SocketAddr>| {
        end.map_or(0, |end| {
            mix(digest_ip(digest, end.ip()), u64::from(end.port()))
        })
    };
    mix(end(source), end(destination))
}
