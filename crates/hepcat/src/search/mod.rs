//! Asking the store: what it keeps as rows, given back as messages and calls.

mod message;

pub use message::StoredMessage;
