//! The spooler: the thread that does a destination's file work, so that neither its producers nor the runtime ever
//! wait for a disk.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{
    DropReason, LinkState, Shared,
    pace::Pace,
    queue::{Step, View},
    spool_log::{Line, SpoolLog},
    spooling::{SpoolPhase, Spooling},
    syncer::Syncer,
};
use crate::spool::{Appended, Fsync, Opened, Read, Spool, SpoolConfig, SpoolMode};

/// Most frames, and octets, written with one call.
const BATCH_FRAMES: usize = 2048;
const BATCH_OCTETS: usize = 512 << 10;
/// A smaller batch waits a moment for company.
const WORTH_WRITING: (usize, usize) = (256, 128 << 10);
/// That moment: while nobody waits for the frames, and where they are sent only once they are written.
const LINGER: Duration = Duration::from_millis(5);
const LINGER_SHORT: Duration = Duration::from_millis(1);
/// How often the cursor is written while frames are acknowledged.
const CURSOR_EVERY: Duration = Duration::from_millis(50);
/// Between two attempts to write after a failure: from the first to the second, doubling.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often a spool that another one holds is asked for.
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// How long closing may take: what is not on disk then is lost.
const CLOSING_LIMIT: Duration = Duration::from_secs(10);
/// A file that fails to be read so often in a row is given up.
const READ_ATTEMPTS: u32 = 3;

/// Starts the thread. It ends when the spool is closed.
pub(super) fn start(shared: &Arc<Shared>, config: &SpoolConfig) {
    let theirs = Ended(Arc::clone(shared));
    let config = config.clone();
    let name = format!("spool {}", shared.config.name());
    let started = thread::Builder::new().name(name).spawn(move || {
        let (shared, clock) = (&theirs.0, RecordClock::start());
        if let Some(spool) = open(shared, &config, clock) {
            Spooler::new(shared, &config, spool, clock).run();
        }
    });
    if let Err(error) = started {
        tracing::error!(destination = shared.config.name(), %error, "no thread for the spool");
    }
}

/// Says that the thread has ended, however it did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.spooler_ended();
    }
}

/// The clock of records and their age: that of the wall when it began, and from there on one that nobody can set, so
/// that no frame grows old at once because somebody did.
#[derive(Debug, Clone, Copy)]
struct RecordClock {
    began: Instant,
    since_1970: Duration,
}

impl RecordClock {
    fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            began: Instant::now(),
            since_1970: since_1970.unwrap_or_default(),
        }
    }

    /// Milliseconds since 1970.
    fn millis(&self) -> u64 {
        let now = self.since_1970 + self.began.elapsed();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Opens the spool, however long that takes: `None` where the destination ends before.
fn open(shared: &Shared, config: &SpoolConfig, clock: RecordClock) -> Option<Spool> {
    let mut pause = RETRY.0;
    let mut said = false;
    let mut give_up_at = None;
    loop {
        let attempt = Spool::open(config, clock.millis());
        let error = match attempt {
            Ok((spool, opened)) => {
                note_opened(shared, config, &spool, &opened);
                return Some(spool);
            }
            Err(error) => error,
        };
        let wait = if error.kind() == io::ErrorKind::WouldBlock {
            LOCK_RETRY
        } else {
            if !std::mem::replace(&mut said, true) {
                tracing::error!(
                    destination = shared.config.name(),
                    directory = %config.directory().display(),
                    %error,
                    "spool cannot be opened: frames stay in memory"
                );
            }
            shared.queue.spooled(|view| {
                view.spooling.failing = true;
                view.spooling.counters.write_failures += 1;
                view.spooling.counters.last_error = Some(error.to_string());
            });
            let wait = pause;
            pause = (pause * 2).min(RETRY.1);
            wait
        };
        let again_at = Instant::now() + wait;
        let closing = shared.queue.spooler(|view| {
            let left = again_at.saturating_duration_since(Instant::now());
            let closing = view.spooling.phase != SpoolPhase::Opening;
            if left.is_zero() || view.spooling.phase == SpoolPhase::Closed {
                Step::Do(closing)
            } else {
                Step::Wait(Some(left))
            }
        });
        if closing {
            let give_up_at = *give_up_at.get_or_insert_with(|| Instant::now() + CLOSING_LIMIT);
            if Instant::now() >= give_up_at {
                return None;
            }
        }
    }
}

fn note_opened(shared: &Shared, config: &SpoolConfig, spool: &Spool, opened: &Opened) {
    let destination = shared.config.name();
    for (path, why) in &opened.set_aside {
        tracing::error!(destination, file = %path.display(), why, "spool file set aside");
    }
    if opened.torn_octets > 0 {
        let octets = opened.torn_octets;
        tracing::warn!(
            destination,
            octets,
            "the newest spool file ended inside a record"
        );
    }
    if opened.frames > 0 {
        tracing::info!(
            destination,
            frames = opened.frames,
            "spool carries over frames"
        );
    }
    tracing::debug!(destination, directory = %config.directory().display(), "spool open");
    shared.queue.spooled(|view| {
        if view.spooling.phase == SpoolPhase::Opening {
            view.spooling.phase = SpoolPhase::Open;
        }
        view.spooling.failing = false;
        view.spooling.counters.last_error = None;
        view.spooling.unread = opened.frames;
        view.spooling.spooled = opened.frames;
        view.spooling.counters.open = true;
        view.ledger.carried_over += opened.frames;
        view.spooling.counters.set_aside += opened.set_aside.len() as u64;
        note_size(view, spool);
    });
}

fn note_size(view: &mut View<'_>, spool: &Spool) {
    let counters = &mut view.spooling.counters;
    counters.octets = spool.octets();
    counters.files = spool.files();
    counters.oldest = spool.oldest();
}

/// What there is to do.
#[derive(Debug)]
enum Job {
    Write { batch: Vec<Bytes>, keep: bool },
    Read { frames: usize, octets: usize },
    Cursor,
    Expire,
    Sync,
    Say(Line),
    Close,
    Stop,
}

struct Spooler<'a> {
    shared: &'a Shared,
    config: &'a SpoolConfig,
    spool: Spool,
    clock: RecordClock,
    pace: Pace,
    log: SpoolLog,
    syncer: Option<Syncer>,
    /// Delivered frames that the spool does not know of yet.
    acknowledged: u64,
    cursor_due: Instant,
    /// Something was written since the last sync was asked for.
    unsynced: bool,
    sync_due: Instant,
    expiry_due: Instant,
    lingering_since: Option<Instant>,
    /// Not before, after a failure.
    write_after: Option<Instant>,
    write_pause: Duration,
    read_after: Option<Instant>,
    read_failures: u32,
    /// Reading and writing take turns.
    wrote_last: bool,
    /// Closing, and the disk takes no more.
    gave_up: bool,
}

impl<'a> Spooler<'a> {
    fn new(shared: &'a Shared, config: &'a SpoolConfig, spool: Spool, clock: RecordClock) -> Self {
        let now = Instant::now();
        let syncer = match config.fsync {
            Fsync::Every(_) => Syncer::start(shared.config.name()),
            Fsync::Always | Fsync::Never => None,
        };
        Self {
            shared,
            config,
            spool,
            clock,
            pace: Pace::new(config.replay_rate.get(), now),
            log: SpoolLog::new(shared.config.name()),
            syncer,
            acknowledged: 0,
            cursor_due: now,
            unsynced: false,
            sync_due: now,
            expiry_due: now,
            lingering_since: None,
            write_after: None,
            write_pause: RETRY.0,
            read_after: None,
            read_failures: 0,
            wrote_last: false,
            gave_up: false,
        }
    }

    fn run(mut self) {
        loop {
            let shared = self.shared;
            match shared.queue.spooler(|view| self.look(view)) {
                Job::Write { batch, keep } => self.write(batch, keep),
                Job::Read { frames, octets } => self.read(frames, octets),
                Job::Cursor => self.write_cursor(),
                Job::Expire => self.expire(),
                Job::Sync => self.sync(),
                Job::Say(line) => self.log.say(line),
                Job::Close => return self.close(),
                Job::Stop => return,
            }
        }
    }

    // ---- deciding, under the lock ----

    fn look(&mut self, view: &mut View<'_>) -> Step<Job> {
        let now = Instant::now();
        self.acknowledged += std::mem::take(&mut view.spooling.acknowledged);
        view.spooling.wake_at = None;
        if view.spooling.phase == SpoolPhase::Closed {
            return Step::Do(Job::Stop);
        }
        let takes = view.link.is_connected() && view.link != LinkState::Refusing;
        if !takes {
            self.pace.rest();
        }
        if let Some(line) = self.log.look(now, takes, view.spooling) {
            return Step::Do(Job::Say(line));
        }
        let mut wake = Earliest::default();
        let write = self.when_to_write(view, takes, now);
        let read = self.when_to_read(view, takes, now);
        for _ in 0..2 {
            self.wrote_last = !self.wrote_last;
            match (self.wrote_last, write, read) {
                (true, When::Now, _) => return Step::Do(self.take_batch(view, takes)),
                (false, _, When::Now) => {
                    if let Some(job) = self.take_room(view, now) {
                        return Step::Do(job);
                    }
                }
                _ => {}
            }
        }
        wake.note(write);
        wake.note(read);
        if self.acknowledged > 0 {
            wake.at(self.cursor_due);
        } else if takes && view.spooling.spooled > view.spooling.unread {
            wake.at(now + CURSOR_EVERY);
        }
        if self.unsynced && self.syncer.is_some() {
            wake.at(self.sync_due);
        }
        if view.spooling.spooled > 0 {
            wake.at(self.expiry_due);
        }
        if self.acknowledged > 0 && self.cursor_due <= now {
            return Step::Do(Job::Cursor);
        }
        if self.unsynced && self.syncer.is_some() && self.sync_due <= now {
            return Step::Do(Job::Sync);
        }
        if view.spooling.spooled > 0 && self.expiry_due <= now {
            return Step::Do(Job::Expire);
        }
        let closing = view.spooling.phase == SpoolPhase::Closing;
        if closing && (view.spooling.tail.is_empty() || self.gave_up) {
            return Step::Do(Job::Close);
        }
        Step::Wait(
            wake.0
                .map(|at| at.saturating_duration_since(now).max(MOMENT)),
        )
    }

    fn when_to_write(&mut self, view: &mut View<'_>, takes: bool, now: Instant) -> When {
        let closing = view.spooling.phase == SpoolPhase::Closing;
        if let Some(after) = self.write_after
            && after > now
            && !closing
        {
            return When::At(after);
        }
        if self.gave_up {
            return When::Later;
        }
        let Spooling {
            tail, tail_octets, ..
        } = &view.spooling;
        let always = self.config.mode == SpoolMode::Always;
        // A destination that takes frames empties the tail itself, once it has caught up.
        let hopeful = takes || view.link == LinkState::Connecting;
        let lazy = hopeful
            && !always
            && !view.producer_waits
            && (view.open || view.spooling.is_passed_by());
        let worth = if closing {
            (1, 1)
        } else if lazy {
            (view.max_frames.div_ceil(4), (view.max_octets / 4).max(1))
        } else {
            let (frames, octets) = WORTH_WRITING;
            (
                frames.min(view.max_frames.div_ceil(2)),
                octets.min(view.max_octets / 2).max(1),
            )
        };
        if !tail.is_empty() && (tail.len() >= worth.0 || *tail_octets >= worth.1) {
            return When::Now;
        }
        if tail.is_empty() {
            self.lingering_since = None;
        }
        if lazy {
            view.spooling.wake_at = Some(worth);
            return When::Later;
        }
        if tail.is_empty() {
            view.spooling.wake_at = Some((1, 1));
            return When::Later;
        }
        let linger = if always && takes {
            LINGER_SHORT
        } else {
            LINGER
        };
        let due = *self.lingering_since.get_or_insert(now) + linger;
        if due <= now {
            return When::Now;
        }
        view.spooling.wake_at = Some(worth);
        When::At(due)
    }

    fn when_to_read(&mut self, view: &View<'_>, takes: bool, now: Instant) -> When {
        if !takes || !view.open || view.spooling.room_for_replay().is_none() {
            return When::Later;
        }
        if let Some(after) = self.read_after
            && after > now
        {
            return When::At(after);
        }
        if self.pace.allowance(now) == 0 {
            return When::At(now + self.pace.wait());
        }
        When::Now
    }

    fn take_batch(&mut self, view: &mut View<'_>, takes: bool) -> Job {
        self.lingering_since = None;
        let file = usize::try_from(self.config.file_octets()).unwrap_or(usize::MAX);
        let batch = view
            .spooling
            .take_batch(BATCH_FRAMES, BATCH_OCTETS.min(file / 2));
        let keep = takes && view.open && view.spooling.may_keep();
        if takes && !keep {
            self.pace.arrived(batch.len());
        }
        Job::Write { batch, keep }
    }

    fn take_room(&mut self, view: &View<'_>, now: Instant) -> Option<Job> {
        let (frames, octets) = view.spooling.room_for_replay()?;
        let frames = frames.min(self.pace.allowance(now));
        Some(Job::Read { frames, octets })
    }

    // ---- doing, without the lock ----

    fn write(&mut self, batch: Vec<Bytes>, keep: bool) {
        let mut appended = Appended::default();
        let outcome = self
            .spool
            .append(&batch, self.clock.millis(), &mut appended);
        self.unsynced = true;
        let mut sync_failed = false;
        if outcome.is_ok() && self.config.fsync == Fsync::Always {
            sync_failed = self.sync_here().is_err();
        }
        if keep && outcome.is_ok() {
            self.spool.hand_out_unread();
            self.note_delivered();
        }
        let mut batch = batch;
        let rest = batch.split_off(appended.written);
        let octets = |frames: &[Bytes]| frames.iter().map(Bytes::len).sum::<usize>();
        let (written_octets, rest_octets) = (octets(&batch), octets(&rest));
        let spool = &self.spool;
        let (closing, freed) = self.shared.queue.spooled(|view| {
            if view.spooling.phase == SpoolPhase::Closed {
                return (true, (None, Vec::new()));
            }
            if appended.displaced > 0 {
                view.spooling
                    .lose(DropReason::SpoolFull, appended.displaced, view.ledger);
            }
            view.left_memory(batch.len(), written_octets);
            let freed = view.spooling.written(batch, keep);
            let mut refused = Vec::new();
            match &outcome {
                Ok(()) if view.producers_wait => view.spooling.return_batch(rest),
                Ok(()) => {
                    let frames = rest.len();
                    view.left_memory(frames, rest_octets);
                    view.ledger
                        .dropped
                        .add(DropReason::SpoolFull, frames as u64);
                    refused = rest;
                }
                Err(error) => {
                    view.spooling.return_batch(rest);
                    view.spooling.failing = true;
                    view.spooling.counters.write_failures += 1;
                    view.spooling.counters.last_error = Some(error.to_string());
                }
            }
            if outcome.is_ok() {
                view.spooling.failing = false;
                view.spooling.counters.last_error = None;
            }
            view.spooling.counters.sync_failures += u64::from(sync_failed);
            note_size(view, spool);
            let closing = view.spooling.phase == SpoolPhase::Closing;
            (closing, (freed, refused))
        });
        drop(freed);
        match outcome {
            Ok(()) => {
                self.write_pause = RETRY.0;
                // A spool that is full and keeps its producers waiting: room comes with acknowledged frames.
                self.write_after = (rest_octets > 0).then(|| Instant::now() + RETRY.0);
                self.log.writes_again();
            }
            Err(error) => {
                self.log.write_failed(&error);
                self.write_after = Some(Instant::now() + self.write_pause);
                self.write_pause = (self.write_pause * 2).min(RETRY.1);
            }
        }
        self.gave_up = closing && self.write_after.is_some();
    }

    fn read(&mut self, max_frames: usize, max_octets: usize) {
        let mut frames = VecDeque::new();
        let mut read = Read::default();
        let outcome = self.spool.read(
            max_frames,
            max_octets,
            self.clock.millis(),
            &mut frames,
            &mut read,
        );
        self.pace.spend(frames.len());
        self.note_delivered();
        match outcome {
            Ok(()) => {
                self.read_failures = 0;
                self.read_after = None;
            }
            Err(error) => {
                self.read_failures += 1;
                self.read_after = Some(Instant::now() + RETRY.0);
                if self.read_failures >= READ_ATTEMPTS {
                    self.read_failures = 0;
                    read.damaged += self.spool.give_up_unreadable();
                    self.log.unreadable(&error);
                }
            }
        }
        if read.damaged > 0 {
            self.log.damaged(read.damaged);
        }
        let spool = &self.spool;
        self.shared.queue.spooled(|view| {
            if view.spooling.phase == SpoolPhase::Closed {
                return;
            }
            view.spooling.replay(frames);
            let lost = [
                (DropReason::SpoolDamaged, read.damaged),
                (DropReason::SpoolExpired, read.expired),
            ];
            for (reason, frames) in lost {
                view.spooling.lose(reason, frames, view.ledger);
            }
            note_size(view, spool);
        });
    }

    /// Tells the spool what was delivered, and writes its cursor.
    fn note_delivered(&mut self) {
        let frames = std::mem::take(&mut self.acknowledged);
        let repeated = self.spool.acknowledge(frames);
        // A cursor that cannot be written makes for more frames that come twice, no more.
        let failed = self.spool.write_cursor().is_err();
        self.unsynced = true;
        self.cursor_due = Instant::now() + CURSOR_EVERY;
        if frames > 0 || failed {
            self.shared.queue.spooled(|view| {
                view.spooling.counters.replayed += frames;
                view.spooling.counters.repeated += repeated;
                view.spooling.counters.write_failures += u64::from(failed);
            });
        }
    }

    fn write_cursor(&mut self) {
        self.note_delivered();
        let overflow = self.config.mode == SpoolMode::Overflow;
        // One that cannot be deleted now is tried again with the next that is done with.
        if overflow && self.spool.rest().is_err() {
            tracing::debug!("spool file not deleted");
        }
        let spool = &self.spool;
        self.shared.queue.spooled(|view| note_size(view, spool));
    }

    fn expire(&mut self) {
        let sixteenth = self.config.max_age / 16;
        let pause = sixteenth.clamp(Duration::from_secs(1), Duration::from_mins(1));
        self.expiry_due = Instant::now() + pause;
        let expired = self.spool.expire(self.clock.millis());
        let spool = &self.spool;
        self.shared.queue.spooled(|view| {
            view.spooling
                .lose(DropReason::SpoolExpired, expired, view.ledger);
            note_size(view, spool);
        });
    }

    /// Hands over to the syncer what is to be synced.
    fn sync(&mut self) {
        let Fsync::Every(pause) = self.config.fsync else {
            return;
        };
        self.sync_due = Instant::now() + pause;
        let Some(syncer) = &mut self.syncer else {
            return;
        };
        self.unsynced = syncer.offer(|| self.spool.take_unsynced());
        if let failures @ 1.. = syncer.take_failures() {
            // What the system failed to write it forgets: no record shall follow one that may be missing.
            self.spool.seal();
            self.note_failed_syncs(failures);
        }
    }

    fn sync_here(&mut self) -> io::Result<()> {
        let synced = self.spool.take_unsynced().sync();
        if let Err(error) = &synced {
            self.spool.seal();
            self.log.sync_failed(error);
        }
        synced
    }

    fn note_failed_syncs(&self, failures: u64) {
        self.shared
            .queue
            .spooled(|view| view.spooling.counters.sync_failures += failures);
    }

    /// Everything that can be is on disk.
    fn close(mut self) {
        let now = self.clock.millis();
        let head = self
            .shared
            .queue
            .spooled(|view| std::mem::take(&mut view.spooling.head));
        if !head.is_empty() {
            let octets = head.iter().map(Bytes::len).sum();
            let kept = self.spool.keep_head(&head, now);
            self.shared.queue.spooled(|view| {
                let frames = head.len() as u64;
                view.left_memory(head.len(), octets);
                match &kept {
                    Ok(()) => {
                        view.spooling.spooled += frames;
                        view.spooling.counters.written += frames;
                    }
                    Err(_) => view.ledger.dropped.add(DropReason::SpoolFailed, frames),
                }
            });
            if let Err(error) = kept {
                self.log.write_failed(&error);
            }
        }
        self.note_delivered();
        if let Err(error) = self.spool.rest() {
            self.log.write_failed(&error);
        }
        drop(self.syncer.take());
        if self.config.fsync != Fsync::Never && self.sync_here().is_err() {
            self.note_failed_syncs(1);
        }
        let spool = &self.spool;
        self.shared.queue.spooled(|view| note_size(view, spool));
        if self.spool.unread() > 0 {
            tracing::info!(
                destination = self.shared.config.name(),
                frames = self.shared.queue.ledger().spooled,
                directory = %self.config.directory().display(),
                "spool keeps frames"
            );
        }
    }
}

/// The shortest sleep: below that a thread only burns the time.
const MOMENT: Duration = Duration::from_micros(100);

/// When something is due.
#[derive(Debug, Clone, Copy)]
enum When {
    Now,
    At(Instant),
    /// When there is news.
    Later,
}

#[derive(Debug, Default)]
struct Earliest(Option<Instant>);

impl Earliest {
    fn at(&mut self, at: Instant) {
        self.0 = Some(self.0.map_or(at, |known| known.min(at)));
    }

    fn note(&mut self, when: When) {
        if let When::At(at) = when {
            self.at(at);
        }
    }
}
