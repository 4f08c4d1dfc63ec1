//! What can go wrong with the state.

use std::{io, path::PathBuf};

/// Why state could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The data directory, or a file in it, cannot be made or used.
    #[error("cannot use {}", path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error(
        "{} belongs to another running node{}",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other process, where it said so.
        pid: Option<u32>,
    },
    /// The file was written by a later version.
    #[error("{} has format {found}, and this version knows {known} and earlier ones", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: usize,
        /// The latest that we know.
        known: usize,
    },
    /// The file is a database of some other program.
    #[error("{} is a database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database refused.
    #[error("the state file cannot be read or written")]
    Failed {
        /// What it said.
        #[from]
        source: rusqlite::Error,
    },
    /// No thread for it.
    #[error("no thread for the state file")]
    Thread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The node is stopping.
    #[error("the state is closed")]
    Closed,
}

impl StateError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Directory { .. } => {
                "write a data_dir in [node] that the user running hepcat can write to"
            }
            Self::Locked { .. } => "stop the other node, or give each a data_dir of its own",
            Self::Newer { .. } => {
                "run the later version of hepcat that wrote it, or name another data_dir"
            }
            Self::Foreign { .. } => "name another data_dir, or move that file away",
            Self::Failed { .. } | Self::Thread { .. } | Self::Closed => {
                "look at what the system said; a full disk is the usual cause"
            }
        }
    }
}
