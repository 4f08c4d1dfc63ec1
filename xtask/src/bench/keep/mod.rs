//! `bench keep`: the whole node with its store, fed over TCP with calls of realistic entropy.

mod killed;
mod sustained;
mod visible;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use tempfile::TempDir;

use super::Arrangement;

/// The listener that is fed.
const LISTENER: &str = "in";

#[derive(Debug, Args)]
pub(crate) struct KeepArgs {
    /// Messages per second: 50,000, with --visible 20,000.
    #[arg(long)]
    rate: Option<f64>,
    /// How long it is fed: 600, with --visible 90, with --killed 15 until the kill.
    #[arg(long)]
    seconds: Option<u64>,
    /// Measure how soon a message is found.
    #[arg(long, conflicts_with = "killed")]
    visible: bool,
    /// Kill it, and measure how soon it receives again and what it has.
    #[arg(long)]
    killed: bool,
    /// Messages that are looked for, with --visible.
    #[arg(long, default_value_t = 200)]
    markers: usize,
    /// Kills, with --killed.
    #[arg(long, default_value_t = 3)]
    kills: usize,
    /// `[store] memory`, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// Let the node use all cores.
    #[arg(long)]
    unpinned: bool,
    /// The data directory, which must be empty and stays; a temporary one without it. 150 octets a message, at most.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    arrangement: Arrangement,
}

pub(super) fn run(arguments: &KeepArgs) -> Result<bool> {
    if arguments.visible {
        visible::run(arguments)
    } else if arguments.killed {
        killed::run(arguments)
    } else {
        sustained::run(arguments)
    }
}

/// The data directory of a node.
#[derive(Debug)]
enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    fn new(wanted: Option<&Path>) -> Result<Self> {
        let Some(wanted) = wanted else {
            return Ok(Self::Temporary(tempfile::tempdir()?));
        };
        std::fs::create_dir_all(wanted)?;
        if std::fs::read_dir(wanted)?.next().is_some() {
            bail!("{} is not empty", wanted.display());
        }
        Ok(Self::Kept(wanted.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }

    /// Where the store's files are.
    fn store(&self) -> PathBuf {
        self.path().join("store")
    }
}

/// A node that keeps what comes to `socket` (`ADDRESS:PORT`, TCP), and does nothing else.
pub(super) fn node_config(data_dir: &Path, socket: &str, memory_mib: u64) -> String {
    format!(
        "[node]\nname = \"bench\"\ndata_dir = {data_dir:?}\n\n\
         [http]\nlisten = \"127.0.0.1:0\"\n\n\
         [store]\nmemory = \"{memory_mib}MiB\"\n\n\
         [[listener]]\nname = \"{LISTENER}\"\nsocket = \"hep_tcp:{socket}\"\n"
    )
}
