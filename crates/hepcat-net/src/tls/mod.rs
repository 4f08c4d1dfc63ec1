//! Certificates, keys and authorities from PEM files, and the TLS sides of a listener and of a destination.
//!
//! Everything that can be wrong with the files is a [`TlsError`] that names the file, so that a configuration
//! checker can report it before anything is bound or connected.

mod client;
mod error;
mod files;
mod identity;
mod server;

pub use client::{ClientTls, ClientTlsSettings, TlsFailure};
pub use error::TlsError;
pub use files::{load_ca, load_cert_chain, load_certified_key, load_private_key};
pub use identity::certificate_subject;
pub(crate) use server::Fingerprint;
pub use server::{ClientAuth, ServerTls};
