//! Calls, followed while their messages become rows.
//!
//! A call becomes a row when it is closed. What is open lives in memory, and in a file that is written every ten
//! seconds or so; after a kill the rows that came later are shown to the tracker again.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_store::{Class, Row, RowBatchBuilder};
use parking_lot::Mutex;

use super::changed::ChangedCalls;
use super::saved::SavedCalls;
use crate::{
    agents::ClockBounds,
    call::{
        AttachedBy, CallRecord, Change, Content, Limits, Moment, RegistrationId,
        RegistrationRecord, RegistrationState, Rules, Seen, Tracker,
    },
    query::MessageView,
};

/// The tracker as the thread that makes rows and those who ask share it.
pub type SharedTracker = Arc<Mutex<Tracker>>;

/// Calls and registrations, followed.
#[derive(Debug)]
pub struct Calls {
    tracker: SharedTracker,
    changed: Arc<ChangedCalls>,
    saved: SavedCalls,
    room: Room,
    /// How registrations stood when they were written last.
    registrations: HashMap<RegistrationId, RegistrationState, foldhash::fast::RandomState>,
    /// How many the tracker knows at most.
    most_registrations: usize,
}

/// What a message that is no SIP belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// Call-ID of the leg.
    pub call_id: String,
    /// Why.
    pub by: AttachedBy,
}

impl Calls {
    /// Goes on where `file` ends, and says up to which row that is. A file that cannot be used is set aside.
    #[must_use]
    pub fn open(
        file: PathBuf,
        limits: Limits,
        rules: Rules,
        clock: ClockBounds,
    ) -> (Self, Option<i64>) {
        let most_registrations = limits.max_registrations;
        let saved = SavedCalls::new(file);
        let (tracker, mark) = match saved.load() {
            Some(loaded) => (
                Tracker::restore(limits.clone(), rules.clone(), loaded.state),
                Some(loaded.mark),
            ),
            None => (None, None),
        };
        let mark = mark.filter(|_| tracker.is_some());
        let tracker = tracker.unwrap_or_else(|| Tracker::new(limits, rules, fastrand::u64(..)));
        let calls = Self {
            tracker: Arc::new(Mutex::new(tracker.with_clock_bounds(clock))),
            changed: Arc::default(),
            saved,
            room: Room::default(),
            registrations: HashMap::default(),
            most_registrations,
        };
        (calls, mark)
    }

    /// What follows them.
    #[must_use]
    pub fn tracker(&self) -> &SharedTracker {
        &self.tracker
    }

    /// Who is told of calls that change.
    #[must_use]
    pub fn changed(&self) -> &Arc<ChangedCalls> {
        &self.changed
    }

    /// Takes in a message, and says what it belongs to where it does not say so itself.
    pub fn see(&self, view: &MessageView<'_>, agent: &str) -> Option<Attachment> {
        let envelope = view.envelope();
        let received = (envelope.received_at)
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let payload = view.payload().unwrap_or_default();
        let content = Content::of_scanned(envelope.message.protocol_type(), view.sip().copied());
        let seen = Seen::of_content(&envelope.message, payload, content, 0, received, agent);
        let mut tracker = self.tracker.lock();
        let placed = tracker.ingest(&seen);
        if let Some((_, call)) = placed.place {
            self.changed.tell(call);
        }
        let by = placed.attached_by.filter(|_| seen.sip().is_none())?;
        let call_id = tracker.call_id_of(&placed)?.to_owned();
        Some(Attachment { call_id, by })
    }

    /// Closes what is over, and writes what has come to an end as rows.
    pub fn close_and_write(&mut self, now: SystemTime, rows: &mut RowBatchBuilder) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().into();
        let changes = {
            let mut tracker = self.tracker.lock();
            tracker.expire(now);
            tracker.take_finished()
        };
        for change in changes {
            match change {
                Change::Call(call) if call.closed.is_some() => {
                    push_call(&call, now, rows, &mut self.room);
                    self.changed.tell_closed(&call);
                }
                Change::Registration(registration) => {
                    let before = self
                        .registrations
                        .insert(registration.id, registration.state);
                    if before != Some(registration.state) {
                        push_registration(&registration, now, rows);
                    }
                }
                _ => {}
            }
        }
        // Registrations that are gone are few beside those that are kept up; all are forgotten together.
        if self.registrations.len() > 2 * self.most_registrations {
            self.registrations.clear();
        }
    }

    /// Octets of memory that they take, about.
    pub(super) fn memory(&self) -> usize {
        self.tracker.lock().memory()
    }

    /// Whether the file is old enough to be written again.
    pub(super) fn is_to_be_saved(&mut self) -> bool {
        self.saved.is_due()
    }

    /// Begins to write what is open. `mark` is the last row that was taken in and is kept.
    pub fn save(&mut self, mark: i64) {
        self.saved.begin(mark, &self.tracker);
    }
}

/// Name of the record of a call.
pub const CALL: &str = "call";
/// Name of the record of a leg beyond a call's first.
pub const LEG: &str = "leg";
/// Name of the record of a registration.
pub const REGISTRATION: &str = "registration";

/// Room in which records are made.
#[derive(Debug, Default)]
pub(super) struct Room {
    content: Vec<u8>,
    scratch: Vec<u8>,
}

/// A call as a row, and a row for each further leg, by which it is found.
pub(super) fn push_call(
    call: &CallRecord,
    now: Moment,
    rows: &mut RowBatchBuilder,
    room: &mut Room,
) {
    let Room { content, scratch } = room;
    content.clear();
    if call.shorten(content, scratch).is_err() {
        return;
    }
    let id = call.id.to_string();
    let mut legs = call.legs.iter();
    let first = legs.next();
    let source = first.and_then(|leg| leg.source);
    let destination = first.and_then(|leg| leg.destination);
    let text = |ip: std::net::SocketAddr| ip.ip().to_canonical().to_string();
    let (source_ip, destination_ip) = (source.map(text), destination.map(text));
    let mut row = record(CALL, &id, now);
    row.sent_at = Some(call.started.as_micros());
    row.call_id = first.map(|leg| &*leg.call_id);
    row.transaction_type = Some(call.kind.label());
    row.status = call.final_code.map(i32::from);
    row.from_user = call.from.user.as_deref();
    row.from_host = call.from.host.as_deref();
    row.to_user = call.to.user.as_deref();
    row.to_host = call.to.host.as_deref();
    row.ruri_user = first.and_then(|leg| leg.request_user.as_deref());
    row.user_agent = first.and_then(|leg| Some(&*leg.user_agents.first()?.name));
    row.src_ip = source_ip.as_deref();
    row.src_port = source.map(|source| i32::from(source.port()));
    row.dst_ip = destination_ip.as_deref();
    row.dst_port = destination.map(|destination| i32::from(destination.port()));
    row.setup_us = call.setup.map(micros);
    row.duration_us = call.talk.or(call.duration).map(micros);
    row.payload = content;
    push(rows, &row);
    for leg in legs {
        let mut row = record(LEG, &id, now);
        row.sent_at = Some(leg.started.as_micros());
        row.call_id = Some(&leg.call_id);
        row.from_user = leg.from.user.as_deref();
        row.to_user = leg.to.user.as_deref();
        push(rows, &row);
    }
}

fn push_registration(registration: &RegistrationRecord, now: Moment, rows: &mut RowBatchBuilder) {
    let Ok(content) = serde_json::to_vec(registration) else {
        return;
    };
    let id = registration.id.to_string();
    let mut row = record(REGISTRATION, &id, now);
    let (user, host) = (registration.address_of_record)
        .split_once('@')
        .unwrap_or(("", &registration.address_of_record));
    row.sent_at = Some(registration.last.as_micros());
    row.from_user = (!user.is_empty()).then_some(user);
    row.from_host = Some(host);
    row.transaction_type = Some(registration.state.label());
    row.user_agent = registration.user_agent.as_deref();
    row.payload = &content;
    push(rows, &row);
}

fn record<'a>(name: &'a str, id: &'a str, now: Moment) -> Row<'a> {
    let mut row = Row::default();
    row.class = Class::Record;
    row.record = Some(name);
    row.received_at = now.as_micros();
    row.correlation_id = Some(id);
    row
}

fn push(rows: &mut RowBatchBuilder, row: &Row<'_>) {
    if let Err(error) = rows.push(row) {
        tracing::error!(%error, record = row.record, "record not kept");
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
