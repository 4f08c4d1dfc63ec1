use std::{io, net::SocketAddr};

use crate::{Transport, tls::TlsError};

/// Why a listener cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The socket cannot be had: the port is taken, the address is not ours, the port needs a privilege.
    #[error("cannot listen on {} {addr}", transport.name())]
    Socket {
        /// Transport of the listener.
        transport: Transport,
        /// Address as configured.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Certificates, keys or authorities cannot be used.
    #[error("cannot listen on tls {addr}")]
    Tls {
        /// Address as configured.
        addr: SocketAddr,
        /// The fault, with the file it is in.
        #[source]
        source: Box<TlsError>,
    },
}

impl BindError {
    /// Short fixed label, for choosing a remedy: `address_in_use`, `address_not_available`,
    /// `permission_denied`, `socket`, or the reason of the [`TlsError`].
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Socket { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => "address_in_use",
                io::ErrorKind::AddrNotAvailable => "address_not_available",
                io::ErrorKind::PermissionDenied => "permission_denied",
                _ => "socket",
            },
            Self::Tls { source, .. } => source.reason(),
        }
    }
}
