use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::DnsName;

use super::{TlsError, load_ca, load_certified_key};

/// Whether peers of a TLS listener must show a certificate.
///
/// An authority is a PEM file of one or more certificates; a peer's chain must end in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// None is asked for. The default.
    #[default]
    Off,
    /// One is asked for. A peer without one is accepted, a peer with one that does not verify is not.
    Optional {
        /// File of the authorities.
        ca: PathBuf,
    },
    /// A peer without a certificate that verifies is refused.
    Required {
        /// File of the authorities.
        ca: PathBuf,
    },
}

/// TLS side of a listener: which files hold its certificates, and what it asks of its peers.
///
/// TLS 1.2 and 1.3 are spoken, with whatever cipher suites the provider has. The files are read by
/// [`load`](Self::load) (which a configuration checker calls without binding anything) and again when they
/// change, see [`reload_interval`](Self::reload_interval).
#[derive(Debug, Clone)]
pub struct ServerTls {
    provider: Arc<CryptoProvider>,
    default: CertifiedFiles,
    domains: Vec<(String, CertifiedFiles)>,
    client_auth: ClientAuth,
    reload_interval: Duration,
}

#[derive(Debug, Clone)]
struct CertifiedFiles {
    cert: PathBuf,
    key: PathBuf,
}

impl ServerTls {
    /// Serves the chain in `cert` (PEM, end entity first) with the key in `key` (PEM) to every peer that asks
    /// for no server name, or for one without a domain of its own.
    ///
    /// `provider` does the cryptography: this crate chooses none.
    #[must_use]
    pub fn new(
        provider: Arc<CryptoProvider>,
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            provider,
            default: CertifiedFiles {
                cert: cert.into(),
                key: key.into(),
            },
            domains: Vec::new(),
            client_auth: ClientAuth::Off,
            reload_interval: Duration::from_secs(10),
        }
    }

    /// Serves another certificate to peers that ask for `name`: a DNS name, or `*.` and one, which stands for
    /// exactly one more label. An exact name wins over a wildcard. Letter case does not matter.
    #[must_use]
    pub fn domain(
        mut self,
        name: impl Into<String>,
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        let files = CertifiedFiles {
            cert: cert.into(),
            key: key.into(),
        };
        self.domains.push((name.into(), files));
        self
    }

    /// Whether peers must show a certificate. Off by default.
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// How often the files are looked at (modification time, size and file number) and read again where they
    /// changed. 10 s by default: a renewed certificate has days to spare, and a look costs one `stat` a file.
    /// Zero: only on demand.
    #[must_use]
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval;
        self
    }

    pub(crate) fn reload_every(&self) -> Option<Duration> {
        (!self.reload_interval.is_zero()).then_some(self.reload_interval)
    }

    /// Reads all files and makes the configuration that a listener serves.
    ///
    /// Reads files, so it may block.
    ///
    /// # Errors
    /// The first fault, with the file it is in.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut names = Names {
            default: self.read(&self.default)?,
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        };
        for (name, files) in &self.domains {
            names.insert(name, self.read(files)?)?;
        }
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?;
        let builder = match &self.client_auth {
            ClientAuth::Off => builder.with_no_client_auth(),
            ClientAuth::Optional { ca } => {
                let verifier = self.verifier(ca)?.allow_unauthenticated();
                builder.with_client_cert_verifier(verifier.build().map_err(|e| bad_ca(ca, e))?)
            }
            ClientAuth::Required { ca } => {
                let verifier = self.verifier(ca)?;
                builder.with_client_cert_verifier(verifier.build().map_err(|e| bad_ca(ca, e))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(names));
        // Senders of HEP never read. A session ticket would lie unread in the sender's socket, and closing a
        // socket with unread data resets the connection, which discards what we had not read yet: the tail of
        // the sender's messages. Connections live for hours, so resumption would save nothing.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    /// What the files look like from outside. Differs from an earlier value when one of them changed.
    ///
    /// Asks the file system, so it may block.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.paths().into_iter().map(Stamp::of).collect())
    }

    fn paths(&self) -> BTreeSet<&Path> {
        let certified = std::iter::once(&self.default).chain(self.domains.iter().map(|(_, f)| f));
        let mut paths: BTreeSet<&Path> = certified
            .flat_map(|files| [files.cert.as_path(), files.key.as_path()])
            .collect();
        match &self.client_auth {
            ClientAuth::Off => {}
            ClientAuth::Optional { ca } | ClientAuth::Required { ca } => {
                paths.insert(ca);
            }
        }
        paths
    }

    fn read(&self, files: &CertifiedFiles) -> Result<Arc<CertifiedKey>, TlsError> {
        load_certified_key(&files.cert, &files.key, &self.provider)
    }

    fn verifier(&self, ca: &Path) -> Result<rustls::server::ClientCertVerifierBuilder, TlsError> {
        let roots = Arc::new(load_ca(ca)?);
        Ok(WebPkiClientVerifier::builder_with_provider(
            roots,
            Arc::clone(&self.provider),
        ))
    }
}

fn bad_ca(ca: &Path, source: rustls::server::VerifierBuilderError) -> TlsError {
    TlsError::BadAuthority {
        path: ca.to_owned(),
        source,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<Option<Stamp>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    /// Tells a file that was renamed into place from its predecessor of the same size and time.
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some(Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            number,
        })
    }
}

/// Certificates by server name.
#[derive(Debug)]
struct Names {
    default: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// Key: what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl Names {
    fn insert(&mut self, name: &str, key: Arc<CertifiedKey>) -> Result<(), TlsError> {
        let lower = name.to_ascii_lowercase();
        let (names, base) = match lower.strip_prefix("*.") {
            Some(base) => (&mut self.wildcard, base),
            None => (&mut self.exact, lower.as_str()),
        };
        if DnsName::try_from(base).is_err() {
            return Err(TlsError::BadServerName {
                name: name.to_owned(),
            });
        }
        match names.insert(base.to_owned(), key) {
            None => Ok(()),
            Some(_) => Err(TlsError::DuplicateServerName { name: lower }),
        }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let lower = name.to_ascii_lowercase();
        self.exact.get(&lower).or_else(|| {
            let (_, base) = lower.split_once('.')?;
            self.wildcard.get(base)
        })
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name));
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}
