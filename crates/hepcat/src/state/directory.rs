//! The data directory: made for us alone, and held by one process at a time.

use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::StateError;

/// Name of the file whose lock stands for the directory; it holds the number of the process that has it.
const LOCK_FILE: &str = "lock";

/// The companions that SQLite keeps beside its file.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A data directory that is ours until this is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    /// Held open: the kernel gives the lock back when it is closed.
    _file: File,
}

impl DirectoryLock {
    /// Makes `directory` if it is not there (for its owner alone) and takes it.
    ///
    /// # Errors
    /// When it cannot be made or written, or another process has it.
    pub fn take(directory: &Path) -> Result<Self, StateError> {
        let failed = |path: &Path, source| StateError::Directory {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| failed(directory, source))?;
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::Locked {
                    path: directory.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(&path, source)),
        }
        sign(&mut file).map_err(|source| failed(&path, source))?;
        Ok(Self { _file: file })
    }
}

/// Writes our number into the lock file, for whoever comes too late.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes an empty file that only its owner reads, unless there is one: SQLite would let others read it.
pub(super) fn create_private(path: &Path) -> Result<(), StateError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| StateError::Directory {
            path: path.to_owned(),
            source,
        })
}

/// Gives a damaged file and its companions other names, and answers the file's.
pub(super) fn set_aside(path: &Path, now: SystemTime) -> Result<PathBuf, StateError> {
    let second = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let named = |suffix: &str, tail: &str| {
        let mut name = OsString::from(path);
        name.push(tail);
        name.push(suffix);
        PathBuf::from(name)
    };
    // Twice in one second, or a clock that was set back: no earlier one is written over.
    let tail = (0_u32..)
        .map(|n| match n {
            0 => format!(".damaged-{second}"),
            n => format!(".damaged-{second}-{n}"),
        })
        .find(|tail| !named("", tail).exists())
        .unwrap_or_default();
    for suffix in SUFFIXES {
        let from = named(suffix, "");
        match std::fs::rename(&from, named(suffix, &tail)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StateError::Directory { path: from, source }),
            Ok(()) => {}
        }
    }
    Ok(named("", &tail))
}
