//! The `hepcat` command.

use std::process::ExitCode;

/// Frames are blocks of all sizes that live from microseconds to as long as a destination is down: the
/// system's allocator spends more on a full queue of them than all else on a message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    hepcat::run()
}

/// A block of some hundred octets must not hold two mebibytes in memory: the allocator asks for huge pages, which cost
/// a relay a quarter of its memory and save it no time that can be measured.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    // A kernel without this has memory to spare, or none of those pages.
    nix::sys::prctl::set_thp_disable(true).ok();
}

#[cfg(not(target_os = "linux"))]
fn use_small_pages() {}
