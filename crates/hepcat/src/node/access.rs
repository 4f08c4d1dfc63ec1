//! The door of the node: its key, who failed to get in, and the log of who did what.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::ErrorCode;
use tokio::sync::Semaphore;

use super::Node;
use crate::{
    access::{AccessCounters, Attempts, Lost, NodeKey, Viewer, random},
    config,
    state::{State, StateError, audit, audit::Entry, users},
};

/// Passwords that are hashed at once: each takes 19 MiB and a core.
const HASHED_AT_ONCE: usize = 2;
/// What somebody does again this soon is one entry: the page asks several questions for one view, and again and again.
const SAME: Duration = Duration::from_secs(10);
/// How long an entry may take to be written before the answer goes out without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What decides who gets in, beside what is kept.
#[derive(Debug)]
pub struct Access {
    key: NodeKey,
    attempts: Attempts,
    counters: Arc<AccessCounters>,
    hashing: Semaphore,
    /// What each user did last. Users are few: they were added one by one.
    last: Mutex<HashMap<String, (&'static str, String, Instant)>>,
}

impl Access {
    /// With the key that the state keeps.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub(super) async fn open(state: &State) -> Result<Self, StateError> {
        let key = state.call(|connection| users::key(connection)).await?;
        Ok(Self::with(key.unwrap_or_else(passing_key)))
    }

    /// With a key that nobody keeps: for a start that fails.
    pub(super) fn closed() -> Self {
        Self::with(passing_key())
    }

    fn with(key: NodeKey) -> Self {
        Self {
            key,
            attempts: Attempts::default(),
            counters: Arc::default(),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            last: Mutex::default(),
        }
    }

    /// What passes are signed with.
    #[must_use]
    pub fn key(&self) -> &NodeKey {
        &self.key
    }

    /// Who failed to sign in lately.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// What happened, in numbers.
    #[must_use]
    pub fn counters(&self) -> &Arc<AccessCounters> {
        &self.counters
    }

    /// Places for those whose passwords are hashed.
    #[must_use]
    pub fn hashing(&self) -> &Semaphore {
        &self.hashing
    }

    fn is_same(&self, user: &str, action: &'static str, subject: &str) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock();
        let is_same = last
            .get(user)
            .is_some_and(|(did, to, at)| *did == action && to == subject && now - *at < SAME);
        // From the last time on: a page that looks again every two seconds goes on with one entry.
        last.insert(user.to_owned(), (action, subject.to_owned(), now));
        is_same
    }
}

/// A key for as long as the process lives: passes end with it.
fn passing_key() -> NodeKey {
    // Without random octets nothing is ever issued.
    NodeKey::new(&random::<32>().unwrap_or([0; 32]))
}

fn why_lost(error: &StateError) -> Lost {
    let StateError::Failed { source } = error else {
        return Lost::Failed;
    };
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Lost::DiskFull,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Lost::Held,
        _ => Lost::Failed,
    }
}

impl Node {
    /// Who gets in.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Writes to the audit log what somebody does. What cannot be written is counted, and said in the log.
    pub(crate) async fn note(
        self: &Arc<Self>,
        viewer: &Viewer,
        action: &'static str,
        subject: String,
        spec: &config::Http,
    ) {
        let is_known = viewer.pass.is_some();
        if is_known && self.access.is_same(&viewer.user, action, &subject) {
            return;
        }
        let entry = Entry {
            id: 0,
            at: Timestamp::now(),
            user: viewer.user.clone(),
            role: viewer.role().to_owned(),
            address: viewer.address.to_string(),
            action: action.to_owned(),
            subject,
        };
        let bounds = spec.audit;
        // Of its own: a client that goes away leaves its entry behind.
        let node = Arc::clone(self);
        let written = self.tasks.spawn(async move {
            let write = move |connection: &mut rusqlite::Connection| {
                audit::write(connection, &entry, bounds)
            };
            let written = tokio::time::timeout(PATIENCE, node.state.call(write)).await;
            match written {
                Ok(Ok(())) => node.access.counters.audit_written(),
                Ok(Err(error)) => {
                    node.access.counters.audit_lost(why_lost(&error));
                    ::tracing::error!(%error, "an entry of the audit log is lost");
                }
                Err(_late) => {
                    node.access.counters.audit_lost(Lost::Late);
                    ::tracing::error!("an entry of the audit log is lost: the state is too slow");
                }
            }
        });
        // It counts by itself how it ended.
        drop(written.await);
    }
}
