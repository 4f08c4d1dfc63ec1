//! From `append` to the hot buffer: a queue, and the one thread that writes the log.

use std::{collections::VecDeque, io, mem, sync::Arc, time::Duration};

use arrow::compute::concat;
use parking_lot::{Condvar, Mutex};

use crate::{
    counters::add,
    error::AppendError,
    hot::{Appended, HotBatch},
    log::{LogFile, seal},
    memory::{Reservation, Use},
    options::Fsync,
    row::{MAX_GENERATION, MAX_PLACE, RowBatch, RowBatchBuilder, RowId, combine, keep_frame},
    store::Inner,
    ticket::Ticket,
};

/// Generations that may wait for being written; with more, the log waits too.
pub(crate) const MAX_FROZEN: usize = 2;
/// Octets of frames that are synced together at most, about.
const GROUP: usize = 4 << 20;
/// Octets up to which frames are put together for one write.
const SMALL_FRAMES: usize = 64 << 10;
/// Hot batches of fewer rows are joined with the next,
const SMALL: usize = 256;
/// if both together have fewer octets: for a moment they are there twice.
const SMALL_OCTETS: usize = 512 << 10;
/// How long a log that cannot be written is left alone.
const PAUSE: Duration = Duration::from_millis(20);

/// Rows between `append` and the log.
#[derive(Debug)]
pub(crate) struct Pending {
    rows: RowBatch,
    frame: Vec<u8>,
    memory: Reservation,
    ticket: Ticket,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    pending: VecDeque<Pending>,
    closed: bool,
    /// Times that a freeze was asked for, and how many of them are done.
    freezes: u64,
    frozen: u64,
}

impl Queue {
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Asks that what is hot be frozen; [`frozen`](Self::frozen) reaches the number when it is.
    pub(crate) fn freeze(&self) -> u64 {
        let mut state = self.state.lock();
        state.freezes += 1;
        self.arrived.notify_all();
        state.freezes
    }

    pub(crate) fn frozen(&self) -> u64 {
        self.state.lock().frozen
    }

    pub(crate) fn wake(&self) {
        drop(self.state.lock());
        self.arrived.notify_all();
    }

    fn push(&self, pending: Pending) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(AppendError::Closed);
        }
        state.pending.push_back(pending);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }
}

/// Waits for memory at most `wait`, and hands rows to the log.
pub(crate) fn append(
    inner: &Inner,
    builder: RowBatchBuilder,
    wait: Duration,
) -> Result<Ticket, AppendError> {
    let count = builder.len();
    add(&inner.counters.offered, count as u64);
    let ticket = Ticket::new();
    if count == 0 {
        let first = RowId::new(inner.node, 0, 0);
        ticket.complete(Ok(Appended { first, rows: 0 }));
        return Ok(ticket);
    }
    let appended = queue(inner, builder, wait, &ticket);
    if let Err(error) = appended {
        inner.counters.drop_rows(error, count as u64);
        return Err(error);
    }
    Ok(ticket)
}

fn queue(
    inner: &Inner,
    builder: RowBatchBuilder,
    wait: Duration,
    ticket: &Ticket,
) -> Result<(), AppendError> {
    let (batch, frame) = builder.finish_with_frame();
    let needed = (batch.memory() + frame.len()) as u64;
    let memory = inner
        .memory
        .reserve_within(Use::Ingest, needed, wait)
        .ok_or(AppendError::Memory)?;
    inner.queue.push(Pending {
        rows: batch,
        frame,
        memory,
        ticket: ticket.clone(),
    })
}

/// Rows that are written but not yet synced.
type Unsynced = (Ticket, Appended);

/// The state of the log thread.
#[derive(Debug)]
pub(crate) struct Ingest {
    inner: Arc<Inner>,
    generation: u32,
    log: Option<LogFile>,
    rows: u32,
    /// Octets of memory that the generation has.
    octets: u64,
    /// When its first row came, monotonic.
    begun: u64,
    last_sync: Option<u64>,
    unsynced: Vec<Unsynced>,
}

enum Wake {
    /// Rows to write, and a freeze that was asked for.
    Work(Vec<Pending>, Option<u64>),
    Closed,
}

impl Ingest {
    pub(crate) fn new(inner: Arc<Inner>, generation: u32) -> Self {
        Self {
            inner,
            generation,
            log: None,
            rows: 0,
            octets: 0,
            begun: 0,
            last_sync: None,
            unsynced: Vec::new(),
        }
    }

    /// Runs until the queue is closed and empty; what is hot then is frozen.
    pub(crate) fn run(mut self) {
        loop {
            match self.wait() {
                Wake::Work(groups, asked) => {
                    self.write(groups);
                    if self.sync_is_due() {
                        self.sync();
                    }
                    if asked.is_some() || self.is_full() || self.is_old() {
                        self.freeze();
                    }
                    if let Some(asked) = asked {
                        self.inner.queue.state.lock().frozen = asked;
                        self.inner.frozen_changed.notify();
                    }
                }
                Wake::Closed => {
                    self.freeze();
                    return;
                }
            }
        }
    }

    fn wait(&self) -> Wake {
        let inner = &self.inner;
        let mut state = inner.queue.state.lock();
        loop {
            // A freeze takes with it what was appended before it.
            let asked = (state.freezes > state.frozen).then_some(state.freezes);
            if !state.pending.is_empty() || asked.is_some() {
                let mut groups = Vec::new();
                let mut octets = 0;
                while (octets < GROUP || asked.is_some())
                    && let Some(pending) = state.pending.pop_front()
                {
                    octets += pending.frame.len();
                    groups.push(pending);
                }
                return Wake::Work(groups, asked);
            }
            if state.closed {
                return Wake::Closed;
            }
            match self.next_deadline() {
                Some(0) => return Wake::Work(Vec::new(), None),
                Some(micros) => {
                    inner
                        .queue
                        .arrived
                        .wait_for(&mut state, Duration::from_micros(micros));
                }
                None => inner.queue.arrived.wait(&mut state),
            }
        }
    }

    /// Microseconds until something is due without anybody appending.
    fn next_deadline(&self) -> Option<u64> {
        let now = self.inner.options.clock.monotonic();
        let sync = (!self.unsynced.is_empty()).then(|| self.sync_due_at());
        let freeze = (self.rows > 0).then(|| self.begun.saturating_add(self.allowed_age()));
        let due = match (sync, freeze) {
            (Some(sync), Some(freeze)) => sync.min(freeze),
            (Some(due), None) | (None, Some(due)) => due,
            (None, None) => return None,
        };
        Some(due.saturating_sub(now))
    }

    fn allowed_age(&self) -> u64 {
        let options = &self.inner.options;
        let age = u64::try_from(options.freeze_age.as_micros()).unwrap_or(u64::MAX);
        if self.rows >= options.freeze_rows / 10 {
            age
        } else {
            age.saturating_mul(6)
        }
    }

    fn is_old(&self) -> bool {
        let now = self.inner.options.clock.monotonic();
        self.rows > 0 && now >= self.begun.saturating_add(self.allowed_age())
    }

    fn is_full(&self) -> bool {
        self.rows >= self.inner.options.freeze_rows || self.octets >= self.inner.memory.budget() / 8
    }

    fn sync_due_at(&self) -> u64 {
        match self.inner.options.fsync {
            Fsync::Interval(interval) => self.last_sync.map_or(0, |last| {
                last.saturating_add(u64::try_from(interval.as_micros()).unwrap_or(u64::MAX))
            }),
            Fsync::Always | Fsync::Never => 0,
        }
    }

    fn sync_is_due(&self) -> bool {
        !self.unsynced.is_empty() && self.inner.options.clock.monotonic() >= self.sync_due_at()
    }

    fn write(&mut self, groups: Vec<Pending>) {
        let mut groups = groups.into_iter().peekable();
        while groups.peek().is_some() {
            if self.is_full() || self.log.as_ref().is_some_and(|log| !log.is_sound()) {
                self.freeze();
            }
            // As many as the generation takes, in one write.
            let mut taken: Vec<Pending> = Vec::new();
            let mut rows = self.rows;
            let mut octets = 0;
            while let Some(pending) = groups.next_if(|pending| {
                let more = u32::try_from(pending.rows.len()).unwrap_or(MAX_PLACE);
                taken.is_empty()
                    || (octets < GROUP && rows + more <= self.inner.options.freeze_rows)
            }) {
                rows += u32::try_from(pending.rows.len()).unwrap_or(MAX_PLACE);
                octets += pending.frame.len();
                taken.push(pending);
            }
            if rows > MAX_PLACE {
                self.freeze();
            }
            self.write_group(taken);
        }
    }

    fn write_group(&mut self, mut group: Vec<Pending>) {
        let mut frames: Vec<Vec<u8>> = Vec::with_capacity(group.len());
        let mut place = self.rows;
        for pending in &mut group {
            let rows = u32::try_from(pending.rows.len()).unwrap_or(MAX_PLACE);
            let mut frame = mem::take(&mut pending.frame);
            seal(&mut frame, rows, self.generation, place);
            place += rows;
            match frames.last_mut() {
                Some(last) if last.len() + frame.len() <= SMALL_FRAMES => {
                    last.extend_from_slice(&frame);
                    keep_frame(frame);
                }
                _ => frames.push(frame),
            }
        }
        let written = self.append_to_log(&mut frames, place);
        let octets: usize = frames.iter().map(Vec::len).sum();
        frames.into_iter().for_each(keep_frame);
        if let Err(error) = written {
            self.refuse(group, &error);
            return;
        }
        let counters = &self.inner.counters;
        add(&counters.log_frames, group.len() as u64);
        add(&counters.log_octets, octets as u64);
        if self.rows == 0 {
            self.begun = self.inner.options.clock.monotonic();
        }
        for pending in group {
            let count = u32::try_from(pending.rows.len()).unwrap_or(MAX_PLACE);
            let first = RowId::new(self.inner.node, self.generation, self.rows);
            let rows = pending
                .rows
                .identified(self.inner.node, self.generation, self.rows);
            self.rows += count;
            self.publish(rows, pending.memory);
            let appended = Appended { first, rows: count };
            if self.inner.options.fsync == Fsync::Never {
                add(&self.inner.counters.kept, count.into());
                pending.ticket.complete(Ok(appended));
            } else {
                self.unsynced.push((pending.ticket, appended));
            }
        }
    }

    /// Makes rows visible. Small batches are joined with the one before: each batch has a cost of its own.
    fn publish(&mut self, rows: RowBatch, mut memory: Reservation) {
        memory.shrink_to(rows.memory() as u64);
        self.octets += rows.memory() as u64;
        let live = &self.inner.live;
        let view = live.view();
        let joined = view
            .hot
            .last()
            .filter(|last| {
                last.rows.len() < SMALL && last.rows.memory() + rows.memory() < SMALL_OCTETS
            })
            .and_then(|last| {
                let count = last.rows.len() + rows.len();
                combine(&[last.rows.columns(), rows.columns()], count, concat).ok()
            });
        match joined {
            Some(joined) => {
                let joined = RowBatch::new(joined);
                let octets = joined.memory() as u64;
                drop(memory);
                let memory = self.inner.memory.take(Use::Ingest, octets);
                let batch = Arc::new(HotBatch::new(joined, vec![memory]));
                live.replace_last_hot(batch);
            }
            None => live.push_hot(Arc::new(HotBatch::new(rows, vec![memory]))),
        }
    }

    /// Appends frames, with which the generation has `rows` rows.
    fn append_to_log(&mut self, frames: &mut [Vec<u8>], rows: u32) -> io::Result<()> {
        let inner = &self.inner;
        if self.generation > MAX_GENERATION {
            return Err(io::Error::other("no generations are left"));
        }
        if self.log.is_none() {
            let durable = inner.options.fsync != Fsync::Never;
            let spare = inner.spare_log();
            self.log = Some(LogFile::create(
                inner.options.disk.as_ref(),
                &inner.paths,
                inner.node,
                self.generation,
                durable,
                spare.as_deref(),
            )?);
        }
        match &mut self.log {
            Some(log) => log.append(frames, rows),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, group: Vec<Pending>, error: &io::Error) {
        let reason = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AppendError::DiskFull,
            _ => AppendError::Log,
        };
        tracing::error!(%error, reason = reason.reason(), "log not written, rows dropped");
        for pending in group {
            let rows = pending.rows.len() as u64;
            self.inner.counters.drop_rows(reason, rows);
            pending.ticket.complete(Err(reason));
        }
        // Whoever waits for memory or disk gets it from others; hammering the disk helps nobody.
        let mut state = self.inner.queue.state.lock();
        if !state.closed && state.pending.is_empty() {
            self.inner.queue.arrived.wait_for(&mut state, PAUSE);
        }
    }

    fn sync(&mut self) {
        if self.unsynced.is_empty() {
            return;
        }
        let synced = self.log.as_ref().map_or(Ok(()), LogFile::sync);
        add(&self.inner.counters.log_syncs, 1);
        self.last_sync = Some(self.inner.options.clock.monotonic());
        let failed = synced.is_err();
        if let Err(error) = synced {
            tracing::error!(%error, "log not synced, rows are kept in memory and written as a segment");
        }
        for (ticket, appended) in mem::take(&mut self.unsynced) {
            let rows = u64::from(appended.rows);
            if failed {
                self.inner.counters.drop_rows(AppendError::Sync, rows);
                ticket.complete(Err(AppendError::Sync));
            } else {
                add(&self.inner.counters.kept, rows);
                ticket.complete(Ok(appended));
            }
        }
        if failed {
            // What the kernel holds of this file is not to be trusted any more: begin another, and write the rows
            // as a segment from memory.
            self.freeze();
        }
    }

    /// Ends the generation, once those before it leave room.
    fn freeze(&mut self) {
        self.sync();
        if self.rows == 0 {
            return;
        }
        self.inner.wait_for_frozen_room(MAX_FROZEN);
        self.log = None;
        self.inner.live.freeze(self.generation);
        self.inner.frozen_changed.notify();
        self.generation += 1;
        self.rows = 0;
        self.octets = 0;
    }
}
