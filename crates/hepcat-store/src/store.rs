//! The store: opened on a directory, appended to, searched, closed.

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::{
    check::{self, CheckReport},
    compact::{self, CompactReport},
    counters::{Counters, StoreStats, add},
    error::{AppendError, OpenError},
    flush,
    hot::{Generation, Live},
    ingest::{self, Ingest, Queue},
    inventory::Inventory,
    maintenance,
    manifest::{Edit, Manifest, SegmentEntry, Why},
    memory::{Held, Memory, MemoryStats, Use},
    options::Options,
    paths::Paths,
    recovery,
    retention::{self, Expired, Run, Trust},
    row::{Class, RowBatchBuilder, RowId},
    search::{self, CountBy, Counts, Found, Search, SearchError},
    segment::{Opened, Segment, SegmentError},
    ticket::Ticket,
};

const LOG_THREAD: &str = "store-log";
/// Log files that are kept to be written over: as many as may come free while one is written.
const SPARE_LOGS: usize = 2;

/// What all threads of a store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    pub(crate) node: u16,
    pub(crate) memory: Arc<Memory>,
    pub(crate) counters: Counters,
    pub(crate) live: Live,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) queue: Queue,
    /// Rung when a generation was frozen or written.
    pub(crate) frozen_changed: Bell,
    /// Held while segments are merged.
    pub(crate) compacting: Mutex<()>,
    pub(crate) trust: Trust,
    /// Nothing that tidies up or checks goes on: the store is about to be closed.
    tidying_ended: AtomicBool,
    /// Log files that are to be written over.
    spare_logs: Mutex<Vec<PathBuf>>,
    footers: Footers,
    closing: Mutex<Closing>,
    closed: Condvar,
}

/// Orders the openings of segments.
#[derive(Debug, Default)]
struct Footers {
    tick: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Closing {
    /// Nothing new is begun.
    begun: bool,
    /// The log thread is done.
    log_done: bool,
}

/// Wakes those who wait for a change.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn notify(&self) {
        *self.rung.lock() += 1;
        self.changed.notify_all();
    }

    /// Waits until `ready` says something, asking again whenever the bell rings.
    fn wait_until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut rung = self.rung.lock();
            let before = *rung;
            // Not under the lock: `ready` may take others.
            let found = parking_lot::MutexGuard::unlocked(&mut rung, &mut ready);
            if let Some(value) = found {
                return value;
            }
            if *rung == before {
                self.changed.wait(&mut rung);
            }
        }
    }

    /// The same for at most so long; `None` is not in time.
    fn wait_until_for<T>(&self, limit: Duration, ready: impl Fn() -> Option<T>) -> Option<T> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let mut rung = self.rung.lock();
            let before = *rung;
            let found = parking_lot::MutexGuard::unlocked(&mut rung, &ready);
            if found.is_some() {
                return found;
            }
            if *rung == before {
                let late = deadline.is_some_and(|deadline| {
                    self.changed.wait_until(&mut rung, deadline).timed_out()
                });
                if late {
                    return ready();
                }
            }
        }
    }
}

impl Inner {
    pub(crate) fn segment(&self, entry: &SegmentEntry) -> Arc<Segment> {
        let path = self.paths.segment(self.node, entry);
        Arc::new(Segment::new(
            entry.clone(),
            path,
            Arc::clone(&self.options.disk),
        ))
    }

    /// The oldest generation that waits to be written; `None` when there will be none any more.
    pub(crate) fn next_frozen(&self) -> Option<Arc<Generation>> {
        self.frozen_changed.wait_until(|| {
            let done = self.closing.lock().log_done;
            match self.live.view().frozen.first() {
                Some(generation) => Some(Some(Arc::clone(generation))),
                None if done => Some(None),
                None => None,
            }
        })
    }

    /// Waits until fewer than `most` generations wait to be written.
    pub(crate) fn wait_for_frozen_room(&self, most: usize) {
        self.frozen_changed.wait_until(|| {
            let room = self.live.view().frozen.len() < most;
            // Closing, the last generation goes into the view whatever waits there.
            (room || self.is_closing()).then_some(())
        });
    }

    /// The same for what is read back from the log, which waits only where memory says so: a disk that is too full for
    /// segments must not keep the store from coming back.
    pub(crate) fn wait_for_replay_room(&self, most: usize) {
        self.frozen_changed.wait_until(|| {
            let few = self.live.view().frozen.len() < most;
            let small = self.memory.stats().ingest < self.memory.budget() / 2;
            (few || small).then_some(())
        });
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.lock().begun
    }

    /// Whether compaction and checks are to come to an end.
    pub(crate) fn is_to_end(&self) -> bool {
        self.tidying_ended.load(Ordering::Relaxed) || self.is_closing()
    }

    /// Waits; whether the store is closing.
    pub(crate) fn pause_unless_closed(&self, pause: Duration) -> bool {
        let mut closing = self.closing.lock();
        if !closing.begun {
            self.closed.wait_for(&mut closing, pause);
        }
        closing.begun
    }

    /// Opens a segment, and lets go of footers that were not asked for lately where there are too many.
    pub(crate) fn open_segment(&self, segment: &Segment) -> Result<Arc<Opened>, SegmentError> {
        let tick = self.footers.tick.fetch_add(1, Ordering::Relaxed);
        let opened = segment.open(tick)?;
        // A day of 600 messages a second has 500 row groups, whose footers have 40 MB: a search over all of it must
        // not have to read them anew each time.
        let limit = self.memory.budget() / 16 * 3;
        // Every few openings is enough: a footer has some hundred kilobytes.
        if tick.is_multiple_of(16) {
            let view = self.live.view();
            let mut held: Vec<(u64, u64, &Arc<Segment>)> = view
                .segments
                .iter()
                .filter_map(|segment| segment.held().map(|(used, octets)| (used, octets, segment)))
                .collect();
            let mut total: u64 = held.iter().map(|(_, octets, _)| octets).sum();
            if total > limit {
                held.sort_unstable_by_key(|(used, ..)| *used);
                for (_, octets, segment) in held {
                    if total <= limit / 8 * 7 {
                        break;
                    }
                    segment.forget();
                    total -= octets;
                }
            }
            self.memory.set(Use::Footers, total);
        }
        Ok(opened)
    }

    /// Lets go of all footers: whoever needs one reads it again.
    pub(crate) fn forget_footers(&self) {
        for segment in self.live.view().segments.iter() {
            segment.forget();
        }
        self.memory.set(Use::Footers, 0);
    }

    /// Sets a damaged segment aside: the rest goes on without it.
    pub(crate) fn report_unreadable(&self, segment: &Arc<Segment>, error: &SegmentError) {
        let path = segment.path.display();
        let what = match error {
            SegmentError::Damaged(what) => what,
            SegmentError::Io(error) => {
                // A segment that was merged away while we looked is gone on purpose.
                tracing::warn!(%path, %error, "segment not read");
                return;
            }
        };
        let number = segment.entry.number;
        let mut manifest = self.manifest.lock();
        if !manifest.state().segments.contains_key(&number) {
            return;
        }
        tracing::error!(%path, what, rows = segment.entry.rows, "segment damaged, set aside");
        // Before it is off the list: what is not listed is deleted at the next start, should this be interrupted.
        recovery::set_aside(self.options.disk.as_ref(), &self.paths, &segment.path);
        let edit = Edit {
            remove: vec![number],
            why: Why::Damaged,
            ..Edit::default()
        };
        if let Err(error) = manifest.commit(edit) {
            tracing::error!(%error, "manifest not written");
            return;
        }
        drop(manifest);
        add(&self.counters.damaged_segments, 1);
        add(&self.counters.damaged_rows, segment.entry.rows);
        self.live.exchange(None, Vec::new(), &[number]);
    }

    fn begin_closing(&self) {
        self.closing.lock().begun = true;
        self.closed.notify_all();
        self.frozen_changed.notify();
    }

    fn end_log(&self) {
        self.closing.lock().log_done = true;
        self.frozen_changed.notify();
    }

    /// Removes a log file whose rows are in segments, or keeps it to be written over.
    pub(crate) fn remove_log(&self, generation: u32) {
        let path = self.paths.log_file(generation);
        let mut spares = self.spare_logs.lock();
        if spares.len() < SPARE_LOGS && !self.is_closing() {
            let spare = self.paths.spare_log(generation);
            if self.options.disk.rename(&path, &spare).is_ok() {
                spares.push(spare);
                return;
            }
        }
        drop(spares);
        if let Err(error) = self.options.disk.remove(&path) {
            // The manifest says that it is done with: the next start removes it.
            tracing::debug!(path = %path.display(), %error, "log file not removed");
        }
    }

    /// A log file that may be written over.
    pub(crate) fn spare_log(&self) -> Option<PathBuf> {
        self.spare_logs.lock().pop()
    }

    /// An error where writing so many octets would leave less free than retention keeps free.
    pub(crate) fn check_free_space(&self, octets: u64) -> io::Result<()> {
        let keep = self.options.retention.min_free.unwrap_or(0);
        let free = self.options.disk.free_space(self.paths.root())?;
        if free < octets.saturating_add(keep) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Removes the directories of an hour that has no segments left. Where somebody just writes one it stays.
    pub(crate) fn remove_partition_if_empty(&self, hour: i64) {
        let directory = self.paths.partition(hour);
        if self.options.disk.remove_directory(&directory).is_ok()
            && let Some(day) = directory.parent()
        {
            drop(self.options.disk.remove_directory(day));
        }
    }

    pub(crate) fn set_log_aside(&self, generation: u32) {
        let path = self.paths.log_file(generation);
        recovery::set_aside(self.options.disk.as_ref(), &self.paths, &path);
    }
}

/// A store, open. Closed when it is dropped. The page of this crate has an example.
#[derive(Debug)]
pub struct Store {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
    _lock: Box<dyn std::any::Any + Send + Sync>,
}

impl Store {
    /// Opens the store in `directory`, making it where there is none, and reads back what the log has.
    ///
    /// # Errors
    /// Another process has it open, it is of a newer version, or the directory cannot be used. Damage is no error:
    /// it is set aside, counted and logged.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        options.check()?;
        let paths = Paths::new(directory);
        let lock = recovery::prepare(options.disk.as_ref(), &paths)?;
        let counters = Counters::default();
        let recovered = recovery::recover(&options, &paths, &counters)?;
        let memory = Memory::new(options.memory);
        let node = recovered.state.node;
        let segments = recovered.state.segments.clone();
        let manifest = Manifest::begin(Arc::clone(&options.disk), paths.clone(), recovered.state)
            .map_err(|source| OpenError::Io {
            action: "written",
            path: paths.manifest(),
            source,
        })?;
        let trust = Trust {
            opened_at: options.clock.now(),
            opened_monotonic: options.clock.monotonic(),
            newest: segments.values().map(|entry| entry.received.1).max(),
        };
        let inner = Arc::new(Inner {
            options,
            paths,
            node,
            memory,
            counters,
            live: Live::default(),
            manifest: Mutex::new(manifest),
            queue: Queue::default(),
            frozen_changed: Bell::default(),
            compacting: Mutex::default(),
            trust,
            tidying_ended: AtomicBool::new(false),
            spare_logs: Mutex::default(),
            footers: Footers::default(),
            closing: Mutex::default(),
            closed: Condvar::new(),
        });
        let segments = segments
            .values()
            .map(|entry| inner.segment(entry))
            .collect();
        inner.live.exchange(None, segments, &[]);
        let mut store = Self {
            inner,
            threads: Vec::new(),
            _lock: lock,
        };
        store.start("store-flush", flush::run)?;
        // Retention makes the room that writing may need, so it runs while the log is read back.
        store.start("store-tidy", maintenance::run)?;
        recovery::replay(&store.inner, &recovered.logs)?;
        let ingest = Ingest::new(Arc::clone(&store.inner), recovered.next_generation);
        store.start(LOG_THREAD, move |_inner| ingest.run())?;
        Ok(store)
    }

    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce(&Arc<Inner>) + Send + 'static,
    ) -> Result<(), OpenError> {
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&inner))
            .map_err(|source| OpenError::Io {
                action: "served by a thread",
                path: self.inner.paths.root().into(),
                source,
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Hands rows to the log. Blocks where memory is short, at most `append_wait`. Rows are searched as soon as they
    /// are written, which is before the ticket says that they are durable.
    ///
    /// # Errors
    /// The rows are not kept, and counted under the error's reason.
    pub fn append(&self, rows: RowBatchBuilder) -> Result<Ticket, AppendError> {
        ingest::append(&self.inner, rows, self.inner.options.append_wait)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// As of [`append`](Self::append).
    pub fn try_append(&self, rows: RowBatchBuilder) -> Result<Ticket, AppendError> {
        ingest::append(&self.inner, rows, Duration::ZERO)
    }

    /// Begins a search over what there is now.
    ///
    /// # Errors
    /// [`SearchError::Refused`] where memory is short.
    pub fn search(&self, search: Search) -> Result<Found, SearchError> {
        search::begin(&self.inner, search)
    }

    /// The rows with these identities, the newest first; those that are not there (any more) are left out.
    ///
    /// # Errors
    /// As of [`search`](Self::search).
    pub fn read(&self, ids: &[RowId]) -> Result<Found, SearchError> {
        self.search(Search::for_rows(ids))
    }

    /// Counts the rows that fit, by time and by what columns say, without handing them out. `limit` and `columns` of
    /// the search mean nothing here; its `memory` bounds what is counted apart.
    ///
    /// # Errors
    /// [`SearchError::Refused`] where memory is short. What ends it later is in the answer, beside what was counted.
    pub fn count(&self, search: Search, by: &CountBy) -> Result<Counts, SearchError> {
        search::count(&self.inner, search, by)
    }

    /// The earliest and the latest time that a row can have, `sent_at` or else `received_at`, in microseconds since
    /// 1970; `None` where there are no rows.
    #[must_use]
    pub fn times(&self) -> Option<(i64, i64)> {
        let view = self.inner.live.view();
        let in_memory = view
            .memory_batches()
            .map(|batch| (batch.time.0, batch.time.1));
        let in_segments = view.segments.iter().map(|segment| segment.entry.time);
        in_memory
            .chain(in_segments)
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// Room for what was found and is held on to: it counts as what searches have, of which there is a quarter of the
    /// budget. It begins empty.
    #[must_use]
    pub fn hold(&self) -> Held {
        Held::new(&self.inner.memory)
    }

    /// Merges what is due, now and on this thread; `maintenance` does the same by itself.
    pub fn compact(&self) -> CompactReport {
        compact::run(&self.inner)
    }

    /// Removes what retention lets go, or only says what that would be, the oldest first.
    pub fn retention(&self, run: Run) -> Vec<Expired> {
        retention::run(&self.inner, run)
    }

    /// Whether rows go by age: not while the clock is far from the newest row that was there when the store was opened.
    #[must_use]
    pub fn is_clock_believed(&self) -> bool {
        let Inner { options, trust, .. } = self.inner.as_ref();
        let (wall, monotonic) = (options.clock.now(), options.clock.monotonic());
        trust.now(wall, monotonic).is_some()
    }

    /// Ends a compaction and a check that go on, which somebody may wait for, and lets none begin: for a store that
    /// is about to be closed. Rows are taken and searched as before.
    pub fn end_tidying(&self) {
        self.inner.tidying_ended.store(true, Ordering::Relaxed);
    }

    /// Reads every segment, every log file and the manifest whole. Damaged segments are set aside, a damaged manifest
    /// is written anew.
    pub fn check(&self) -> CheckReport {
        check::run(&self.inner)
    }

    /// Number of the node, as it stands in row identities.
    #[must_use]
    pub fn node(&self) -> u16 {
        self.inner.node
    }

    /// Says how many octets the store's user keeps beside it, which count against the budget from here on: one figure bounds
    /// both.
    pub fn set_beside(&self, octets: u64) {
        self.inner.memory.set(Use::Beside, octets);
    }

    /// Memory in use, alone.
    #[must_use]
    pub fn memory(&self) -> MemoryStats {
        self.inner.memory.stats()
    }

    /// What lies on disk, segment by segment.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let Inner { options, paths, .. } = self.inner.as_ref();
        let view = self.inner.live.view();
        let entries = view.segments.iter().map(|segment| &segment.entry);
        let mut inventory = Inventory::take(options.disk.as_ref(), paths, entries);
        for batch in view.memory_batches().filter(|batch| !batch.rows.is_empty()) {
            inventory.widen(batch.received.0, batch.received.1);
        }
        inventory
    }

    /// Up to which `received_at` retention removed rows of this class; `None` where it has removed none, and where the
    /// manifest that said so was lost.
    #[must_use]
    pub fn expired_until(&self, class: Class) -> Option<i64> {
        let manifest = self.inner.manifest.lock();
        manifest.state().expired.get(class.name()).copied()
    }

    /// Counters, and what there is.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let view = self.inner.live.view();
        StoreStats {
            rows_in_memory: view
                .memory_batches()
                .map(|batch| batch.rows.len() as u64)
                .sum(),
            rows_in_segments: view.segments.iter().map(|segment| segment.entry.rows).sum(),
            segments: view.segments.len() as u64,
            segment_octets: view
                .segments
                .iter()
                .map(|segment| segment.entry.octets)
                .sum(),
            frozen: view.frozen.len() as u64,
            memory: self.inner.memory.stats(),
            ..self.inner.counters.read()
        }
    }

    /// Writes everything that is in memory now as segments; whether that was done within `limit`.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let inner = &self.inner;
        let asked = inner.queue.freeze();
        let done = inner
            .frozen_changed
            .wait_until_for(limit, || (inner.queue.frozen() >= asked).then_some(()));
        let newest = inner.live.view().frozen.last().map(|last| last.number);
        let written = inner.frozen_changed.wait_until_for(limit, || {
            let view = inner.live.view();
            let first = view.frozen.first().map(|first| first.number);
            (first.is_none() || first > newest).then_some(())
        });
        done.is_some() && written.is_some()
    }

    /// Ends everything: the queue is written, what is hot becomes segments, threads end. What cannot be written is
    /// in the log and read back at the next start.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.inner.queue.close();
        self.inner.begin_closing();
        // The log thread ends first: what it freezes last is still to be written.
        let (log, others): (Vec<_>, Vec<_>) = mem::take(&mut self.threads)
            .into_iter()
            .partition(|thread| thread.thread().name() == Some(LOG_THREAD));
        join(log);
        self.inner.end_log();
        join(others);
        while let Some(spare) = self.inner.spare_log() {
            // One that stays is removed at the next start.
            drop(self.inner.options.disk.remove(&spare));
        }
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the store panicked");
        }
    }
}
