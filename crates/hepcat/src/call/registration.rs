//! Registrations as sessions: one address of record with one contact, through all REGISTERs that keep it up.

mod packed;

use std::{net::SocketAddr, time::Duration};

use hepcat_sip::Scan;
use serde::{Deserialize, Serialize};
use slab::Slab;
use smallvec::SmallVec;

use super::{
    digest::{Digest, KeyMap, mix},
    headers::More,
    moment::Moment,
    record::RegistrationId,
    text::{keep, kept, param, unquoted},
};

/// What is taken where neither side says how long (RFC 3261 §10.2: the registrar chooses; most choose this).
const USUAL_EXPIRY: Duration = Duration::from_hours(1);
/// REGISTERs of one Call-ID whose other half may still come, and those that must not count twice.
const MAX_EXCHANGES: usize = 8;

/// How a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegistrationState {
    /// Asked for, and not accepted yet.
    Pending,
    /// Accepted, and not run out.
    Registered,
    /// Accepted, but run out without being renewed.
    Expired,
    /// Taken back.
    Removed,
    /// Refused when it was tried last.
    Failed,
}

impl RegistrationState {
    /// The name in records and queries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Registered => "registered",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistrationRecord {
    /// Which.
    pub id: RegistrationId,
    /// Address of record: `user@host` of To.
    pub address_of_record: Box<str>,
    /// URI of the contact; `*` where all are taken back.
    pub contact: Box<str>,
    /// How it stands.
    pub state: RegistrationState,
    /// Where REGISTERs come from.
    pub source: Option<SocketAddr>,
    /// What program sends them.
    pub user_agent: Option<Box<str>>,
    /// When it was seen first.
    pub first: Moment,
    /// When it was seen last.
    pub last: Moment,
    /// When it was accepted last.
    pub registered: Option<Moment>,
    /// When it runs out.
    pub expires: Option<Moment>,
    /// When it was taken back.
    pub removed: Option<Moment>,
    /// When it was refused last.
    pub failed: Option<Moment>,
    /// Status of the last final response other than a challenge.
    pub final_code: Option<u16>,
    /// REGISTERs that were accepted.
    pub successes: u32,
    /// REGISTERs that were refused; a first challenge is no refusal.
    pub failures: u32,
    /// Challenges.
    pub challenges: u32,
    /// Call-ID of the last REGISTER.
    pub call_id: Box<str>,
}

/// One registration while it is remembered.
#[derive(Debug, Serialize, Deserialize)]
struct Registration {
    key: u64,
    record: RegistrationRecord,
    last_received: Moment,
    /// When the last request was sent.
    asked: Moment,
    changed: bool,
}

/// All registrations, and the REGISTERs of which one half was seen.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Registrations {
    sessions: Slab<Registration>,
    by_key: KeyMap<usize>,
    changed: Vec<usize>,
    /// When all were looked at last.
    looked: Moment,
}

/// How often all are looked at: 100,000 take some milliseconds.
const LOOK: Duration = Duration::from_secs(10);

/// The halves of REGISTERs of one leg.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Exchanges(SmallVec<[Exchange; 1]>);

#[derive(Debug, Serialize, Deserialize)]
struct Exchange {
    cseq: u32,
    request: Option<Asked>,
    response: Option<Answered>,
    counted: bool,
}

/// What a REGISTER asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Asked {
    session: usize,
    key: u64,
    expires: Option<u32>,
    credentials: bool,
}

/// What the registrar said.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Answered {
    code: u16,
    at: Moment,
    expires: Option<u32>,
}

/// A message of a REGISTER transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'m, 'a> {
    pub(super) scan: &'m Scan<'a>,
    pub(super) more: &'m More<'a>,
    pub(super) source: Option<SocketAddr>,
    pub(super) at: Moment,
    pub(super) received: Moment,
}

impl Registrations {
    /// Takes in a REGISTER or a response to one. Gives the number of the registration, where it is known.
    pub(super) fn hear(
        &mut self,
        digest: Digest,
        exchanges: &mut Exchanges,
        message: Message<'_, '_>,
        limit: usize,
    ) -> Option<usize> {
        let cseq = message.scan.cseq_number().unwrap_or(0);
        if let Some(code) = message.scan.status_code() {
            if code >= 200 {
                let exchange = exchanges.of(cseq);
                let expires = granted(message.scan, message.more, None);
                let answered = Answered {
                    code,
                    at: message.at,
                    expires,
                };
                // Of hops that saw it at several times, the first.
                if exchange.response.is_none_or(|known| answered.at < known.at) {
                    exchange.response = Some(answered);
                }
            }
        } else {
            let session = self.session(digest, message, limit)?;
            let contact = message.scan.contact();
            let own = contact.and_then(|contact| contact.param(b"expires"));
            let asked = Asked {
                session,
                key: self.sessions.get(session)?.key,
                expires: own.or(message.more.expires).and_then(seconds),
                credentials: message.more.credentials,
            };
            exchanges.of(cseq).request.get_or_insert(asked);
        }
        let exchange = exchanges.of(cseq);
        let asked = exchange.request?;
        let session = self
            .sessions
            .get_mut(asked.session)
            .filter(|session| session.key == asked.key)?;
        if let Some(answered) = exchange.response
            && !exchange.counted
        {
            exchange.counted = true;
            session.record.conclude(asked, answered);
        }
        session.last_received = session.last_received.max(message.received);
        let record = &mut session.record;
        record.first = record.first.min(message.at);
        record.last = record.last.max(message.at);
        if let Some(answered) = exchange.response {
            record.last = record.last.max(answered.at);
        }
        self.touch(asked.session);
        Some(asked.session)
    }

    fn touch(&mut self, session: usize) {
        if let Some(known) = self.sessions.get_mut(session)
            && !known.changed
        {
            known.changed = true;
            self.changed.push(session);
        }
    }

    /// The session of a REGISTER, made where it is new.
    fn session(&mut self, digest: Digest, message: Message<'_, '_>, limit: usize) -> Option<usize> {
        let Message {
            scan,
            source,
            at,
            received,
            ..
        } = message;
        let to = scan.to()?;
        let (user, host) = (to.user().unwrap_or_default(), to.host().unwrap_or_default());
        let contact = scan
            .contact()
            .map(|contact| contact.uri().as_bytes())
            .unwrap_or_default();
        let bare = contact
            .split(|octet| *octet == b';')
            .next()
            .unwrap_or_default();
        let aor = mix(digest.of(user), digest.of(&host.to_ascii_lowercase()));
        let key = mix(aor, digest.of(bare));
        let session = match self.by_key.get(&key) {
            Some(session) => *session,
            None => {
                if self.sessions.len() >= limit {
                    self.evict();
                }
                let mut address = user.to_vec();
                address.extend_from_slice(b"@");
                address.extend_from_slice(host);
                let record = RegistrationRecord {
                    id: RegistrationId::from_u64(mix(key, 1)),
                    address_of_record: kept(&address),
                    contact: kept(bare),
                    state: RegistrationState::Pending,
                    source,
                    user_agent: None,
                    first: at,
                    last: at,
                    registered: None,
                    expires: None,
                    removed: None,
                    failed: None,
                    final_code: None,
                    successes: 0,
                    failures: 0,
                    challenges: 0,
                    call_id: "".into(),
                };
                let session = self.sessions.insert(Registration {
                    key,
                    record,
                    last_received: received,
                    asked: at,
                    changed: false,
                });
                self.by_key.insert(key, session);
                session
            }
        };
        let known = self.sessions.get_mut(session)?;
        if at >= known.asked {
            known.asked = at;
            known.record.source = source.or(known.record.source);
            keep(&mut known.record.user_agent, scan.user_agent());
            let call_id = scan.call_id().unwrap_or_default();
            if known.record.call_id.as_bytes() != call_id {
                known.record.call_id = kept(call_id);
            }
        }
        Some(session)
    }

    /// Drops the one that was heard of longest ago, of some.
    fn evict(&mut self) {
        let oldest = self
            .sessions
            .iter()
            .take(64)
            .min_by_key(|(_, session)| session.last_received);
        if let Some((session, _)) = oldest {
            self.remove(session);
        }
    }

    fn remove(&mut self, session: usize) {
        if let Some(gone) = self.sessions.try_remove(session) {
            self.by_key.remove(&gone.key);
        }
    }

    /// All records, as of `now`.
    pub(super) fn records(&self, now: Moment) -> impl Iterator<Item = RegistrationRecord> {
        self.sessions.iter().map(move |(_, session)| {
            let mut record = session.record.clone();
            record.state = record.state_at(now);
            record
        })
    }

    /// Records of those that changed, as of `now`.
    pub(super) fn take_changes(
        &mut self,
        now: Moment,
    ) -> impl Iterator<Item = RegistrationRecord> + '_ {
        std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(move |session| {
                let known = self.sessions.get_mut(session)?;
                known.changed = false;
                known.record.state = known.record.state_at(now);
                Some(known.record.clone())
            })
    }

    /// Marks those that ran out as changed, and forgets those that were over for `linger`.
    pub(super) fn expire(&mut self, now: Moment, linger: Duration) {
        if now < self.looked.after(LOOK) {
            return;
        }
        self.looked = now;
        let mut run_out = Vec::new();
        let mut gone = Vec::new();
        for (number, session) in &self.sessions {
            let state = session.record.state_at(now);
            if state != session.record.state {
                run_out.push(number);
            } else if state != RegistrationState::Registered
                && session
                    .last_received
                    .max(session.record.expires.unwrap_or_default())
                    .after(linger)
                    < now
            {
                gone.push(number);
            }
        }
        run_out.into_iter().for_each(|session| self.touch(session));
        gone.into_iter().for_each(|session| self.remove(session));
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn id_of(&self, session: usize) -> Option<RegistrationId> {
        self.sessions.get(session).map(|session| session.record.id)
    }
}

impl Exchanges {
    fn of(&mut self, cseq: u32) -> &mut Exchange {
        let place = self.0.iter().position(|exchange| exchange.cseq == cseq);
        let place = place.unwrap_or_else(|| {
            let new = Exchange {
                cseq,
                request: None,
                response: None,
                counted: false,
            };
            if self.0.len() < MAX_EXCHANGES {
                self.0.push(new);
                return self.0.len() - 1;
            }
            let oldest = self
                .0
                .iter()
                .enumerate()
                .min_by_key(|(_, exchange)| exchange.cseq);
            let place = oldest.map_or(0, |(place, _)| place);
            self.0[place] = new;
            place
        });
        &mut self.0[place]
    }
}

impl RegistrationRecord {
    fn conclude(&mut self, asked: Asked, answered: Answered) {
        let Answered { code, at, expires } = answered;
        if matches!(code, 401 | 407) && !asked.credentials {
            self.challenges += 1;
            return;
        }
        if self.final_code.is_none() || at >= self.latest() {
            self.final_code = Some(code);
        }
        if code >= 300 {
            self.failures += 1;
            self.failed = self.failed.max(Some(at));
            return;
        }
        self.successes += 1;
        if asked.expires == Some(0) || &*self.contact == "*" {
            self.removed = self.removed.max(Some(at));
            return;
        }
        if self.registered.is_none_or(|known| at >= known) {
            let lasts = expires.or(asked.expires);
            let lasts = lasts.map_or(USUAL_EXPIRY, |lasts| Duration::from_secs(lasts.into()));
            self.registered = Some(at);
            self.expires = Some(at.after(lasts));
        }
    }

    fn latest(&self) -> Moment {
        [self.registered, self.removed, self.failed]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or_default()
    }

    fn state_at(&self, now: Moment) -> RegistrationState {
        let latest = self.latest();
        match (self.registered, self.expires) {
            _ if self.removed == Some(latest) => RegistrationState::Removed,
            _ if self.failed == Some(latest) => RegistrationState::Failed,
            (Some(_), Some(expires)) if expires < now => RegistrationState::Expired,
            (Some(_), _) => RegistrationState::Registered,
            _ => RegistrationState::Pending,
        }
    }
}

/// What the registrar granted: of our contact, or for all.
fn granted(scan: &Scan<'_>, more: &More<'_>, contact: Option<&[u8]>) -> Option<u32> {
    let own = scan
        .headers()
        .filter(|header| header.is(b"Contact"))
        .find_map(|header| {
            let value = header.value();
            let from = match contact {
                Some(contact) => memchr::memmem::find(value, contact)?,
                None => 0,
            };
            let rest = value.get(from..)?;
            let rest = rest.get(memchr::memchr(b'>', rest).unwrap_or(0)..)?;
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            param(rest.get(..end)?, b"expires").and_then(seconds)
        });
    own.or_else(|| more.expires.and_then(seconds))
}

/// A number of seconds; more than 32 bits hold is as long as they do.
fn seconds(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(unquoted(text)).ok()?;
    text.parse::<u64>()
        .ok()
        .map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}
