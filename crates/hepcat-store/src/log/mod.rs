//! The log: one file for each generation, written in frames, read back after a kill. `docs/store-format.md` has the
//! layout.

mod file;
mod frame;
mod replay;

pub(crate) use file::LogFile;
pub(crate) use frame::{compress, seal};
pub(crate) use replay::{End, replay, verify};

const MAGIC: &[u8; 8] = b"HEPCATLG";
const VERSION: u16 = 1;
/// Octets in front of the first frame.
const FILE_HEADER: usize = 16;
/// Octets in front of the rows of a frame.
const FRAME_HEADER: usize = 20;
/// No frame is longer: a batch and its last row, which zstd cannot make much longer.
const MAX_FRAME: usize = 64 << 20;
