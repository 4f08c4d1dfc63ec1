use std::{fs, path::Path, sync::Arc};

use rustls::{Error, RootCertStore, crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::TlsError;

/// Reads a certificate chain (PEM, the end entity first, issuers after it) and its private key (PEM; PKCS #8,
/// PKCS #1 or SEC 1), and checks that the key is that of the first certificate.
///
/// Reads files, so it may block.
///
/// # Errors
/// [`TlsError`] names the file at fault.
pub fn load_certified_key(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = load_cert_chain(cert)?;
    let private_key = load_private_key(key)?;
    let signing_key = provider
        .key_provider
        .load_private_key(private_key)
        .map_err(|source| TlsError::BadPrivateKey {
            path: key.to_owned(),
            source,
        })?;
    let certified = CertifiedKey::new(chain, signing_key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            cert: cert.to_owned(),
            key: key.to_owned(),
        }),
        Err(source) => Err(TlsError::BadCertificate {
            path: cert.to_owned(),
            source,
        }),
    }
}

/// Reads certificate authorities (PEM, one or more certificates). Each of them must be usable as a trust anchor.
///
/// Reads a file, so it may block.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn load_ca(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in load_cert_chain(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::BadCertificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// Reads all certificates of a PEM file, in order. Sections of other kinds are passed over.
///
/// Reads a file, so it may block.
///
/// # Errors
/// [`TlsError`] where the file cannot be read, is not PEM, or holds no certificate.
pub fn load_cert_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| bad_pem(path, source))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// Reads the first private key of a PEM file. Sections of other kinds are passed over.
///
/// Reads a file, so it may block.
///
/// # Errors
/// [`TlsError`] where the file cannot be read, is not PEM, or holds no private key.
pub fn load_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&read(path)?) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(TlsError::NoPrivateKey {
            path: path.to_owned(),
        }),
        Err(source) => Err(bad_pem(path, source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn bad_pem(path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        source,
    }
}
