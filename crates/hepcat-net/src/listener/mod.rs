//! Listeners.

mod config;
mod error;

pub use config::{DEFAULT_RECEIVE_BUFFER, ListenerConfig, OnBadMagic, StreamLimits};
pub use error::BindError;
