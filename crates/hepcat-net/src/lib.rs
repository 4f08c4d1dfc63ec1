//! Tokio transport for HEP: listeners that hand over decoded frames, destinations that deliver them.

#![deny(unsafe_code)]

pub mod destination;
mod envelope;
mod handler;
pub mod listener;
pub mod tls;

pub use destination::{Destination, DestinationConfig};
pub use envelope::{Arrival, Envelope, ListenerId, Origin, TlsIdentity, Transport, Unparsable};
pub use handler::{Batch, Handler};
pub use rustls;
