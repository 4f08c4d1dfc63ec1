//! Which calls changed, for those who watch. Each watcher has a bounded set of its own; who is slow loses, and is told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::call::{CallId, CallRecord};

/// Calls that wait for one watcher.
const MOST_WAITING: usize = 5_000;
/// Watchers at a time.
const MOST_WATCHERS: usize = 64;

/// Tells watchers of calls that changed.
#[derive(Debug, Default)]
pub struct ChangedCalls {
    /// How many watch; without any, a change costs one load.
    watching: AtomicUsize,
    watchers: Mutex<Vec<Weak<Waiting>>>,
}

/// Too many watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_WATCHERS} watch calls already")]
pub struct TooManyWatchers;

#[derive(Debug, Default)]
struct Waiting {
    changed: Mutex<Set>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Set {
    /// The record where the call is closed; else it is asked of the tracker when it is looked at.
    calls: HashMap<CallId, Option<Box<CallRecord>>>,
    missed: u64,
}

/// One who watches.
#[derive(Debug)]
pub struct CallWatch {
    waiting: Arc<Waiting>,
    of: Arc<ChangedCalls>,
}

/// What changed since it was asked for last.
#[derive(Debug, Default)]
pub struct Changed {
    /// Calls that changed, each once; with its last record where it is closed.
    pub calls: Vec<(CallId, Option<Box<CallRecord>>)>,
    /// Calls that there was no room for.
    pub missed: u64,
}

impl ChangedCalls {
    /// Watches from now on.
    ///
    /// # Errors
    /// Where too many do.
    pub fn watch(self: &Arc<Self>) -> Result<CallWatch, TooManyWatchers> {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.strong_count() > 0);
        if watchers.len() >= MOST_WATCHERS {
            return Err(TooManyWatchers);
        }
        let waiting = Arc::new(Waiting::default());
        watchers.push(Arc::downgrade(&waiting));
        self.watching.store(watchers.len(), Ordering::Relaxed);
        Ok(CallWatch {
            waiting,
            of: Arc::clone(self),
        })
    }

    /// Says that a call is otherwise than before.
    pub fn tell(&self, call: CallId) {
        if self.watching.load(Ordering::Relaxed) > 0 {
            self.note(call, || None);
        }
    }

    /// Says that a call is closed.
    pub fn tell_closed(&self, call: &CallRecord) {
        if self.watching.load(Ordering::Relaxed) > 0 {
            self.note(call.id, || Some(Box::new(call.clone())));
        }
    }

    fn note(&self, call: CallId, record: impl Fn() -> Option<Box<CallRecord>>) {
        for watcher in self.watchers.lock().iter().filter_map(Weak::upgrade) {
            let mut set = watcher.changed.lock();
            if set.calls.len() >= MOST_WAITING && !set.calls.contains_key(&call) {
                set.missed += 1;
            } else {
                set.calls.insert(call, record());
            }
            drop(set);
            watcher.wake.notify_one();
        }
    }
}

impl CallWatch {
    /// Waits until something has changed.
    ///
    /// # Cancel safety
    /// Nothing is lost where it is dropped.
    pub async fn changed(&self) {
        self.waiting.wake.notified().await;
    }

    /// What has changed since the last time.
    #[must_use]
    pub fn take(&self) -> Changed {
        let set = std::mem::take(&mut *self.waiting.changed.lock());
        Changed {
            calls: set.calls.into_iter().collect(),
            missed: set.missed,
        }
    }
}

impl Drop for CallWatch {
    fn drop(&mut self) {
        let mut watchers = self.of.watchers.lock();
        let this = Arc::as_ptr(&self.waiting);
        watchers.retain(|watcher| watcher.strong_count() > 0 && watcher.as_ptr() != this);
        self.of.watching.store(watchers.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_slow_is_told_what_is_missing() {
        let changed = Arc::new(ChangedCalls::default());
        changed.tell(CallId::from_u64(0));
        let watch = changed.watch().unwrap();
        for number in 0..MOST_WAITING as u64 + 3 {
            changed.tell(CallId::from_u64(number));
            changed.tell(CallId::from_u64(0));
        }
        let taken = watch.take();
        assert_eq!((taken.calls.len(), taken.missed), (MOST_WAITING, 3));
        assert!(watch.take().calls.is_empty());
        drop(watch);
        assert_eq!(changed.watching.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn there_is_an_end_to_watchers() {
        let changed = Arc::new(ChangedCalls::default());
        let watches: Vec<_> = (0..MOST_WATCHERS)
            .map(|_| changed.watch().unwrap())
            .collect();
        assert_eq!(changed.watch().unwrap_err(), TooManyWatchers);
        drop(watches);
        assert!(changed.watch().is_ok());
    }
}
