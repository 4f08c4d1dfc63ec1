//! The log: one file for each generation, written in frames, read back after a kill. `docs/store-format.md` has the
//! layout.

mod file;
mod frame;
mod replay;

pub(crate) use file::LogFile;
pub(crate) use frame::seal;
pub(crate) use replay::{End, replay, verify};

const MAGIC: &[u8; 8] = b"HEPCATLG";
/// The version that is written.
pub(crate) const VERSION: u16 = 2;
/// The version whose frames hold their rows under zstd, and whose files end with their last frame.
const COMPRESSED: u16 = 1;
/// Octets in front of the first frame.
const FILE_HEADER: usize = 16;
/// Octets in front of the rows of a frame.
pub(crate) const FRAME_HEADER: usize = 20;
/// No frame is longer: a batch and its last row.
const MAX_FRAME: usize = 64 << 20;
