//! Asking the store: what it keeps as rows, given back as messages and calls.

mod message;
mod messages;

pub use message::StoredMessage;
pub use messages::{MessagePage, MessageSearch, message, messages};
