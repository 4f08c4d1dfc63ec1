//! The memory budget: who may still take how much, and who is refused first.
//!
//! One budget covers everything that grows with rows. Near its end the order is: from a half on it is said to be
//! short, so that whoever keeps rows elsewhere for convenience (a live tail) lets go; searches are refused from three
//! quarters on, compaction waits from seven eighths on, and only when all of it is used does ingest wait, and then
//! drop. So that none of them can starve ingest, searches together never have more than a quarter, nor has compaction,
//! but for small budgets: see [`for_compaction`].

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// What memory is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Rows that wait for the log, the hot buffer, frozen generations.
    Ingest,
    /// Writing segments.
    Flush,
    /// Merging segments.
    Compaction,
    /// Searches and what they found.
    Search,
    /// Footers of segments.
    Footers,
    /// What the store's user keeps beside it, and says.
    Beside,
}

const USES: usize = 6;

/// Octets in use, by what for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// The budget.
    pub budget: u64,
    /// Rows that wait for the log, the hot buffer, frozen generations.
    pub ingest: u64,
    /// Writing segments.
    pub flush: u64,
    /// Merging segments.
    pub compaction: u64,
    /// Searches and what they found.
    pub search: u64,
    /// Footers of segments.
    pub footers: u64,
    /// What the store's user keeps beside it: see [`Store::set_beside`](crate::Store::set_beside).
    pub beside: u64,
}

impl MemoryStats {
    /// All that is in use.
    #[must_use]
    pub fn total(&self) -> u64 {
        [
            self.ingest,
            self.flush,
            self.compaction,
            self.search,
            self.footers,
            self.beside,
        ]
        .iter()
        .sum()
    }

    /// Whether half of the budget is in use, apart from what is kept beside the store. Those who hold copies of rows for convenience should let go:
    /// they come first. Searches are refused next (from three quarters on), then compaction waits (seven eighths), and
    /// only then are rows dropped.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.total() - self.beside > self.budget.saturating_sub(self.beside) / 2
    }
}

/// What compaction may have: a quarter, and where that is less than two merged segments take which become one, up to
/// three eighths.
pub(crate) fn for_compaction(budget: u64) -> u64 {
    (budget / 4).max((budget / 8 * 3).min(32 << 20))
}

#[derive(Debug)]
pub(crate) struct Memory {
    budget: u64,
    used: Mutex<[u64; USES]>,
    freed: Condvar,
}

impl Memory {
    pub(crate) fn new(budget: u64) -> Arc<Self> {
        Arc::new(Self {
            budget,
            used: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    pub(crate) fn budget(&self) -> u64 {
        self.budget
    }

    /// Takes `octets`, or nothing.
    pub(crate) fn reserve(self: &Arc<Self>, used_for: Use, octets: u64) -> Option<Reservation> {
        let mut used = self.used.lock();
        self.admits(&used, used_for, octets).then(|| {
            add(&mut used, used_for, octets);
            self.reservation(used_for, octets)
        })
    }

    /// Takes `octets` as soon as there is room; `None` after `wait`.
    pub(crate) fn reserve_within(
        self: &Arc<Self>,
        used_for: Use,
        octets: u64,
        wait: Duration,
    ) -> Option<Reservation> {
        let mut used = self.used.lock();
        let mut in_time = true;
        loop {
            if self.admits(&used, used_for, octets) {
                add(&mut used, used_for, octets);
                return Some(self.reservation(used_for, octets));
            }
            if !in_time {
                return None;
            }
            in_time = !self.freed.wait_for(&mut used, wait).timed_out();
        }
    }

    /// Takes `octets` in any case: for what exists already, such as rows read back from the log.
    pub(crate) fn take(self: &Arc<Self>, used_for: Use, octets: u64) -> Reservation {
        add(&mut self.used.lock(), used_for, octets);
        self.reservation(used_for, octets)
    }

    /// Says how much is in use for something that keeps its own account.
    pub(crate) fn set(&self, used_for: Use, octets: u64) {
        if let Some(mine) = self.used.lock().get_mut(used_for as usize) {
            *mine = octets;
        }
        self.freed.notify_all();
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        let [ingest, flush, compaction, search, footers, beside] = *self.used.lock();
        MemoryStats {
            budget: self.budget,
            ingest,
            flush,
            compaction,
            search,
            footers,
            beside,
        }
    }

    fn admits(&self, used: &[u64; USES], used_for: Use, octets: u64) -> bool {
        let mine = used.get(used_for as usize).copied().unwrap_or_default();
        let total = used.iter().sum::<u64>().saturating_add(octets);
        let eighth = self.budget / 8;
        match used_for {
            Use::Search => total <= eighth * 6 && mine.saturating_add(octets) <= eighth * 2,
            Use::Compaction => {
                total <= eighth * 7 && mine.saturating_add(octets) <= for_compaction(self.budget)
            }
            // A single batch above what is left of a tiny budget still gets in when there is nothing else.
            Use::Ingest | Use::Flush | Use::Footers | Use::Beside => {
                total <= self.budget || total == octets
            }
        }
    }

    fn reservation(self: &Arc<Self>, used_for: Use, octets: u64) -> Reservation {
        Reservation {
            memory: Arc::clone(self),
            used_for,
            octets,
        }
    }
}

fn add(used: &mut [u64; USES], used_for: Use, octets: u64) {
    if let Some(mine) = used.get_mut(used_for as usize) {
        *mine = mine.saturating_add(octets);
    }
}

/// Octets that are in use until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    used_for: Use,
    octets: u64,
}

impl Reservation {
    /// Takes more, or leaves it as it is and says `false`.
    pub(crate) fn grow(&mut self, octets: u64) -> bool {
        match self.memory.reserve(self.used_for, octets) {
            Some(mut more) => {
                self.octets += octets;
                more.octets = 0;
                true
            }
            None => false,
        }
    }

    /// Takes or gives back, so that it is `octets`; where there is not enough it stays and says `false`.
    pub(crate) fn resize(&mut self, octets: u64) -> bool {
        if octets > self.octets {
            self.grow(octets - self.octets)
        } else {
            self.shrink_to(octets);
            true
        }
    }

    /// Gives back all but `octets`.
    pub(crate) fn shrink_to(&mut self, octets: u64) {
        let surplus = self.octets.saturating_sub(octets);
        self.octets -= surplus;
        drop(self.memory.reservation(self.used_for, surplus));
    }
}

/// Octets of what a search found and somebody holds on to; given back when this is dropped. See
/// [`Store::hold`](crate::Store::hold).
#[derive(Debug)]
pub struct Held(Reservation);

impl Held {
    pub(crate) fn new(memory: &Arc<Memory>) -> Self {
        Self(memory.reservation(Use::Search, 0))
    }

    /// Takes more, or leaves it as it is and says `false`: there is no room.
    #[must_use]
    pub fn grow(&mut self, octets: u64) -> bool {
        self.0.grow(octets)
    }

    /// How many octets it has.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.0.octets
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.octets == 0 {
            return;
        }
        let mut used = self.memory.used.lock();
        if let Some(mine) = used.get_mut(self.used_for as usize) {
            *mine = mine.saturating_sub(self.octets);
        }
        drop(used);
        self.memory.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_refused_first_then_compaction_then_ingest() {
        let memory = Memory::new(800);
        let few = memory.reserve(Use::Ingest, 400).expect("room");
        assert!(!memory.stats().is_short());
        let rows = memory.reserve(Use::Ingest, 100).expect("room");
        assert!(memory.stats().is_short());
        let found = memory.reserve(Use::Search, 50).expect("room");
        assert!(memory.reserve(Use::Search, 51).is_none());
        let merging = memory
            .reserve(Use::Compaction, 150)
            .expect("below seven eighths");
        assert!(memory.reserve(Use::Search, 1).is_none());
        assert!(memory.reserve(Use::Compaction, 1).is_none());
        let more = memory
            .reserve(Use::Ingest, 100)
            .expect("ingest has all of it");
        assert!(memory.reserve(Use::Ingest, 1).is_none());
        drop((few, rows, found, merging, more));
        assert_eq!(
            memory.stats(),
            MemoryStats {
                budget: 800,
                ..MemoryStats::default()
            }
        );
    }

    #[test]
    fn compaction_has_a_quarter_or_what_a_merge_takes() {
        let mebibytes = |budget: u64| for_compaction(budget << 20) >> 20;
        assert_eq!([64, 100, 128, 256].map(mebibytes), [24, 32, 32, 64]);
    }

    #[test]
    fn no_use_takes_more_than_its_share() {
        let memory = Memory::new(800);
        assert!(memory.reserve(Use::Search, 201).is_none());
        let mut found = memory.reserve(Use::Search, 100).expect("room");
        assert!(found.grow(100) && !found.grow(1));
        found.shrink_to(10);
        assert_eq!(memory.stats().search, 10);
    }

    #[test]
    fn what_is_beside_the_store_leaves_less_for_the_rest() {
        let memory = Memory::new(800);
        memory.set(Use::Beside, 300);
        assert!(!memory.stats().is_short());
        let merging = memory.reserve(Use::Compaction, 300).expect("room");
        assert!(memory.stats().is_short() && memory.reserve(Use::Search, 1).is_none());
        drop(merging);
        assert!(memory.reserve(Use::Ingest, 501).is_none());
        memory.set(Use::Beside, 0);
        assert!(memory.reserve(Use::Ingest, 501).is_some());
    }

    #[test]
    fn what_is_held_counts_as_found() {
        let memory = Memory::new(800);
        let mut held = Held::new(&memory);
        assert!(held.grow(150) && !held.grow(51));
        assert_eq!((held.octets(), memory.stats().search), (150, 150));
        drop(held);
        assert_eq!(memory.stats().search, 0);
    }

    #[test]
    fn who_waits_gets_what_others_give_back() {
        let memory = Memory::new(100);
        let all = memory.reserve(Use::Ingest, 100).expect("room");
        assert!(
            memory
                .reserve_within(Use::Ingest, 1, Duration::ZERO)
                .is_none()
        );
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| memory.reserve_within(Use::Ingest, 100, Duration::from_secs(60)));
            drop(all);
            assert!(waiting.join().expect("no panic").is_some());
        });
    }
}
