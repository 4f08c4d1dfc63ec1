//! The `hepcat` command.

use std::process::ExitCode;

/// Frames are blocks of all sizes that live from microseconds to as long as a destination is down: the
/// system's allocator spends more on a full queue of them than all else on a message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    give_back_soon();
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

/// Milliseconds that freed memory stays with the process, to be used again, before the kernel gets it back.
const PURGE_DELAY: std::ffi::c_long = 10;
/// The library's own number: with it, a node that merges segments had a third more in memory than it had in use.
const LIBRARY_PURGE_DELAY: std::ffi::c_long = 1_000;
/// `mi_option_purge_delay`: the crate has names for the oldest options only.
const PURGE_DELAY_OPTION: libmimalloc_sys::mi_option_t = 15;

/// Memory has a budget, so what is free must not stay. `MIMALLOC_PURGE_DELAY` in the environment goes before this.
#[expect(
    unsafe_code,
    reason = "no crate has a safe function for the allocator's options"
)]
fn give_back_soon() {
    // SAFETY: these read and write a number in a table of the allocator, which knows how many there are; no other
    // thread runs yet.
    unsafe {
        if libmimalloc_sys::mi_option_get(PURGE_DELAY_OPTION) == LIBRARY_PURGE_DELAY {
            libmimalloc_sys::mi_option_set(PURGE_DELAY_OPTION, PURGE_DELAY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another version of the allocator may count its options differently.
    #[test]
    #[expect(
        unsafe_code,
        reason = "no crate has a safe function for the allocator's options"
    )]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: it reads a number.
        let delay = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY_OPTION) };
        assert_eq!(delay, LIBRARY_PURGE_DELAY);
    }
}
