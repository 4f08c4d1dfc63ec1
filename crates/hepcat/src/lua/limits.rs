//! How much a script may use.

use std::time::Duration;

/// Limits of one run, that is of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of Lua. They are counted in portions, so a script may pass the limit by some thousand.
    pub instructions: u64,
    /// Time, looked at as often as instructions are counted.
    pub deadline: Duration,
    /// Octets that the script may hold, its code and what it keeps from message to message included.
    pub memory: usize,
}

impl Default for Limits {
    /// Three million instructions are some ten milliseconds of work, where a route takes microseconds; 50 ms are
    /// enough for that on a loaded machine, and short enough that a stuck script delays the messages behind it less
    /// than a retransmission would. 64 MiB hold a few hundred thousand small strings, and every worker may have them.
    fn default() -> Self {
        Self {
            instructions: 3_000_000,
            deadline: Duration::from_millis(50),
            memory: 64 << 20,
        }
    }
}
