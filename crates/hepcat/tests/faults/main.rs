//! Faults of collectors, one after another: the real node, real sockets, and a sender beside a good destination.
//!
//! Whatever a collector does, the node accepts at once, the good destination beside it gets everything in order, the
//! ledger adds up, descriptors stay flat and the log stays short: `rig` checks that for every fault here. The time that
//! the sender's writes take is printed and never asserted, because it says as much about the machine; `cargo xtask long
//! faults` runs each for longer and shows the distributions beside the healthy case. `docs/faults.md` says which
//! reports about other programs these tests stand for.

mod groups;
mod names;
mod rig;
mod streams;
mod tls;
