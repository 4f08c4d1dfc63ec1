//! Places to send to, by name.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{HepId, PackError, PackRequest};

/// How long the destination of a dynamic hep id may take to write what is queued when its last user lets go.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// The hep ids of a program: static ones that stay, and dynamic ones that go with their last user. Clones share them.
///
/// A name is used once, whichever kind it is of.
#[derive(Debug, Clone, Default)]
pub struct HepIds {
    named: Arc<RwLock<HashMap<String, Named>>>,
}

#[derive(Debug)]
enum Named {
    Static(Arc<HepId>),
    Dynamic(Weak<Held>),
}

/// A hep id that was made at run time. It can be sent to by name as long as a clone of this is held; when the last one
/// is dropped the name is free again, and the destination has five seconds to write what is queued.
#[derive(Debug, Clone)]
pub struct DynamicHepId {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    hep_id: Arc<HepId>,
    ids: Weak<RwLock<HashMap<String, Named>>>,
    tasks: TaskTracker,
    runtime: Handle,
}

/// Why a hep id is not taken, or a message not sent to one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HepIdError {
    /// The name is in use.
    #[error("hep id `{name}` is already in use")]
    #[non_exhaustive]
    InUse {
        /// The name.
        name: String,
    },
    /// Versions 1 and 2 on a stream, where nothing says how long a frame is.
    #[error("hep id `{name}` sends version 1 or 2 over a stream: they need UDP")]
    #[non_exhaustive]
    NeedsDatagrams {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("there is no hep id `{name}`")]
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
    },
    /// The message cannot be packed for it.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl HepIds {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one that stays.
    ///
    /// # Errors
    /// [`HepIdError::InUse`] and [`HepIdError::NeedsDatagrams`].
    pub fn define(&self, hep_id: HepId) -> Result<(), HepIdError> {
        let hep_id = Arc::new(hep_id);
        self.insert(&hep_id, Named::Static(Arc::clone(&hep_id)))
    }

    /// Adds one that goes with the last clone of what is returned; its destination is then drained on `tasks`. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// As [`define`](Self::define).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create(&self, hep_id: HepId, tasks: &TaskTracker) -> Result<DynamicHepId, HepIdError> {
        let hep_id = Arc::new(hep_id);
        let held = Arc::new(Held {
            hep_id: Arc::clone(&hep_id),
            ids: Arc::downgrade(&self.named),
            tasks: tasks.clone(),
            runtime: Handle::current(),
        });
        self.insert(&hep_id, Named::Dynamic(Arc::downgrade(&held)))?;
        Ok(DynamicHepId { held })
    }

    fn insert(&self, hep_id: &HepId, named: Named) -> Result<(), HepIdError> {
        let name = hep_id.name().to_owned();
        if !hep_id.is_framed() {
            return Err(HepIdError::NeedsDatagrams { name });
        }
        let mut ids = self.named.write();
        if ids.get(&name).is_some_and(Named::is_held) {
            return Err(HepIdError::InUse { name });
        }
        ids.insert(name, named);
        Ok(())
    }

    /// The hep id of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<HepId>> {
        match self.named.read().get(name)? {
            Named::Static(hep_id) => Some(Arc::clone(hep_id)),
            Named::Dynamic(held) => Some(Arc::clone(&held.upgrade()?.hep_id)),
        }
    }

    /// All names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let ids = self.named.read();
        let held = ids.iter().filter(|(_, named)| named.is_held());
        let mut names: Vec<_> = held.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Sends a message to the hep id of that name, without waiting: see [`HepId::send`].
    ///
    /// # Errors
    /// [`HepIdError::Unknown`] and [`HepIdError::Pack`].
    pub fn send(
        &self,
        name: &str,
        request: &PackRequest<'_>,
        now: SystemTime,
    ) -> Result<(), HepIdError> {
        let Some(hep_id) = self.get(name) else {
            let name = name.to_owned();
            return Err(HepIdError::Unknown { name });
        };
        Ok(hep_id.send(request, now)?)
    }
}

impl Named {
    fn is_held(&self) -> bool {
        match self {
            Self::Static(_) => true,
            Self::Dynamic(held) => held.strong_count() > 0,
        }
    }
}

impl DynamicHepId {
    /// The hep id.
    #[must_use]
    pub fn hep_id(&self) -> &Arc<HepId> {
        &self.held.hep_id
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ids) = self.ids.upgrade() {
            let mut ids = ids.write();
            let name = self.hep_id.name();
            // Somebody may have taken the name since the last user let go.
            if ids.get(name).is_some_and(|named| !named.is_held()) {
                ids.remove(name);
            }
        }
        let destination = Arc::clone(self.hep_id.destination());
        let release = async move {
            let drained = destination.drain(RELEASE_LIMIT).await;
            if drained.lost > 0 {
                tracing::error!(
                    destination = destination.config().name(),
                    lost = drained.lost,
                    "messages of a dynamic hep id could not be delivered"
                );
            }
        };
        self.tasks.spawn_on(release, &self.runtime);
    }
}
