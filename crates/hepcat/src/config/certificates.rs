//! Certificates, keys, authorities and server names: read once, so that a bad one is a fault with its line before
//! anything is bound or connected.

use std::{error::Error, path::PathBuf};

use hepcat_net::tls::{TlsError, load_ca, load_cert_chain, load_certified_key, load_private_key};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{DnsName, ServerName},
};

use super::{Marked, reader::Table};

/// A certificate chain and the key that must belong to it, as far as they are given.
pub(super) fn check_pair(
    table: &Table<'_>,
    cert: Option<&Marked<PathBuf>>,
    key: Option<&Marked<PathBuf>>,
) {
    let chain = cert.and_then(|cert| note(table, cert, load_cert_chain(cert)));
    let private_key = key.and_then(|key| note(table, key, load_private_key(key)));
    if let (Some(cert), Some(key), Some(_), Some(_)) = (cert, key, chain, private_key) {
        // Each can be read: what is left to find is whether they can be used, and together.
        let together = load_certified_key(cert, key, &aws_lc_rs::default_provider());
        let marked = match &together {
            Err(error) if error.path() == Some(cert) => cert,
            _ => key,
        };
        note(table, marked, together);
    }
}

/// A file of authorities.
pub(super) fn check_ca(table: &Table<'_>, ca: &Marked<PathBuf>) {
    note(table, ca, load_ca(ca));
}

/// The name in a collector's certificate: of the DNS, or an address.
pub(super) fn check_server_name(table: &Table<'_>, name: &Marked<String>) {
    if ServerName::try_from(name.as_str()).is_err() {
        let message = format!("`{}` is no server name", **name);
        table.fault(
            name,
            message,
            "write a host name or an IP address, without a port",
        );
    }
}

/// The names of a listener's domains: of the DNS, or `*.` and one, and each once.
pub(super) fn check_domains<'a>(
    table: &Table<'_>,
    names: impl Iterator<Item = &'a Marked<String>>,
) {
    let mut seen = Vec::new();
    for name in names {
        let lower = name.to_ascii_lowercase();
        if !is_server_name(&lower) {
            let message = format!("`{}` is no server name", **name);
            table.fault(name, message, "write a host name, or `*.` and a host name");
        } else if seen.contains(&lower) {
            let message = format!("server name `{}` has two certificates", **name);
            table.fault(name, message, "keep one of the two domains");
        }
        seen.push(lower);
    }
}

/// Whether a text is a name of the DNS, or `*.` and one.
pub(crate) fn is_server_name(text: &str) -> bool {
    DnsName::try_from(text.strip_prefix("*.").unwrap_or(text)).is_ok()
}

/// What was loaded; a fault where it is named if it could not be.
fn note<T>(table: &Table<'_>, named: &Marked<PathBuf>, loaded: Result<T, TlsError>) -> Option<T> {
    let error = match loaded {
        Ok(loaded) => return Some(loaded),
        Err(error) => error,
    };
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    let remedy = match error {
        TlsError::Read { .. } => "name a file that the user running hepcat can read",
        TlsError::Mismatch { .. } => {
            "name the key that this certificate was made for, or the certificate of this key"
        }
        TlsError::NoPrivateKey { .. } | TlsError::BadPrivateKey { .. } => {
            "name a PEM file that begins with -----BEGIN PRIVATE KEY-----, without a passphrase"
        }
        _ => "name a PEM file that begins with -----BEGIN CERTIFICATE-----",
    };
    table.fault(named, message, remedy);
    None
}
