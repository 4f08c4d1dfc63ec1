//! Where messages go: static routes from the configuration, as plain data, and what scripts are told of
//! SIP transactions.

mod matcher;
mod sinks;
mod transaction;

pub use matcher::{Decision, Route, Routes, Verdict};
pub use sinks::{SinkId, SinkSet};
pub use transaction::{MAX_TRANSACTIONS, Standing, TRANSACTION_LIFETIME, Transactions};
