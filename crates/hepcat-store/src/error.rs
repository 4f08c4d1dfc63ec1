//! What can go wrong, one type for each place where callers meet it.

use std::{io, path::PathBuf};

/// A row that no batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a row of {octets} octets is above the limit of {}",
    crate::MAX_ROW_OCTETS
)]
#[non_exhaustive]
pub struct RowTooLarge {
    /// Octets of the row.
    pub octets: usize,
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has the directory open.
    #[error("{} is in use by another node", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory is of a newer version of this program.
    #[error("{} has version {found}, and this program reads up to {known}", path.display())]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Newest version that is known here.
        known: u64,
    },
    /// An option that cannot be.
    #[error("option {option} is out of its range")]
    Option {
        /// Name of the option.
        option: &'static str,
    },
    /// The directory cannot be read or written.
    #[error("{} cannot be {action}", path.display())]
    Io {
        /// What was being done with it.
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

/// Why rows were not kept. [`reason`](Self::reason) is the label under which they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Memory is used up, and it did not get better in the time that was given.
    #[error("the memory of the store is used up")]
    Memory,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The log cannot be written.
    #[error("the log cannot be written")]
    Log,
    /// The rows are in the log and will be searched, but were not made durable: the sync failed.
    #[error("the log cannot be synced")]
    Sync,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl AppendError {
    /// A short label: `memory`, `disk_full`, `log`, `sync`, `closed`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::DiskFull => "disk_full",
            Self::Log => "log",
            Self::Sync => "sync",
            Self::Closed => "closed",
        }
    }
}
