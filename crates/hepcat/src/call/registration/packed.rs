//! Registrations in few octets, as they are written beside the state: that of a hundred thousand takes no longer than a
//! message may wait.

use slab::Slab;

use super::{
    Answered, Asked, Exchange, Exchanges, MAX_EXCHANGES, Registration, RegistrationRecord,
    RegistrationState, Registrations,
};
use crate::call::{
    digest::KeyMap,
    moment::Moment,
    pack::{Form, Packer, Texts, Unpacker},
    record::RegistrationId,
};

const STATES: [RegistrationState; 5] = [
    RegistrationState::Pending,
    RegistrationState::Registered,
    RegistrationState::Expired,
    RegistrationState::Removed,
    RegistrationState::Failed,
];

impl Registrations {
    /// All of them, and the REGISTERs of which one half was seen.
    pub(in crate::call) fn pack(&self, exchanges: &KeyMap<Exchanges>) -> Vec<u8> {
        // Each is written as if it were alone, so that what is common to all takes no time to find.
        let mut texts = Texts::default();
        let mut octets = Vec::with_capacity(192 * self.sessions.len() + 64);
        octets.extend_from_slice(&self.looked.as_micros().to_le_bytes());
        octets.extend_from_slice(&(self.sessions.len() as u64).to_le_bytes());
        for (number, session) in &self.sessions {
            let mut to = Packer::new(octets, Form::Plain, self.looked, &[], &mut texts);
            to.count(number);
            session.pack(&mut to);
            octets = to.octets;
        }
        octets.extend_from_slice(&(exchanges.len() as u64).to_le_bytes());
        for (key, exchanges) in exchanges {
            let mut to = Packer::new(octets, Form::Plain, self.looked, &[], &mut texts);
            to.plain(*key);
            to.count(exchanges.0.len());
            exchanges
                .0
                .iter()
                .for_each(|exchange| exchange.pack(&mut to));
            octets = to.octets;
        }
        octets
    }

    /// What was packed; `None` where the octets are something else.
    pub(in crate::call) fn unpack(octets: &[u8]) -> Option<(Self, KeyMap<Exchanges>)> {
        let texts = Texts::default();
        let (looked, octets) = octets.split_first_chunk()?;
        let looked = Moment::from_micros(i64::from_le_bytes(*looked));
        let (count, mut octets) = octets.split_first_chunk()?;
        let mut sessions = Vec::new();
        for _ in 0..u64::from_le_bytes(*count) {
            let mut from = Unpacker::new(octets, Form::Plain, looked, &[], &texts);
            let number: usize = from.number()?;
            // A slab has as many places as its highest number says.
            if number > octets.len().max(1 << 20) {
                return None;
            }
            sessions.push((number, Registration::unpack(&mut from)?));
            octets = from.rest();
        }
        let (count, mut octets) = octets.split_first_chunk()?;
        let mut exchanges = KeyMap::default();
        for _ in 0..u64::from_le_bytes(*count) {
            let mut from = Unpacker::new(octets, Form::Plain, looked, &[], &texts);
            let key = from.plain()?;
            let halves = from.list(MAX_EXCHANGES, Exchange::unpack)?;
            exchanges.insert(key, Exchanges(halves));
            octets = from.rest();
        }
        let sessions: Slab<Registration> = sessions.into_iter().collect();
        let numbers = sessions.iter();
        let by_key = numbers
            .clone()
            .map(|(number, session)| (session.key, number));
        let changed = numbers.clone().filter(|(_, session)| session.changed);
        let registrations = Self {
            by_key: by_key.collect(),
            changed: changed.map(|(number, _)| number).collect(),
            looked,
            sessions,
        };
        Some((registrations, exchanges))
    }
}

impl Registration {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            key,
            record:
                RegistrationRecord {
                    id,
                    address_of_record,
                    contact,
                    state,
                    source,
                    user_agent,
                    first,
                    last,
                    registered,
                    expires,
                    removed,
                    failed,
                    final_code,
                    successes,
                    failures,
                    challenges,
                    call_id,
                },
            last_received,
            asked,
            changed,
        } = self;
        to.plain(*key);
        to.plain(id.as_u64());
        to.text(address_of_record);
        to.text(contact);
        let state = STATES.iter().position(|known| known == state);
        to.count(state.unwrap_or(0));
        to.maybe(*source, Packer::socket);
        to.maybe_text(user_agent.as_deref());
        for at in [first, last, last_received, asked] {
            to.moment(*at);
        }
        for at in [registered, expires, removed, failed] {
            to.maybe(*at, Packer::moment);
        }
        to.maybe(*final_code, Packer::number);
        for count in [successes, failures, challenges] {
            to.number(*count);
        }
        to.text(call_id);
        to.bits([*changed]);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let (key, id) = (from.plain()?, from.plain()?);
        let (address_of_record, contact) = (from.text()?, from.text()?);
        let state = *STATES.get(from.number::<usize>()?)?;
        let (source, user_agent) = (from.maybe(Unpacker::socket)?, from.maybe_text()?);
        let (first, last) = (from.moment()?, from.moment()?);
        let (last_received, asked) = (from.moment()?, from.moment()?);
        let record = RegistrationRecord {
            id: RegistrationId::from_u64(id),
            address_of_record,
            contact,
            state,
            source,
            user_agent,
            first,
            last,
            registered: from.maybe(Unpacker::moment)?,
            expires: from.maybe(Unpacker::moment)?,
            removed: from.maybe(Unpacker::moment)?,
            failed: from.maybe(Unpacker::moment)?,
            final_code: from.maybe(Unpacker::number)?,
            successes: from.number()?,
            failures: from.number()?,
            challenges: from.number()?,
            call_id: from.text()?,
        };
        let [changed] = from.bits()?;
        Some(Self {
            key,
            record,
            last_received,
            asked,
            changed,
        })
    }
}

impl Exchange {
    fn pack(&self, to: &mut Packer<'_>) {
        let Self {
            cseq,
            request,
            response,
            counted,
        } = self;
        to.number(*cseq);
        to.bits([*counted]);
        to.maybe(*request, |to, asked| {
            to.count(asked.session);
            to.plain(asked.key);
            to.maybe(asked.expires, Packer::number);
            to.bits([asked.credentials]);
        });
        to.maybe(*response, |to, answered| {
            to.number(answered.code);
            to.moment(answered.at);
            to.maybe(answered.expires, Packer::number);
        });
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let cseq = from.number()?;
        let [counted] = from.bits()?;
        let request = from.maybe(|from| {
            let (session, key) = (from.number()?, from.plain()?);
            let expires = from.maybe(Unpacker::number)?;
            let [credentials] = from.bits()?;
            Some(Asked {
                session,
                key,
                expires,
                credentials,
            })
        })?;
        let response = from.maybe(|from| {
            Some(Answered {
                code: from.number()?,
                at: from.moment()?,
                expires: from.maybe(Unpacker::number)?,
            })
        })?;
        Some(Self {
            cseq,
            request,
            response,
            counted,
        })
    }
}
