//! The second law, per destination: every frame is somewhere, and the sums say where.

/// Why a destination dropped a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full and the frame had waited longest.
    QueueFullOldest,
    /// The queue was full when the frame came.
    QueueFullNewest,
    /// The queue was full and the policy gives the connection up with everything queued.
    Disconnected,
    /// Longer than the transport carries.
    TooLarge,
    /// Not sendable as it is: empty, or not accepted by the operating system.
    Refused,
    /// Still queued when the destination was stopped, or offered after that.
    Shutdown,
    /// The spool had reached its bound.
    SpoolFull,
    /// Spooled for longer than the configuration allows.
    SpoolExpired,
    /// Spooled, and not readable any more.
    SpoolDamaged,
    /// The spool could not be written, and there was no more room in memory.
    SpoolFailed,
}

impl DropReason {
    /// Every reason, in the order of its counters.
    pub const ALL: [Self; 10] = [
        Self::QueueFullOldest,
        Self::QueueFullNewest,
        Self::Disconnected,
        Self::TooLarge,
        Self::Refused,
        Self::Shutdown,
        Self::SpoolFull,
        Self::SpoolExpired,
        Self::SpoolDamaged,
        Self::SpoolFailed,
    ];

    /// Fixed label in snake case, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::QueueFullOldest => "queue_full_oldest",
            Self::QueueFullNewest => "queue_full_newest",
            Self::Disconnected => "disconnected",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
            Self::SpoolFull => "spool_full",
            Self::SpoolExpired => "spool_expired",
            Self::SpoolDamaged => "spool_damaged",
            Self::SpoolFailed => "spool_failed",
        }
    }
}

/// Frames dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped([u64; DropReason::ALL.len()]);

impl Dropped {
    /// Frames dropped for `reason`.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Each reason with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.0)
    }

    /// All frames dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, reason: DropReason, frames: u64) {
        self.0[reason as usize] += frames;
    }
}

/// One consistent reading of a destination's counters, in frames, since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Handed over by a producer.
    pub offered: u64,
    /// Messages of our own.
    pub originated: u64,
    /// Held by the spool when the destination was started.
    pub carried_over: u64,
    /// Written whole to the socket. TCP and TLS say no more than that: what the kernel holds when a
    /// connection breaks is lost to us both.
    pub delivered: u64,
    /// Held in memory, those being written included.
    pub queued: u64,
    /// Held on disk.
    pub spooled: u64,
    /// Lost, and why.
    pub dropped: Dropped,
}

impl Ledger {
    /// What came in less what is accounted for: 0 in every reading.
    #[must_use]
    pub fn unaccounted(&self) -> i128 {
        let came: u128 = [self.offered, self.originated, self.carried_over]
            .into_iter()
            .map(u128::from)
            .sum();
        let known: u128 = [
            self.delivered,
            self.queued,
            self.spooled,
            self.dropped.total(),
        ]
        .into_iter()
        .map(u128::from)
        .sum();
        // Sums of a few 64-bit counters are far below 2^127.
        came.cast_signed() - known.cast_signed()
    }
}
