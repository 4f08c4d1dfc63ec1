//! The `hepcat` command.

use std::process::ExitCode;

/// Frames are blocks of all sizes that live from microseconds to as long as a destination is down: the
/// system's allocator spends more on a full queue of them than all else on a message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hepcat::run()
}
