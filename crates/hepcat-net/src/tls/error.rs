use std::{
    io,
    path::{Path, PathBuf},
};

use rustls::server::VerifierBuilderError;
use rustls_pki_types::pem;

/// Why certificates, keys or authorities cannot be used. Each names the file at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not well-formed PEM.
    #[error("{} is not well-formed PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The first fault in it.
        #[source]
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error("{} holds no private key in PKCS #8, PKCS #1 or SEC 1 form", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be used.
    #[error("{} holds a certificate that cannot be used", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The private key cannot be used.
    #[error("{} holds a private key that cannot be used", path.display())]
    BadPrivateKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key do not belong together.
    #[error("the key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// File of the certificate chain.
        cert: PathBuf,
        /// File of the private key.
        key: PathBuf,
    },
    /// No verifier of client certificates can be made of the authorities in the file.
    #[error("client certificates cannot be verified with {}", path.display())]
    BadAuthority {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: VerifierBuilderError,
    },
    /// A server name of a domain is neither a DNS name nor `*.` and one.
    #[error("{name:?} is not a server name")]
    BadServerName {
        /// The name as given.
        name: String,
    },
    /// Two domains of one listener have the same server name.
    #[error("server name {name} has more than one certificate")]
    DuplicateServerName {
        /// The name.
        name: String,
    },
    /// The cryptography provider cannot speak TLS 1.2 and 1.3.
    #[error("the cryptography provider does not fit")]
    Provider(#[source] rustls::Error),
}

impl TlsError {
    /// Short fixed label, for metrics and for choosing a remedy.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Pem { .. } => "bad_pem",
            Self::NoCertificate { .. } => "no_certificate",
            Self::NoPrivateKey { .. } => "no_private_key",
            Self::BadCertificate { .. } => "bad_certificate",
            Self::BadPrivateKey { .. } => "bad_private_key",
            Self::Mismatch { .. } => "mismatch",
            Self::BadAuthority { .. } => "bad_authority",
            Self::BadServerName { .. } => "bad_server_name",
            Self::DuplicateServerName { .. } => "duplicate_server_name",
            Self::Provider(_) => "provider",
        }
    }

    /// The file at fault (the key's for a mismatch), `None` where no file is.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Read { path, .. }
            | Self::Pem { path, .. }
            | Self::NoCertificate { path }
            | Self::NoPrivateKey { path }
            | Self::BadCertificate { path, .. }
            | Self::BadPrivateKey { path, .. }
            | Self::BadAuthority { path, .. } => Some(path),
            Self::Mismatch { key, .. } => Some(key),
            Self::BadServerName { .. } | Self::DuplicateServerName { .. } | Self::Provider(_) => {
                None
            }
        }
    }
}
