//! The spool: frames on disk, for as long as their destination does not take them.
//!
//! A spool is a directory of append-only files with checksums, read in the order in which it was written and deleted
//! file by file as it is delivered. `docs/spool-format.md` specifies the octets. This module knows no sockets and no
//! threads: a `Spool` is used by one thread, whose calls block, and says in plain numbers what became of frames. What
//! stands between it and a destination's queue is in `destination::spooling`.
//!
//! # What is promised
//! A process that is killed loses nothing that `append` had returned for. A loss of power costs what [`Fsync`] says.
//! Damage costs the records that it hit: each carries a checksum, and a reader finds the next sound one. Files that are
//! none of ours, or whose header is damaged, are renamed `*.damaged` and left alone. Frames may be delivered twice
//! after a kill: those that had been handed out when the cursor was last written, and they are counted.

mod config;
mod cursor;
mod disk;
mod faulty;
mod files;
mod format;
mod place;
#[cfg(test)]
mod tests;

pub use config::{Fsync, SpoolConfig, SpoolFull, SpoolMode};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use faulty::FaultyDisk;
pub use place::{check_directory, directory_name};

pub(crate) use files::{Appended, Opened, Read, Spool, Unsynced};
