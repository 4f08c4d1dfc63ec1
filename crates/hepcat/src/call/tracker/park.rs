//! Legs that are idle become small: nothing that records tell is lost, and a message wakes them.
//!
//! Only a leg that is a call of its own is parked, as what it has in common with others lies in the graph.

use std::time::Duration;

use smallvec::SmallVec;

use super::{
    STATE_VERSION, Tracker, links,
    parked::{Parked, QUEUES, Queue, Spot},
};
use crate::call::{
    compose::compose,
    digest::Digest,
    heard::TRANSACTION,
    leg::{Context, Head, Keys, Leg},
    moment::Moment,
    pack::Form,
    record::{CallId, CallRecord, Change, Closed, Kind, LegId, State},
};

/// How long nothing is heard of a leg that is parked: messages that answer each other come sooner, and what is sent again,
/// or when somebody answers, comes after pauses in which parking pays.
pub(super) const PARK_AFTER: Duration = Duration::from_millis(100);
/// Memory of so many legs waits for others: 200 KiB.
const MAX_SPARE: usize = 128;
/// Legs that are looked at with each message.
const PARKED_AT_ONCE: usize = 2;

impl Tracker {
    /// The number of the open leg with this Call-ID.
    pub(super) fn leg_number(&mut self, key: u64) -> Option<usize> {
        if let Some(number) = self.index.legs.get(&key) {
            return Some(*number);
        }
        self.wake(key);
        self.index.legs.get(&key).copied()
    }

    /// Unpacks the legs that may have this key.
    pub(super) fn wake(&mut self, key: u64) {
        for spot in self.state.parked.with_key(key) {
            self.unpark(spot);
        }
    }

    /// Parks the leg of a call that is one alone, where nothing was heard of it for `idle`; `false` where not.
    pub(super) fn park(&mut self, component: usize, now: Moment, idle: Duration) -> bool {
        let Some(number) = self.alone_in(component) else {
            return false;
        };
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) else {
            return false;
        };
        if leg.last_received.after(idle) > now || leg.is_referral {
            return false;
        }
        let queue = queue_of(leg, now);
        if queue == Queue::Talking {
            leg.forget_transmissions();
        }
        let Some(call) = self.state.calls.get_mut(component).and_then(Option::take) else {
            return false;
        };
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::take) else {
            return false;
        };
        let mut leg = leg;
        let _legs = self.state.graph.remove(component, self.state.now);
        let (keys, is_whole) = self.take_from_index(number, &leg);
        let is_told = !call.told.is_empty();
        let parked = &mut self.state.parked;
        let packed = leg.pack(
            self.digest,
            is_told,
            call.dirty,
            &mut parked.texts,
            &mut parked.room,
        );
        parked.put(packed, &keys, is_whole, leg.kept.take(), queue);
        self.spare(leg);
        true
    }

    /// Parks legs that are idle, some for each message, so that those that are awake are few and near.
    pub(super) fn park_some(&mut self) {
        let now = self.state.now;
        for _ in 0..PARKED_AT_ONCE {
            let Some(due) = self.soon.front().copied().filter(|due| due.at <= now) else {
                return;
            };
            self.soon.pop_front();
            // As of then: what is to be forgotten since is found when calls are looked at.
            if !self.is_awaited(due) || self.park(due.component, due.at, PARK_AFTER) {
                continue;
            }
            if self.parked_at(due.component).is_some_and(|at| at > now) {
                // Somewhat late, so that these wait in the order of time.
                self.look_at(due.component, now.after(PARK_AFTER));
            } else {
                self.state.due.push(due);
            }
        }
    }

    /// The one leg of a call, where no other has anything in common with it.
    fn alone_in(&self, component: usize) -> Option<usize> {
        let &[number] = self.state.graph.legs_of(component) else {
            return None;
        };
        let call = self.state.calls.get(component)?.as_ref()?;
        let is_plain = call.told.iter().all(|told| *told == call.id);
        (is_plain && self.state.graph.is_alone(number)).then_some(number)
    }

    /// When the call is to be parked if nothing more is heard.
    pub(super) fn parked_at(&self, component: usize) -> Option<Moment> {
        let leg = self.leg(self.alone_in(component)?)?;
        (!leg.is_referral).then(|| leg.last_received.after(PARK_AFTER))
    }

    /// Takes a leg out of all indexes. Gives the keys by which it was found there, and whether those are all that it has.
    pub(super) fn take_from_index(&mut self, number: usize, leg: &Leg) -> (Keys, bool) {
        let mut keys = Keys::new();
        let mut is_whole = true;
        keys.extend([leg.key, leg.id.as_u64()]);
        self.index.open_legs -= 1;
        self.index.octets -= leg.counted;
        self.index.legs.remove(&leg.key);
        self.index.ids.remove(&leg.id.as_u64());
        for branch in &leg.branches {
            if self.index.branches.get(branch) == Some(&number) {
                self.index.branches.remove(branch);
                keys.push(*branch);
            } else {
                is_whole = false;
            }
        }
        for endpoint in leg.endpoints() {
            let key = links::media_key(self.digest, endpoint.socket());
            if keys.contains(&key) {
                continue;
            }
            let legs = self.index.media.get_mut(&key);
            let place = legs
                .as_deref()
                .and_then(|legs| legs.iter().position(|leg| *leg == number));
            let (Some(legs), Some(place)) = (legs, place) else {
                is_whole = false;
                continue;
            };
            keys.push(key);
            if legs.len() == 1 {
                self.index.media.remove(&key);
            } else {
                legs.remove(place);
            }
        }
        (keys, is_whole)
    }

    fn unpacked(&self, spot: Spot) -> Option<Leg> {
        let parked = &self.state.parked;
        let mut leg = Leg::default();
        leg.unpack(
            parked.packed(spot)?,
            Form::Dense,
            self.digest,
            &parked.texts,
        )?;
        Some(leg)
    }

    /// Takes a leg out of its place, which it keeps, with its call's marks.
    fn take_parked(&mut self, spot: Spot) -> Option<(Box<Leg>, bool, bool)> {
        let mut leg = self.spare.pop().unwrap_or_default();
        let parked = &mut self.state.parked;
        let head = parked.head(spot)?;
        let (is_told, is_dirty) = (head.is_told(), head.is_dirty());
        let is_read = leg.unpack(
            parked.packed(spot)?,
            Form::Dense,
            self.digest,
            &parked.texts,
        );
        let keys = match is_read {
            Some(()) => keys_of(&leg, self.digest),
            None => Keys::new(),
        };
        leg.kept = parked.take(spot, keys);
        if is_read.is_none() {
            if let Some(kept) = leg.kept.take() {
                parked.vacate(&kept);
            }
            return None;
        }
        Some((leg, is_told, is_dirty))
    }

    /// Keeps the memory of a leg for another one: what was used last is near.
    pub(super) fn spare(&mut self, leg: Box<Leg>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(leg);
        }
    }

    fn unpark(&mut self, spot: Spot) -> Option<usize> {
        let (mut leg, is_told, is_dirty) = self.take_parked(spot)?;
        let number = self.state.graph.add_leg();
        let component = self.state.graph.component_of(number)?;
        let (rank, id, key) = ((leg.first, leg.key), CallId::from(leg.id), leg.key);
        leg.counted = leg.octets();
        self.index.octets += leg.counted;
        self.index.open_legs += 1;
        self.index.legs.insert(key, number);
        self.index.ids.insert(leg.id.as_u64(), number);
        for branch in &leg.branches {
            self.index.branches.entry(*branch).or_insert(number);
        }
        for endpoint in leg.endpoints() {
            let key = links::media_key(self.digest, endpoint.socket());
            let legs = self.index.media.entry(key).or_default();
            if !legs.contains(&number) && legs.len() < links::MAX_SHARERS {
                legs.push(number);
            }
        }
        if self.state.legs.len() <= number {
            self.state.legs.resize_with(number + 1, || None);
        }
        if let Some(slot) = self.state.legs.get_mut(number) {
            *slot = Some(leg);
        }
        self.put_call(component);
        if let Some(call) = self.state.calls.get_mut(component).and_then(Option::as_mut) {
            (call.first, call.id) = (rank, id);
            if is_told {
                call.told.push(id);
            }
        }
        if is_dirty {
            self.touch(number);
        }
        self.look_at(component, self.state.now.after(PARK_AFTER));
        Some(number)
    }

    /// Closes parked legs whose time has come, and has those forget that were in call for a while.
    pub(super) fn expire_parked(&mut self, now: Moment) {
        for queue in QUEUES {
            while let Some(spot) = self.state.parked.front(queue) {
                let Some(head) = self.state.parked.head(spot) else {
                    break;
                };
                let silent = head.last_received();
                if silent.after(self.limits.patience(head.kind(), head.state())) <= now {
                    let closed = if head.state().is_over() {
                        Closed::Over
                    } else {
                        Closed::Idle
                    };
                    self.close_parked(spot, closed);
                } else if queue == Queue::Fresh && silent.after(TRANSACTION) < now {
                    self.park_for_long(spot);
                } else {
                    break;
                }
            }
        }
    }

    /// What was sent can no longer be sent again: only what records tell stays.
    fn park_for_long(&mut self, spot: Spot) {
        let Some((mut leg, is_told, is_dirty)) = self.take_parked(spot) else {
            return;
        };
        leg.forget_transmissions();
        let keys = keys_of(&leg, self.digest);
        let parked = &mut self.state.parked;
        let packed = leg.pack(
            self.digest,
            is_told,
            is_dirty,
            &mut parked.texts,
            &mut parked.room,
        );
        parked.put(packed, &keys, true, leg.kept.take(), Queue::Talking);
        self.spare(leg);
    }

    /// Closes the parked leg of a queue that was heard of longest ago; `false` where there is none.
    pub(super) fn evict_parked(&mut self, queue: Queue) -> bool {
        let Some(spot) = self.state.parked.front(queue) else {
            return false;
        };
        if queue == Queue::Over {
            self.state.counters.cut_short += 1;
            self.close_parked(spot, Closed::Over);
        } else {
            self.close_parked(spot, Closed::Evicted);
        }
        true
    }

    fn close_parked(&mut self, spot: Spot, closed: Closed) {
        let Some((leg, ..)) = self.take_parked(spot) else {
            return;
        };
        if let Some(kept) = &leg.kept {
            self.state.parked.vacate(kept);
        }
        let record = self.record_alone(&leg, Some(closed));
        self.count_closed(closed);
        self.finish(Change::Call(Box::new(record)));
        self.state.exchanges.remove(&leg.key);
        self.remember_closed(leg.key);
        self.spare(leg);
    }

    /// Closes all that are parked, those that were heard of longest ago first.
    pub(super) fn close_all_parked(&mut self) {
        for queue in QUEUES {
            while let Some(spot) = self.state.parked.front(queue) {
                let closed = if queue == Queue::Over {
                    Closed::Over
                } else {
                    Closed::Idle
                };
                self.close_parked(spot, closed);
            }
        }
    }

    /// The record of a leg that is a call of its own.
    fn record_alone(&self, leg: &Leg, closed: Option<Closed>) -> CallRecord {
        let registrations = &self.state.registrations;
        let record = leg.record(Context {
            agents: &self.state.agents,
            closed,
            registration: (leg.registration).and_then(|session| registrations.id_of(session)),
        });
        compose(leg.id.into(), vec![record], Vec::new(), closed)
    }

    /// The record of a parked leg.
    pub(super) fn record_of_parked(&self, spot: Spot) -> Option<CallRecord> {
        let leg = self.unpacked(spot)?;
        Some(self.record_alone(&leg, None))
    }

    /// The parked leg with this Call-ID.
    pub(super) fn parked_with(&self, key: u64) -> Option<Spot> {
        let parked = &self.state.parked;
        let mut found = parked.with_key(key).into_iter();
        found.find(|spot| parked.head(*spot).is_some_and(|head| head.key() == key))
    }

    /// The parked leg with this id.
    pub(super) fn parked_by_id(&self, id: LegId) -> Option<Spot> {
        let parked = &self.state.parked;
        let mut found = parked.with_key(id.as_u64()).into_iter();
        found.find(|spot| parked.head(*spot).is_some_and(|head| head.id() == id))
    }

    pub(super) fn unpark_by_id(&mut self, id: LegId) -> Option<usize> {
        let spot = self.parked_by_id(id)?;
        self.unpark(spot)
    }

    /// Records of parked legs that changed since somebody asked.
    pub(super) fn take_parked_changes(&mut self) -> Vec<Change> {
        let changed: Vec<Spot> = self
            .state
            .parked
            .iter()
            .filter(|(_, packed)| Head::of(packed).is_some_and(Head::is_dirty))
            .map(|(spot, _)| spot)
            .collect();
        if changed.is_empty() {
            return Vec::new();
        }
        self.state.parked.each_mut(|packed| {
            if Head::of(packed).is_some_and(Head::is_dirty) {
                Head::mark_dirty(packed, false);
            }
        });
        let records = changed
            .into_iter()
            .filter_map(|spot| self.record_of_parked(spot));
        records
            .map(|record| Change::Call(Box::new(record)))
            .collect()
    }

    /// Puts legs of an earlier run in, which have no keys yet.
    pub(super) fn rebuild_parked(&mut self) {
        let form = match self.state.version {
            STATE_VERSION => Form::Dense,
            _ => Form::Plain,
        };
        let mut earlier = std::mem::take(&mut self.state.parked);
        let mut legs: Vec<Box<[u8]>> = Vec::with_capacity(earlier.len());
        legs.extend(earlier.iter().map(|(_, packed)| Box::from(packed)));
        legs.sort_by_key(|packed| Head::of(packed).map(Head::last_received));
        let mut parked = Parked::default();
        parked.texts = std::mem::take(&mut earlier.texts);
        drop(earlier);
        let mut leg = Leg::default();
        for mut packed in legs {
            let is_read = leg.unpack(&packed, form, self.digest, &parked.texts);
            // What cannot be read is of no use to anybody.
            let (Some(()), Some(head)) = (is_read, Head::of(&packed)) else {
                continue;
            };
            if form == Form::Dense {
                head.used()
                    .for_each(|number| parked.texts.use_again(number));
            } else {
                let (is_told, is_dirty) = (head.is_told(), head.is_dirty());
                let texts = &mut parked.texts;
                packed = leg.pack(self.digest, is_told, is_dirty, texts, &mut parked.room);
            }
            let queue = queue_of(&leg, leg.last_received);
            let keys = keys_of(&leg, self.digest);
            parked.put(packed, &keys, true, None, queue);
        }
        self.state.parked = parked;
    }
}

/// All keys that a leg has.
fn keys_of(leg: &Leg, digest: Digest) -> Keys {
    let media = leg.endpoints().iter();
    let media = media.map(|endpoint| links::media_key(digest, endpoint.socket()));
    let mut keys: Keys = SmallVec::from_slice(&[leg.key, leg.id.as_u64()]);
    for key in leg.branches.iter().copied().chain(media) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// What a leg waits for.
fn queue_of(leg: &Leg, now: Moment) -> Queue {
    let state = leg.state();
    match leg.kind() {
        _ if state.is_over() => Queue::Over,
        Kind::Call if state == State::InCall => {
            if leg.last_received.after(TRANSACTION) < now {
                Queue::Talking
            } else {
                Queue::Fresh
            }
        }
        Kind::Call => Queue::Setup,
        _ => Queue::Other,
    }
}
