//! Where messages go: static routes from the configuration, as plain data.

mod matcher;
mod sinks;

pub use matcher::{Decision, Route, Routes, Verdict};
pub use sinks::{SinkId, SinkSet};
