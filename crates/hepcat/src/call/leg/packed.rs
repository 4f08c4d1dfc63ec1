//! An idle leg as a few octets, and back: nothing is lost but what is derived.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::{
    Leg, MAX_AGENTS, UserAgent,
    dialog::{Attempts, Facts, MAX_SET, Refusal, Success},
    digest_ip,
    parties::{Parties, Witness},
    session::{Endpoint, MAX_ENDPOINTS, MAX_SIDES, Session, Stated},
};
use crate::call::{
    digest::{Digest, narrow},
    flag::Flags,
    heard::{Counts, Heard, MAX_REMEMBERED, Transmission},
    method::Methods,
    moment::Moment,
    pack::{Form, Packer, Texts, Unpacker, Used},
    quality::Quality,
    record::{Kind, LegId, Party, State},
    sdp::{Direction, MediaKind},
};

/// Keys by which a packed leg is found.
pub(in crate::call) type Keys = SmallVec<[u64; 8]>;

/// The place that a leg has among the parked ones while it is awake, and the keys that lead there.
#[derive(Debug)]
pub(in crate::call) struct Kept {
    pub(in crate::call) place: u32,
    pub(in crate::call) keys: Keys,
    /// Shared texts that it used, and uses still.
    pub(in crate::call) used: Used,
}

/// Octets of the head: what is asked of a leg that stays packed.
const HEAD: usize = 40;
const FLAGS: usize = 32;
const STATE: usize = 36;
const MARKS: usize = 38;
const USED: usize = 39;
/// Marks: its call was told of under its id, and has changed since somebody asked.
const TOLD: u8 = 1;
const DIRTY: u8 = 2;

/// Lists without a bound of their own in a leg.
const MAX_LIST: usize = 64;

const STATES: [State; 8] = [
    State::Unknown,
    State::Setup,
    State::Ringing,
    State::InCall,
    State::Ended,
    State::Failed,
    State::Cancelled,
    State::Redirected,
];
const KINDS: [Kind; 6] = [
    Kind::Call,
    Kind::Registration,
    Kind::Subscription,
    Kind::Message,
    Kind::Options,
    Kind::Other,
];
const MEDIA: [MediaKind; 4] = [
    MediaKind::Audio,
    MediaKind::Video,
    MediaKind::Image,
    MediaKind::Other,
];
const DIRECTIONS: [Direction; 4] = [
    Direction::SendRecv,
    Direction::SendOnly,
    Direction::RecvOnly,
    Direction::Inactive,
];
const WITNESSES: [Witness; 3] = [Witness::Beginning, Witness::Response, Witness::Inside];

fn place_in<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|other| other == one);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

/// What stands at the beginning of a packed leg, and can be read without the rest.
#[derive(Debug, Clone, Copy)]
pub(in crate::call) struct Head<'p>(&'p [u8]);

impl<'p> Head<'p> {
    /// `None` where there are too few octets for one.
    pub(in crate::call) fn of(packed: &'p [u8]) -> Option<Self> {
        let used = usize::from(*packed.get(USED)?);
        (packed.len() >= HEAD + 2 * used).then_some(Self(packed))
    }

    fn plain(self, at: usize) -> u64 {
        let octets = self
            .0
            .get(at..at + 8)
            .and_then(|octets| octets.try_into().ok());
        octets.map_or(0, u64::from_le_bytes)
    }

    fn octet(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    /// Digest of the Call-ID.
    pub(in crate::call) fn key(self) -> u64 {
        self.plain(0)
    }

    pub(in crate::call) fn id(self) -> LegId {
        LegId::from_u64(self.plain(8))
    }

    pub(in crate::call) fn first(self) -> Moment {
        Moment::from_micros(self.plain(16).cast_signed())
    }

    pub(in crate::call) fn last_received(self) -> Moment {
        Moment::from_micros(self.plain(24).cast_signed())
    }

    pub(in crate::call) fn state(self) -> State {
        let state = STATES.get(usize::from(self.octet(STATE)));
        state.copied().unwrap_or(State::Unknown)
    }

    pub(in crate::call) fn kind(self) -> Kind {
        let kind = KINDS.get(usize::from(self.octet(STATE + 1)));
        kind.copied().unwrap_or(Kind::Other)
    }

    pub(in crate::call) fn is_told(self) -> bool {
        self.octet(MARKS) & TOLD != 0
    }

    pub(in crate::call) fn is_dirty(self) -> bool {
        self.octet(MARKS) & DIRTY != 0
    }

    /// Numbers of the shared texts that it uses.
    pub(in crate::call) fn used(self) -> impl Iterator<Item = u16> + use<'p> {
        let (used, _) = self.split();
        used.chunks_exact(2).map(|octets| match octets {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        })
    }

    fn split(self) -> (&'p [u8], &'p [u8]) {
        let used = 2 * usize::from(self.octet(USED));
        let rest = self.0.get(HEAD..).unwrap_or_default();
        rest.split_at_checked(used).unwrap_or_default()
    }

    /// Notes whether it has to be told of; once it was, that it was.
    pub(in crate::call) fn mark_dirty(packed: &mut [u8], is_dirty: bool) {
        if let Some(marks) = packed.get_mut(MARKS) {
            *marks = if is_dirty {
                *marks | DIRTY
            } else {
                *marks & !DIRTY | TOLD
            };
        }
    }
}

impl Leg {
    /// The leg in few octets. `room` is room to work in.
    pub(in crate::call) fn pack(
        &mut self,
        digest: Digest,
        is_told: bool,
        is_dirty: bool,
        texts: &mut Texts,
        room: &mut Vec<u8>,
    ) -> Box<[u8]> {
        let (state, kind) = (self.state(), self.kind());
        let Self {
            id,
            call_id,
            key,
            first,
            last,
            last_received,
            methods,
            flags,
            heard,
            agents,
            parties,
            source,
            destination,
            asserted,
            diversion,
            facts,
            session,
            user_agents,
            mentioned,
            branches,
            registration,
            is_referral,
            reports,
            events,
            quality,
            counted: _,
            kept,
        } = self;
        let mut to = Packer::new(std::mem::take(room), Form::Dense, *first, &[0], texts);
        if let Some(kept) = kept {
            to.hold(std::mem::take(&mut kept.used));
        }
        to.text(call_id);
        to.moment(*last);
        to.maybe(*source, Packer::socket);
        to.maybe(*destination, Packer::socket);
        to.know(&known(*source, *destination, digest, narrow));
        to.number(methods.0);
        heard.pack(&mut to);
        to.count(agents.len());
        agents.iter().for_each(|agent| to.number(*agent));
        parties.pack(&mut to);
        to.maybe_text(asserted.as_deref());
        to.maybe_text(diversion.as_deref());
        facts.pack(&mut to);
        session.pack(&mut to);
        to.count(user_agents.len());
        for UserAgent { tag, name } in user_agents {
            to.digest(*tag);
            to.common(name);
        }
        to.count(mentioned.len());
        mentioned.iter().for_each(|seal| to.plain(*seal));
        to.count(branches.len());
        branches.iter().for_each(|branch| to.plain(*branch));
        to.maybe(*registration, Packer::count);
        to.bits([*is_referral]);
        to.number(*reports);
        to.number(*events);
        to.maybe(*quality, pack_quality);
        to.release_held();
        let bits = to.bits_before();
        let length = HEAD + 2 * to.used.len() + 1 + bits.len() + to.octets.len();
        let mut packed = Vec::with_capacity(length);
        packed.extend_from_slice(&key.to_le_bytes());
        packed.extend_from_slice(&id.as_u64().to_le_bytes());
        packed.extend_from_slice(&first.as_micros().to_le_bytes());
        packed.extend_from_slice(&last_received.as_micros().to_le_bytes());
        packed.extend_from_slice(&flags.0.to_le_bytes());
        let marks = if is_told { TOLD } else { 0 } | if is_dirty { DIRTY } else { 0 };
        packed.extend_from_slice(&[
            place_in(&STATES, &state),
            place_in(&KINDS, &kind),
            marks,
            u8::try_from(to.used.len()).unwrap_or(u8::MAX),
        ]);
        for number in &to.used {
            packed.extend_from_slice(&number.to_le_bytes());
        }
        packed.push(u8::try_from(bits.len()).unwrap_or(u8::MAX));
        packed.extend_from_slice(bits);
        packed.extend_from_slice(&to.octets);
        *room = to.octets;
        room.clear();
        packed.into_boxed_slice()
    }

    /// Makes this leg, whatever it was, the one that was packed; `None` where the octets are none.
    pub(in crate::call) fn unpack(
        &mut self,
        packed: &[u8],
        form: Form,
        digest: Digest,
        texts: &Texts,
    ) -> Option<()> {
        let head = Head::of(packed)?;
        let (used, body) = head.split();
        let mut from = Unpacker::new(body, form, head.first(), &[0], texts);
        let from = &mut from;
        if form == Form::Dense {
            from.begin_dense(used)?;
        }
        let leg = self;
        (leg.id, leg.key) = (head.id(), head.key());
        (leg.counted, leg.kept) = (0, None);
        leg.call_id = from.text()?;
        leg.first = head.first();
        leg.last = from.moment()?;
        leg.last_received = head.last_received();
        let flags = packed
            .get(FLAGS..STATE)
            .and_then(|octets| octets.try_into().ok())?;
        leg.flags = Flags(u32::from_le_bytes(flags));
        leg.source = from.maybe(Unpacker::socket)?;
        leg.destination = from.maybe(Unpacker::socket)?;
        match form {
            Form::Plain => from.know(&known(leg.source, leg.destination, digest, |full| full)),
            Form::Dense => from.know(&known(leg.source, leg.destination, digest, narrow)),
        }
        leg.methods = Methods(from.number()?);
        leg.heard.unpack(from)?;
        leg.agents = from.list(MAX_AGENTS, Unpacker::number)?;
        leg.parties.unpack(from)?;
        leg.asserted = from.maybe_text()?;
        leg.diversion = from.maybe_text()?;
        leg.facts.unpack(from)?;
        leg.session.unpack(from)?;
        leg.user_agents.clear();
        from.list_into(&mut leg.user_agents, MAX_AGENTS, |from| {
            if form == Form::Plain {
                // A digest of the name stood here, where it is not told by what is kept of it.
                let [is_told] = from.bits()?;
                if !is_told {
                    from.plain()?;
                }
            }
            let (tag, name) = (from.digest()?, from.text()?);
            Some(UserAgent { tag, name })
        })?;
        leg.mentioned = from.list(MAX_LIST, Unpacker::plain)?;
        leg.branches = from.list(MAX_LIST, Unpacker::plain)?;
        leg.registration = from.maybe(Unpacker::number)?;
        let [is_referral] = from.bits()?;
        leg.is_referral = is_referral;
        leg.reports = from.number()?;
        leg.events = from.number()?;
        leg.quality = from.maybe(unpack_quality)?;
        if form == Form::Plain {
            leg.narrow();
        }
        Some(())
    }
}

/// Digests that are told by what stands in the leg otherwise.
fn known(
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    digest: Digest,
    kept: impl Fn(u64) -> u64,
) -> SmallVec<[u64; 2]> {
    let ends = [source, destination].into_iter().flatten();
    ends.map(|end| kept(digest_ip(digest, end.ip()))).collect()
}

impl Heard {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            transmissions,
            counts:
                Counts {
                    messages,
                    retransmissions,
                    duplicates,
                },
        } = self;
        to.number(*messages);
        to.number(*retransmissions);
        to.number(*duplicates);
        to.count(transmissions.len());
        for Transmission { key, at, agent } in transmissions {
            to.short(*key);
            to.moment(*at);
            to.number(*agent);
        }
    }

    fn unpack(&mut self, from: &mut Unpacker<'_>) -> Option<()> {
        self.counts = Counts {
            messages: from.number()?,
            retransmissions: from.number()?,
            duplicates: from.number()?,
        };
        self.transmissions.clear();
        from.list_into(&mut self.transmissions, MAX_REMEMBERED, |from| {
            Some(Transmission {
                key: from.short()?,
                at: from.moment()?,
                agent: from.number()?,
            })
        })
    }
}

impl Parties {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            witness,
            at,
            order,
            caller_tag,
            from,
            to: callee,
            request_user,
        } = self;
        to.octet(place_in(&WITNESSES, witness));
        to.moment(*at);
        to.short(*order);
        to.digest(*caller_tag);
        for Party {
            user,
            host,
            display,
        } in [from, callee]
        {
            to.maybe_text(user.as_deref());
            to.maybe_common(host.as_deref());
            to.maybe_text(display.as_deref());
        }
        to.maybe_text(request_user.as_deref());
    }

    fn unpack(&mut self, from: &mut Unpacker<'_>) -> Option<()> {
        let party = |from: &mut Unpacker<'_>| {
            Some(Party {
                user: from.maybe_text()?,
                host: from.maybe_text()?,
                display: from.maybe_text()?,
            })
        };
        self.witness = *WITNESSES.get(usize::from(from.octet()?))?;
        self.at = from.moment()?;
        self.order = from.short()?;
        self.caller_tag = from.digest()?;
        self.from = party(from)?;
        self.to = party(from)?;
        self.request_user = from.maybe_text()?;
        Some(())
    }
}

impl Facts {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            request,
            invite,
            ringing,
            answer,
            cancel,
            inside,
            updated,
            invites,
            others,
            ringing_attempt,
            challenged,
            answered,
            invite_branches,
            acks,
            rang,
            byes,
            answerer,
            cancelled_branches,
            answered_branches,
            reason,
            responses,
        } = self;
        for at in [request, invite, ringing, answer, cancel] {
            to.earliest(*at);
        }
        to.bits([*inside, *responses]);
        to.maybe(*updated, Packer::moment);
        invites.pack(to);
        to.maybe(others.as_deref(), |to, others| others.pack(to));
        to.number(*ringing_attempt);
        to.maybe(*challenged, |to, (low, high)| {
            to.number(low);
            to.number(high);
        });
        to.count(answered.len());
        answered.iter().for_each(|cseq| to.number(*cseq));
        for digests in [
            &invite_branches[..],
            &rang[..],
            &cancelled_branches[..],
            &answered_branches[..],
        ] {
            to.count(digests.len());
            digests.iter().for_each(|digest| to.digest(*digest));
        }
        to.count(acks.len());
        for (cseq, branch) in acks {
            to.number(*cseq);
            to.digest(*branch);
        }
        to.count(byes.len());
        for (tag, at) in byes {
            to.digest(*tag);
            to.moment(*at);
        }
        to.maybe(*answerer, |to, (at, tag)| {
            to.moment(at);
            to.digest(tag);
        });
        to.maybe(reason.as_ref(), |to, (at, reason)| {
            to.moment(*at);
            to.common(reason);
        });
    }

    fn unpack(&mut self, from: &mut Unpacker<'_>) -> Option<()> {
        let facts = self;
        facts.request = from.earliest()?;
        facts.invite = from.earliest()?;
        facts.ringing = from.earliest()?;
        facts.answer = from.earliest()?;
        facts.cancel = from.earliest()?;
        [facts.inside, facts.responses] = from.bits()?;
        facts.updated = from.maybe(Unpacker::moment)?;
        facts.invites = Attempts::unpack(from)?;
        facts.others = from.maybe(Attempts::unpack)?.map(Box::new);
        facts.ringing_attempt = from.number()?;
        facts.challenged = from.maybe(|from| Some((from.number()?, from.number()?)))?;
        facts.answered = from.list(MAX_SET, Unpacker::number)?;
        facts.invite_branches = from.list(MAX_SET, Unpacker::digest)?;
        facts.rang = from.list(MAX_SET, Unpacker::digest)?;
        facts.cancelled_branches = from.list(MAX_SET, Unpacker::digest)?;
        facts.answered_branches = from.list(MAX_SET, Unpacker::digest)?;
        facts.acks = from.list(MAX_SET, |from| Some((from.number()?, from.digest()?)))?;
        facts.byes = from.list(MAX_SET, |from| Some((from.digest()?, from.moment()?)))?;
        facts.answerer = from.maybe(|from| Some((from.moment()?, from.digest()?)))?;
        facts.reason = from.maybe(|from| Some((from.moment()?, from.text()?)))?;
        Some(())
    }
}

impl Attempts {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            attempt,
            refused,
            success,
        } = self;
        to.number(*attempt);
        to.maybe(refused.as_ref(), |to, refused| {
            let Refusal {
                cseq,
                vias,
                code,
                at,
                phrase,
            } = refused;
            to.number(*cseq);
            to.octet(*vias);
            to.number(*code);
            to.moment(*at);
            to.maybe_common(phrase.as_deref());
        });
        to.maybe(success.as_ref(), |to, success| {
            let Success {
                cseq,
                at,
                code,
                phrase,
            } = success;
            to.number(*cseq);
            to.moment(*at);
            to.number(*code);
            to.maybe_common(phrase.as_deref());
        });
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self {
            attempt: from.number()?,
            refused: from.maybe(|from| {
                Some(Refusal {
                    cseq: from.number()?,
                    vias: from.octet()?,
                    code: from.number()?,
                    at: from.moment()?,
                    phrase: from.maybe_text()?,
                })
            })?,
            success: from.maybe(|from| {
                Some(Success {
                    cseq: from.number()?,
                    at: from.moment()?,
                    code: from.number()?,
                    phrase: from.maybe_text()?,
                })
            })?,
        })
    }
}

impl Session {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            sides,
            endpoints,
            hold,
            fax,
        } = self;
        to.bits([*hold, *fax]);
        to.count(sides.len());
        for side in sides {
            let Stated {
                tag,
                first,
                first_codecs,
                last,
                body,
                direction,
                codecs,
            } = side;
            to.digest(*tag);
            to.moment(*first);
            to.common(first_codecs);
            to.moment(*last);
            to.short(*body);
            to.octet(place_in(&DIRECTIONS, direction));
            to.common(codecs);
        }
        to.count(endpoints.len());
        for endpoint in endpoints {
            let Endpoint {
                tag,
                address,
                port,
                rtcp_port,
                kind,
                first,
                last,
                source,
            } = endpoint;
            to.digest(*tag);
            to.address(*address);
            to.port(*port);
            to.number(rtcp_port.wrapping_sub(*port));
            to.octet(place_in(&MEDIA, kind));
            to.moment(*first);
            to.moment(*last);
            to.digest(*source);
        }
    }

    fn unpack(&mut self, from: &mut Unpacker<'_>) -> Option<()> {
        [self.hold, self.fax] = from.bits()?;
        self.sides = from.list(MAX_SIDES, |from| {
            Some(Stated {
                tag: from.digest()?,
                first: from.moment()?,
                first_codecs: from.text()?,
                last: from.moment()?,
                body: from.short()?,
                direction: *DIRECTIONS.get(usize::from(from.octet()?))?,
                codecs: from.text()?,
            })
        })?;
        self.endpoints.clear();
        from.list_into(&mut self.endpoints, MAX_ENDPOINTS, |from| {
            let (tag, address, port) = (from.digest()?, from.address()?, from.port()?);
            Some(Endpoint {
                tag,
                address,
                port,
                rtcp_port: port.wrapping_add(from.number()?),
                kind: *MEDIA.get(usize::from(from.octet()?))?,
                first: from.moment()?,
                last: from.moment()?,
                source: from.digest()?,
            })
        })
    }
}

fn pack_quality(to: &mut Packer<'_>, quality: Quality) {
    let Quality {
        loss_percent,
        jitter_ms,
        round_trip_ms,
        mos,
    } = quality;
    for value in [loss_percent, jitter_ms, round_trip_ms, mos] {
        to.maybe(value, |to, value| to.number(value.to_bits()));
    }
}

fn unpack_quality(from: &mut Unpacker<'_>) -> Option<Quality> {
    let value = |from: &mut Unpacker<'_>| from.maybe(|from| Some(f32::from_bits(from.number()?)));
    Some(Quality {
        loss_percent: value(from)?,
        jitter_ms: value(from)?,
        round_trip_ms: value(from)?,
        mos: value(from)?,
    })
}
