//! A thread that waits for the disk to have written, so that the spooler need not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use crate::spool::Unsynced;

/// Syncs what it is given, one after the other; waited for when dropped.
#[derive(Debug)]
pub(super) struct Syncer {
    work: Option<SyncSender<Unsynced>>,
    failures: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn start(destination: &str) -> Option<Self> {
        // Nothing waits in line: while one sync runs, what is written meanwhile is left for the next.
        let (work, theirs) = sync_channel::<Unsynced>(0);
        let failures = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&failures);
        let name = destination.to_owned();
        let thread = thread::Builder::new()
            .name(format!("sync {destination}"))
            .spawn(move || {
                let mut said = false;
                while let Ok(unsynced) = theirs.recv() {
                    if let Err(error) = unsynced.sync() {
                        counter.fetch_add(1, Ordering::Relaxed);
                        if !std::mem::replace(&mut said, true) {
                            tracing::error!(destination = name, %error, "spool file not synced");
                        }
                    }
                }
            });
        match thread {
            Ok(thread) => Some(Self {
                work: Some(work),
                failures,
                thread: Some(thread),
            }),
            Err(error) => {
                tracing::error!(destination, %error, "no thread for syncs: the system syncs when it likes");
                None
            }
        }
    }

    /// Gives it something to do, unless it is busy: whether something is left to be synced.
    pub(super) fn offer(&mut self, unsynced: impl FnOnce() -> Unsynced) -> bool {
        let Some(work) = &self.work else {
            return false;
        };
        // An empty one finds out whether the thread is free: nothing is taken out of the spool in vain.
        match work.try_send(Unsynced::default()) {
            Err(TrySendError::Full(_)) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Ok(()) => {
                let unsynced = unsynced();
                // It waits for the next right away; if not at once, then very soon.
                !unsynced.is_empty() && work.send(unsynced).is_err()
            }
        }
    }

    pub(super) fn take_failures(&self) -> u64 {
        self.failures.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // Its panic would have been reported by itself.
            thread.join().ok();
        }
    }
}
