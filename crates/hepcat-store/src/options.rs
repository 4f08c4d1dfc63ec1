//! What a store can be told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    disk::{Disk, SystemDisk},
    error::OpenError,
    row::{Class, MAX_NODE},
};

/// How soon rows are made to survive a loss of power. A kill of the process costs none of them in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Each group of rows is synced before its tickets are done.
    Always,
    /// At most one sync in this interval; tickets are done after it.
    Interval(Duration),
    /// Never; tickets are done when the rows are written.
    Never,
}

/// How long rows are kept. `None` is for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Age, by `received_at`, after which rows go.
    pub max_age: Option<Duration>,
    /// Ages for single classes, instead of `max_age`.
    pub classes: BTreeMap<Class, Duration>,
    /// Octets that all segments together may have; the oldest go first.
    pub max_octets: Option<u64>,
    /// Octets that stay free on the file system; the oldest segments go first.
    pub min_free: Option<u64>,
}

impl Retention {
    /// The age after which rows of `class` go.
    #[must_use]
    pub fn age_of(&self, class: Class) -> Option<Duration> {
        self.classes.get(&class).copied().or(self.max_age)
    }
}

/// Options of a store; [`Options::default`] says why each value is what it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Octets of memory for log, hot buffer, writing, compaction, searches and what is cached, together; at least
    /// 64 MiB.
    pub memory: u64,
    /// How soon rows survive a loss of power.
    pub fsync: Fsync,
    /// How long rows are kept.
    pub retention: Retention,
    /// Rows after which a generation is written as segments.
    pub freeze_rows: u32,
    /// Age after which a generation is written, if it has at least a tenth of `freeze_rows`; otherwise at six times
    /// this age.
    pub freeze_age: Duration,
    /// How long [`Store::append`](crate::Store::append) waits for memory before it gives up.
    pub append_wait: Duration,
    /// Rows that compaction brings a segment to.
    pub compact_rows: u64,
    /// Segments of one class and hour that are merged although they have fewer rows than that.
    pub compact_segments: usize,
    /// How long after its end an hour is taken for closed.
    pub compact_delay: Duration,
    /// How often compaction and retention look for something to do; zero is only when they are asked.
    pub maintenance: Duration,
    /// Threads of one search.
    pub search_threads: usize,
    /// Number of the node, for row identities; drawn at random when the store is made, where `None`.
    pub node: Option<u16>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // Room for half a million rows on their way, enough for compaction of any hour, and a size that every
            // machine with a SIP proxy has.
            memory: 256 << 20,
            // A sync takes 3 to 5 ms: at this interval it costs less than a quarter of one disk's time.
            fsync: Fsync::Interval(Duration::from_millis(20)),
            retention: Retention::default(),
            // 44 MB in memory, which an eighth of a budget of 352 MiB is.
            freeze_rows: 40_000,
            freeze_age: Duration::from_secs(10),
            append_wait: Duration::from_secs(1),
            // 80 to 100 MB on disk; a hundred seconds of 10,000 messages a second.
            compact_rows: 1_000_000,
            // A search opens at most so many small files for each class and hour.
            compact_segments: 32,
            compact_delay: Duration::from_secs(60),
            maintenance: Duration::from_secs(5),
            search_threads: 2,
            node: None,
            clock: Arc::new(SystemClock::default()),
            disk: Arc::new(SystemDisk),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let faulty = [
            ("memory", self.memory < 64 << 20),
            (
                "freeze_rows",
                self.freeze_rows == 0 || self.freeze_rows > 500_000,
            ),
            (
                "compact_rows",
                self.compact_rows == 0 || self.compact_rows > 16_000_000,
            ),
            ("compact_segments", self.compact_segments < 2),
            ("search_threads", self.search_threads == 0),
            ("node", self.node.is_some_and(|node| node > MAX_NODE)),
        ];
        match faulty.into_iter().find(|(_, faulty)| *faulty) {
            Some((option, _)) => Err(OpenError::Option { option }),
            None => Ok(()),
        }
    }
}
