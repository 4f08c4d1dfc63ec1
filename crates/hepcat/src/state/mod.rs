//! Small durable state: what people decided at run time and a restart must not forget.
//!
//! One SQLite file, `state.sqlite` in the node's data directory, on a thread of its own: whoever wants
//! something sends it there with [`State::call`] and awaits the answer, so that no disk holds up the
//! runtime. The path of a frame never comes here; what it needs is read once and kept in memory.
//!
//! Each subject has a file of its own with its table and the functions that read and write it; the
//! statement that creates the table stands in the one list of `schema.rs`, whose length is the schema's
//! version. To add a subject: write its file, add its statement at the *end* of that list.
//!
//! A data directory belongs to one process: opening it takes a lock that ends with the process. A file
//! of a later version is refused, as is one that another program made. A damaged one is set aside under
//! another name and said so, and an empty one takes its place: relaying matters more than what it held.

pub mod agents;
pub mod audit;
mod directory;
mod error;
pub mod passes;
mod schema;
pub mod superseded;
pub mod switches;
pub mod traces;
pub mod users;

use std::{
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{mpsc, oneshot};

pub use directory::DirectoryLock;
pub use error::StateError;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "state.sqlite";

/// Calls that may wait for the thread; who comes then waits until there is room.
const WAITING_CALLS: usize = 64;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The state of one node. Shared by everything that keeps something.
#[derive(Debug)]
pub struct State {
    directory: Option<PathBuf>,
    set_aside: Option<PathBuf>,
    worker: Mutex<Option<Worker>>,
}

#[derive(Debug)]
struct Worker {
    jobs: mpsc::Sender<Job>,
    /// Answers when the thread has let go of the file and the directory.
    ended: oneshot::Receiver<()>,
}

impl State {
    /// Opens the state in `directory`, which is made if it is not there, and locks the directory until
    /// [`close`](Self::close) or the end of the process.
    ///
    /// # Errors
    /// When the directory cannot be used, another process has it, or the file is not for us.
    pub async fn open(directory: &Path) -> Result<Self, StateError> {
        let place = directory.to_owned();
        let (worker, set_aside) = spawn(move || {
            let lock = DirectoryLock::take(&place)?;
            let (connection, set_aside) = open_file(&place)?;
            Ok((connection, Some(lock), set_aside))
        })
        .await?;
        if let Some(kept) = &set_aside {
            tracing::error!(file = %kept.display(), "state file was damaged and is set aside, an empty one begins");
        }
        Ok(Self {
            directory: Some(directory.to_owned()),
            set_aside,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// State that lives no longer than the process: for a node without a data directory.
    ///
    /// # Errors
    /// When no thread can be had.
    pub async fn in_memory() -> Result<Self, StateError> {
        let (worker, set_aside) = spawn(|| {
            let mut connection = Connection::open_in_memory()?;
            schema::migrate(&mut connection)?;
            Ok((connection, None, None))
        })
        .await?;
        Ok(Self {
            directory: None,
            set_aside,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// State that refuses every call: what a start that fails ends with.
    #[must_use]
    pub(crate) fn closed() -> Self {
        Self {
            directory: None,
            set_aside: None,
            worker: Mutex::new(None),
        }
    }

    /// The data directory; `None` where nothing outlives the process.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Where a damaged file was put when this state was opened.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Runs `work` on the state's thread, after everything that was sent there before. Several statements
    /// that belong together want a transaction of their own.
    ///
    /// # Errors
    /// What `work` answers, or that the state is closed.
    ///
    /// # Cancel safety
    /// Work that was sent is done even if nobody awaits it any more.
    pub async fn call<T, W>(&self, work: W) -> Result<T, StateError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let jobs = self
            .worker
            .lock()
            .as_ref()
            .map(|worker| worker.jobs.clone())
            .ok_or(StateError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who asked may have gone; what was asked is done all the same.
            drop(answer.send(work(connection)));
        });
        jobs.send(job).await.map_err(|_| StateError::Closed)?;
        Ok(answered.await.map_err(|_| StateError::Closed)??)
    }

    /// Does what was sent before, closes the file and unlocks the directory. Later calls are refused.
    pub async fn close(&self) {
        let Some(Worker { jobs, ended }) = self.worker.lock().take() else {
            return;
        };
        drop(jobs);
        // The other end is dropped, not used: either way the thread is over.
        drop(ended.await);
    }
}

/// What the thread starts with.
type Opened = (Connection, Option<DirectoryLock>, Option<PathBuf>);

/// Starts the thread and waits until it has what `open` opens.
async fn spawn(
    open: impl FnOnce() -> Result<Opened, StateError> + Send + 'static,
) -> Result<(Worker, Option<PathBuf>), StateError> {
    let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_CALLS);
    let (opened, is_open) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let run = move || {
        let (mut connection, lock, set_aside) = match open() {
            Ok(opened) => opened,
            Err(error) => {
                drop(opened.send(Err(error)));
                return;
            }
        };
        if opened.send(Ok(set_aside)).is_ok() {
            while let Some(job) = waiting.blocking_recv() {
                job(&mut connection);
            }
        }
        if let Err((_, error)) = connection.close() {
            tracing::error!(%error, "state file not closed in order");
        }
        // In this order: who gets the directory next finds the file closed.
        drop(lock);
        drop(ending);
    };
    thread::Builder::new()
        .name("hepcat-state".to_owned())
        .spawn(run)
        .map_err(|source| StateError::Thread { source })?;
    let set_aside = is_open.await.map_err(|_| StateError::Closed)??;
    Ok((Worker { jobs, ended }, set_aside))
}

/// Opens the file, or sets a damaged one aside and opens a new one.
fn open_file(directory: &Path) -> Result<(Connection, Option<PathBuf>), StateError> {
    let path = directory.join(FILE_NAME);
    match open_checked(&path) {
        Err(StateError::Failed { source }) if is_damage(&source) => {
            let kept = directory::set_aside(&path, SystemTime::now())?;
            Ok((open_checked(&path)?, Some(kept)))
        }
        opened => Ok((opened?, None)),
    }
}

fn open_checked(path: &Path) -> Result<Connection, StateError> {
    directory::create_private(path)?;
    let mut connection = Connection::open(path)?;
    schema::check_owner(&connection, path)?;
    // What a commit returned for survives a kill and a loss of power; commits are few.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::check_integrity(&connection)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the state file of a data directory beside the node that may run there: for commands that change what the node
/// reads again each time. The directory is made if it is not there.
///
/// # Errors
/// When the directory cannot be used, or the file is damaged, not for us, or of another version while a node has it.
pub fn open_beside(directory: &Path) -> Result<Connection, StateError> {
    // Kept while the file is opened: an earlier format changes only while no node reads it.
    let lock = match DirectoryLock::take(directory) {
        Ok(lock) => Some(lock),
        Err(StateError::Locked { .. }) => None,
        Err(error) => return Err(error),
    };
    let path = directory.join(FILE_NAME);
    directory::create_private(&path)?;
    let mut connection = Connection::open(&path)?;
    schema::check_owner(&connection, &path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(&mut connection)?;
    drop(lock);
    Ok(connection)
}

/// How many users the state of a data directory has, without changing anything.
///
/// # Errors
/// When it cannot be read, or is of a version without users.
pub fn users_in(directory: &Path) -> Result<u64, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(directory.join(FILE_NAME), flags)?;
    let count: i64 = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
