//! A certificate authority for tests: made anew in a temporary directory, so no key stands in the tree.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tempfile::TempDir;

/// A certificate with its key, as PEM files in the directory of the [`TestCa`] that signed it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Identity {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM (PKCS #8).
    pub key: PathBuf,
}

impl Identity {
    /// The certificate and key in these files.
    #[must_use]
    pub fn new(cert: PathBuf, key: PathBuf) -> Self {
        Self { cert, key }
    }

    /// The certificate chain and the key in the form that rustls takes.
    #[must_use]
    pub fn load(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .expect("certificate file opens")
            .collect::<Result<_, _>>()
            .expect("certificate file is PEM");
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("key file is PEM");
        (chain, key)
    }
}

/// A certificate authority; its files go when it is dropped.
pub struct TestCa {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca_file: PathBuf,
}

impl std::fmt::Debug for TestCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestCa")
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

impl TestCa {
    /// A new authority called `hepcat test CA`.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "hepcat test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("key generation");
        let certificate = params.self_signed(&key).expect("self-signed CA");
        let ca_file = directory.path().join("ca.pem");
        fs::write(&ca_file, certificate.pem()).expect("write CA certificate");
        Self {
            directory,
            issuer: Issuer::new(params, key),
            ca_file,
        }
    }

    /// The authority's certificate, PEM: what verifies everything that it signed.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The directory of all its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A server certificate for DNS names and IP addresses; the first one is its common name too.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, false)
    }

    /// A server certificate for `localhost`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn localhost(&self) -> Identity {
        self.server(&["localhost", "127.0.0.1", "::1"])
    }

    /// A server certificate for `localhost` whose time has passed.
    #[must_use]
    pub fn expired(&self) -> Identity {
        self.sign(
            &["localhost", "127.0.0.1", "::1"],
            ExtendedKeyUsagePurpose::ServerAuth,
            true,
        )
    }

    /// A valid server certificate for a name that no test connects to.
    #[must_use]
    pub fn wrong_name(&self) -> Identity {
        self.server(&["elsewhere.example"])
    }

    /// A client certificate whose subject is `CN=common_name`.
    #[must_use]
    pub fn client(&self, common_name: &str) -> Identity {
        self.sign(&[common_name], ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    /// A client certificate whose time has passed.
    #[must_use]
    pub fn expired_client(&self, common_name: &str) -> Identity {
        self.sign(&[common_name], ExtendedKeyUsagePurpose::ClientAuth, true)
    }

    /// The authority as trust anchor.
    #[must_use]
    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(&self.ca_file).expect("CA file is PEM");
        roots.add(certificate).expect("CA is a trust anchor");
        Arc::new(roots)
    }

    /// A TLS server that presents `identity` and asks for no client certificate.
    #[must_use]
    pub fn server_config(&self, identity: &Identity) -> Arc<ServerConfig> {
        let (chain, key) = identity.load();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("certificate and key match");
        Arc::new(config)
    }

    /// A TLS server that presents `identity` and demands a client certificate of this authority.
    #[must_use]
    pub fn mutual_server_config(&self, identity: &Identity) -> Arc<ServerConfig> {
        let (chain, key) = identity.load();
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider())
            .build()
            .expect("a verifier over one trust anchor");
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("provider knows TLS 1.2 and 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("certificate and key match");
        Arc::new(config)
    }

    /// A TLS client that trusts this authority alone, with a client certificate where one is given.
    #[must_use]
    pub fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("provider knows TLS 1.2 and 1.3")
            .with_root_certificates(self.roots());
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.load();
                builder
                    .with_client_auth_cert(chain, key)
                    .expect("certificate and key match")
            }
        };
        Arc::new(config)
    }

    fn sign(&self, names: &[&str], usage: ExtendedKeyUsagePurpose, expired: bool) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().expect("at least one name").clone();
        // rcgen turns what reads as an address into an IP subject alternative name.
        let mut params = CertificateParams::new(names).expect("names fit a certificate");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().expect("key generation");
        let certificate = params.signed_by(&key, &self.issuer).expect("signing");
        self.store(&certificate.pem(), &key.serialize_pem())
    }

    fn store(&self, cert_pem: &str, key_pem: &str) -> Identity {
        let (cert_file, cert) = tempfile::Builder::new()
            .suffix(".crt.pem")
            .tempfile_in(self.directory())
            .and_then(|file| Ok(file.keep()?))
            .expect("new file in the CA's directory");
        drop(cert_file);
        let key = cert.with_extension("").with_extension("key.pem");
        fs::write(&cert, cert_pem).expect("write certificate");
        fs::write(&key, key_pem).expect("write key");
        Identity { cert, key }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
