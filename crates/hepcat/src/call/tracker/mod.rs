//! Takes in one message at a time and keeps what is open.

mod attach;
mod calls;
mod expire;
mod links;
mod park;
mod parked;
mod records;
mod save;

use std::collections::{BinaryHeap, VecDeque};

use hepcat_sip::{Kind as Line, Scan};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::{calls::Call, expire::Due};
use super::{
    clock::AgentClock,
    correlation::{Graph, Mentions, Rules},
    digest::{Digest, KeyMap, mix},
    headers::{More, Names},
    heard::{Identity, Novelty, message_key},
    leg::{self, Endpoint, Hearing, Leg},
    limits::{Limits, REGISTRATION_OCTETS},
    method::Method,
    moment::Moment,
    record::{CallId, Change, LegId},
    registration::{self, Exchanges, Registrations},
    seen::{Content, Seen},
    text::kept,
};
use crate::agents::ClockBounds;

pub use attach::AttachedBy;
pub use records::OpenCall;
pub use save::Saving;

/// Via branches of one leg that are remembered.
const MAX_BRANCHES: usize = 8;
/// Mentions of one leg that are known by their keys.
const MAX_MENTIONED: usize = 32;
/// Call-IDs that were closed and are remembered, so that one that comes again is marked.
const MAX_CLOSED: usize = 16_384;

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// When it was captured, by our clock as far as that can be told.
    pub at: Moment,
    /// The leg and its call; nothing where it belongs to none that is open.
    pub place: Option<(LegId, CallId)>,
    /// Whether it, or its transmission, was seen before. Always new for what is not SIP.
    pub novelty: Novelty,
    /// Why it belongs there, where it is not a SIP message of the leg's Call-ID.
    pub attached_by: Option<AttachedBy>,
    /// Where the tracker has the leg.
    pub(in crate::call) slot: Option<usize>,
}

impl Placed {
    /// What belongs to nothing that is open.
    pub(super) const fn nowhere(at: Moment) -> Self {
        Self {
            at,
            place: None,
            novelty: Novelty::New,
            attached_by: None,
            slot: None,
        }
    }
}

/// What the tracker has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counters {
    /// Messages taken in.
    pub messages: u64,
    /// SIP messages without a Call-ID, which belong nowhere.
    pub without_call_id: u64,
    /// Other messages that belong to no open leg.
    pub unplaced: u64,
    /// Legs that were opened.
    pub legs: u64,
    /// Calls that were closed because they were over.
    pub closed_over: u64,
    /// Of those, calls that were not waited for any longer, to make room.
    pub cut_short: u64,
    /// Calls that were closed because nothing more was heard.
    pub closed_idle: u64,
    /// Calls that were not over and were closed to make room.
    pub evicted: u64,
    /// Links that a limit withheld.
    pub withheld: u64,
    /// Changes that were dropped because nobody took them.
    pub changes_dropped: u64,
}

/// What is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Open {
    /// Legs.
    pub legs: usize,
    /// Of those, idle ones that are kept in few octets.
    pub parked: usize,
    /// Calls: legs that belong together once.
    pub calls: usize,
    /// Values that legs mentioned.
    pub groups: usize,
    /// Registrations.
    pub registrations: usize,
    /// What legs take in memory with their links, about: what [`Limits::max_octets`] bounds.
    pub octets: usize,
}

/// Everything that a restart must not lose. Opaque; written with any serde format. Made with
/// [`Tracker::state`], read back with [`Tracker::restore`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TrackerState {
    version: u32,
    seed: u64,
    agents: Vec<Box<str>>,
    clocks: Vec<AgentClock>,
    legs: Vec<Option<Box<Leg>>>,
    exchanges: KeyMap<Exchanges>,
    graph: Graph,
    /// Calls, by the number of their component.
    calls: Vec<Option<Call>>,
    /// Legs that are calls of their own, while they are idle.
    #[serde(default)]
    parked: parked::Parked,
    generation: u32,
    due: BinaryHeap<Due>,
    dirty: Vec<(usize, u32)>,
    finished: VecDeque<Change>,
    registrations: Registrations,
    /// Legs with a REFER to a user, or an INVITE that was referred to one, by that user.
    referred: KeyMap<SmallVec<[links::Referral; 2]>>,
    /// Keys that `correlate` messages brought together, and until when they wait for legs.
    aliases: VecDeque<(Moment, Vec<u64>)>,
    /// Digests of Call-IDs that were closed, the oldest first.
    closed: VecDeque<u64>,
    counters: Counters,
    /// When something was received last.
    now: Moment,
    /// The highest row that was taken in.
    last_row: u64,
}

/// The present version of [`TrackerState`].
const STATE_VERSION: u32 = 2;
/// The earliest that is read: its legs are packed otherwise, and digests in them are longer.
const EARLIEST_VERSION: u32 = 1;

/// Follows calls. One message at a time, in any order; memory is bounded by [`Limits`].
///
/// The tracker has no clock: [`Tracker::expire`] is told the time, and wants to be once a second or so.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    rules: Rules,
    clock_bounds: ClockBounds,
    names: Names,
    digest: Digest,
    state: TrackerState,
    index: Index,
    /// Calls that are looked at soon, in the order of that: most are parked then.
    soon: VecDeque<Due>,
    /// Memory for legs.
    #[expect(
        clippy::vec_box,
        reason = "what is taken from it goes where legs are, as it is"
    )]
    spare: Vec<Box<Leg>>,
}

/// Indexes, rebuilt from the state.
#[derive(Debug, Default)]
struct Index {
    agents: KeyMap<u16>,
    /// Legs by the digest of their Call-ID.
    legs: KeyMap<usize>,
    /// Legs by their id.
    ids: KeyMap<usize>,
    /// Call-IDs that were closed.
    closed: KeyMap<()>,
    /// The leg whose INVITE had this branch on top.
    branches: KeyMap<usize>,
    /// Legs with a media address and port.
    media: KeyMap<SmallVec<[usize; 2]>>,
    open_legs: usize,
    /// What all legs take in memory.
    octets: usize,
}

impl Tracker {
    /// A tracker that knows nothing. `seed` makes its indexes unpredictable from outside: take it from a random source
    /// where senders are not trusted.
    #[must_use]
    pub fn new(limits: Limits, rules: Rules, seed: u64) -> Self {
        let state = TrackerState {
            version: STATE_VERSION,
            seed,
            agents: Vec::new(),
            clocks: Vec::new(),
            legs: Vec::new(),
            exchanges: KeyMap::default(),
            graph: Graph::new(limits.max_legs_per_call),
            calls: Vec::new(),
            parked: parked::Parked::default(),
            generation: 0,
            due: BinaryHeap::new(),
            dirty: Vec::new(),
            finished: VecDeque::new(),
            registrations: Registrations::default(),
            referred: KeyMap::default(),
            aliases: VecDeque::new(),
            closed: VecDeque::new(),
            counters: Counters::default(),
            now: Moment::default(),
            last_row: 0,
        };
        Self::with_state(limits, rules, state)
    }

    /// A tracker that goes on where another one was. `None` where the state is of another version: begin anew then.
    #[must_use]
    pub fn restore(limits: Limits, rules: Rules, state: TrackerState) -> Option<Self> {
        let is_read = (EARLIEST_VERSION..=STATE_VERSION).contains(&state.version);
        is_read.then(|| Self::with_state(limits, rules, state))
    }

    fn with_state(limits: Limits, rules: Rules, state: TrackerState) -> Self {
        let mut tracker = Self {
            names: Names::new(rules.headers.iter().map(|rule| rule.name.as_str())),
            digest: Digest::new(state.seed),
            limits,
            rules,
            clock_bounds: ClockBounds::default(),
            state,
            index: Index::default(),
            soon: VecDeque::new(),
            spare: Vec::new(),
        };
        tracker.rebuild_index();
        tracker.rebuild_due();
        tracker
    }

    fn rebuild_index(&mut self) {
        self.rebuild_parked();
        if self.state.version < STATE_VERSION {
            let legs = self.state.legs.iter_mut().flatten();
            legs.for_each(|leg| leg.narrow());
            self.state.version = STATE_VERSION;
        }
        for (name, number) in self.state.agents.iter().zip(0..) {
            self.index
                .agents
                .insert(self.digest.of(name.as_bytes()), number);
        }
        self.index.closed = self.state.closed.iter().map(|key| (*key, ())).collect();
        for (number, leg) in self.state.legs.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            self.index.open_legs += 1;
            leg.counted = leg.octets();
            self.index.octets += leg.counted;
            self.index.legs.insert(leg.key, number);
            self.index.ids.insert(leg.id.as_u64(), number);
            for branch in &leg.branches {
                self.index.branches.entry(*branch).or_insert(number);
            }
            for endpoint in leg.endpoints() {
                let legs = self
                    .index
                    .media
                    .entry(links::media_key(self.digest, endpoint.socket()))
                    .or_default();
                if !legs.contains(&number) {
                    legs.push(number);
                }
            }
        }
    }

    /// The state as it is, to be written.
    #[must_use]
    pub fn state(&self) -> &TrackerState {
        &self.state
    }

    /// The same with other bounds of what is believed of agents' clocks.
    #[must_use]
    pub fn with_clock_bounds(mut self, bounds: ClockBounds) -> Self {
        self.clock_bounds = bounds;
        self
    }

    /// The rules that it goes by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Goes by other rules from now on. What is joined stays joined.
    pub fn set_rules(&mut self, rules: Rules) {
        self.names = Names::new(rules.headers.iter().map(|rule| rule.name.as_str()));
        self.rules = rules;
    }

    /// The highest [`Seen::row`] that was taken in: with a restored state, the rows after it are to be fed again.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.state.last_row
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state.counters
    }

    /// What is open now.
    #[must_use]
    pub fn open(&self) -> Open {
        Open {
            legs: self.index.open_legs + self.state.parked.len(),
            parked: self.state.parked.len(),
            calls: self.state.calls.iter().flatten().count() + self.state.parked.len(),
            groups: self.state.graph.group_count(),
            registrations: self.state.registrations.len(),
            octets: self.octets(),
        }
    }

    /// What legs with their links and registrations take in memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.octets() + self.state.registrations.len() * REGISTRATION_OCTETS
    }

    /// What is known of the clock of the agent called `name`.
    #[must_use]
    pub fn clock_of(&self, name: &str) -> Option<AgentClock> {
        let agent = self.index.agents.get(&self.digest.of(name.as_bytes()))?;
        self.state.clocks.get(usize::from(*agent)).copied()
    }

    /// Takes in a message.
    pub fn ingest(&mut self, seen: &Seen<'_>) -> Placed {
        self.state.counters.messages += 1;
        self.state.now = self.state.now.max(seen.received);
        self.state.last_row = self.state.last_row.max(seen.row);
        self.park_some();
        let agent = self.agent(seen.agent);
        let clock = self.state.clocks.get_mut(usize::from(agent));
        let bounds = self.clock_bounds;
        let (at, clock_is_off) = clock.map_or((seen.received, false), |clock| {
            let at = clock.hear(seen.sent, seen.received, bounds);
            (at, clock.is_off())
        });
        match &seen.content {
            Content::Sip(scan) => self.ingest_sip(seen, scan, agent, at, clock_is_off),
            Content::Correlate => self.ingest_correlate(seen, at),
            Content::Rtcp | Content::Quality => self.ingest_report(seen, at),
            Content::Log | Content::Event => self.ingest_event(seen, at),
        }
    }

    /// The number of the agent called `name`; those beyond the limit share the last one.
    fn agent(&mut self, name: &str) -> u16 {
        let key = self.digest.of(name.as_bytes());
        if let Some(agent) = self.index.agents.get(&key) {
            return *agent;
        }
        let most = self.limits.max_agents.clamp(1, usize::from(u16::MAX) - 1);
        let number = self.state.agents.len().min(most);
        if number == self.state.agents.len() {
            let is_last = number == most;
            self.state.agents.push(if is_last {
                "other".into()
            } else {
                kept(name.as_bytes())
            });
            self.state.clocks.push(AgentClock::default());
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            if !is_last {
                self.index.agents.insert(key, number);
            }
        }
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    fn ingest_sip(
        &mut self,
        seen: &Seen<'_>,
        scan: &Scan<'_>,
        agent: u16,
        at: Moment,
        clock_is_off: bool,
    ) -> Placed {
        let Some(call_id) = scan.call_id() else {
            self.state.counters.without_call_id += 1;
            return Placed::nowhere(at);
        };
        let digest = self.digest;
        let key = digest.of(call_id);
        let (number, is_new) = match self.leg_number(key) {
            Some(number) => (number, false),
            None => (self.open_leg(call_id, key, seen.received), true),
        };
        let method = match scan.kind() {
            Line::Request => Method::read(scan.method().unwrap_or_default()),
            Line::Response => Method::read(scan.cseq_method().unwrap_or_default()),
        };
        let more = needs_more(scan, method).then(|| More::read(scan, &self.names));
        let identity = Identity::of(digest, scan);
        let hop = if identity.has_cookie {
            0
        } else {
            leg::hop(digest, seen.source, seen.destination)
        };
        let hearing = Hearing {
            digest,
            scan,
            key: message_key(digest, scan, &identity, hop),
            identity,
            more: more.as_ref(),
            method,
            at,
            received: seen.received,
            agent,
            clock_is_off,
            source: seen.source,
            destination: seen.destination,
        };
        let mut told = SmallVec::new();
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) else {
            return Placed::nowhere(at);
        };
        let novelty = leg.hear(&hearing, &mut told);
        self.touch(number);
        self.hurry(number, seen.received);
        let mentions = Mentions::read(&self.rules, digest, seen, scan, more.as_ref(), is_new);
        if !mentions.0.is_empty() {
            self.mention_all(number, mentions);
        }
        self.link_by_branches(number, &hearing);
        if !told.is_empty() {
            self.link_by_media(number, &told);
        }
        if let Some(more) = &more {
            self.link_by_referral(number, &hearing, more);
        }
        if method == Method::Register {
            self.register(number, &hearing);
        }
        let attached_by = self.attach_body(scan, method, seen.received);
        let placed = Placed {
            at,
            place: self.place_of(number),
            novelty,
            attached_by,
            slot: Some(number),
        };
        self.weigh(number);
        placed
    }

    /// Counts what the leg takes now, and makes room where that is too much.
    fn weigh(&mut self, number: usize) {
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        let octets = leg.octets();
        self.index.octets = self.index.octets - leg.counted + octets;
        leg.counted = octets;
        while self.octets() > self.limits.max_octets
            && self.index.open_legs + self.state.parked.len() > 1
        {
            if !self.evict() {
                return;
            }
        }
    }

    /// What open legs take in memory, about.
    fn octets(&self) -> usize {
        self.index.octets + self.state.parked.octets()
    }

    /// A new leg, a call of its own until it is joined.
    fn open_leg(&mut self, call_id: &[u8], key: u64, received: Moment) -> usize {
        if self.index.open_legs + self.state.parked.len() >= self.limits.max_legs {
            self.evict();
        }
        let number = self.state.graph.add_leg();
        // Not with the seed: the same messages make the same id on any node.
        let id = mix(
            Digest::new(0).of(call_id),
            received.as_micros().unsigned_abs(),
        );
        let mut leg = Leg::new(LegId::from_u64(id), call_id, key);
        if self.index.closed.contains_key(&key) {
            leg.set_flag(super::flag::Flag::Resumed);
        }
        if self.state.legs.len() <= number {
            self.state.legs.resize_with(number + 1, || None);
        }
        let mut place = self.spare.pop().unwrap_or_default();
        *place = leg;
        if let Some(slot) = self.state.legs.get_mut(number) {
            *slot = Some(place);
        }
        self.index.legs.insert(key, number);
        self.index.ids.insert(id, number);
        self.index.open_legs += 1;
        self.state.counters.legs += 1;
        self.open_call(number, received);
        let named = self.state.graph.name(number, key);
        self.follow(number, named);
        number
    }

    fn register(&mut self, number: usize, hearing: &Hearing<'_, '_>) {
        let Some(more) = hearing.more else { return };
        let message = registration::Message {
            scan: hearing.scan,
            more,
            source: hearing.source,
            at: hearing.at,
            received: hearing.received,
        };
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        let exchanges = self.state.exchanges.entry(leg.key).or_default();
        let limit = self.limits.max_registrations;
        let session = self
            .state
            .registrations
            .hear(self.digest, exchanges, message, limit);
        leg.registration = session.or(leg.registration);
    }

    fn leg(&self, number: usize) -> Option<&Leg> {
        self.state.legs.get(number)?.as_deref()
    }

    /// The Call-ID of the leg that a message was placed in, right after that.
    #[must_use]
    pub fn call_id_of(&self, placed: &Placed) -> Option<&str> {
        Some(&*self.leg(placed.slot?)?.call_id)
    }

    fn place_of(&self, number: usize) -> Option<(LegId, CallId)> {
        let component = self.state.graph.component_of(number)?;
        let call = self.state.calls.get(component)?.as_ref()?;
        Some((self.leg(number)?.id, call.id))
    }
}

/// Whether header fields beyond the scan's can matter.
fn needs_more(scan: &Scan<'_>, method: Method) -> bool {
    match scan.status_code() {
        None => scan.kind() == Line::Request && method != Method::Ack,
        Some(code) => (code >= 300 && method == Method::Invite) || method == Method::Register,
    }
}

/// Media addresses that one message told.
type Told = SmallVec<[Endpoint; 2]>;
