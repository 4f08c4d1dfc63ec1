use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{TlsError, load_ca, load_certified_key};

/// How a destination speaks TLS: whom it trusts, which name it expects, what it proves itself with.
///
/// TLS 1.2 and 1.3. The peer's certificate is verified, its name included, unless
/// [`insecure`](ClientTlsSettings::insecure) says otherwise. Files that change are read again at the
/// next attempt to connect; where the new ones are faulty, the old ones stay in use.
#[derive(Clone)]
pub struct ClientTls(Arc<Loaded>);

/// What [`ClientTls::load`] reads: plain paths and names.
#[derive(Debug, Clone, Default)]
pub struct ClientTlsSettings {
    ca: Option<PathBuf>,
    server_name: Option<String>,
    identity: Option<Identity>,
    insecure: bool,
}

#[derive(Debug, Clone)]
struct Identity {
    cert: PathBuf,
    key: PathBuf,
}

impl ClientTlsSettings {
    /// The authorities of the system, the name of the destination's host, no certificate of ours.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this PEM file and no others.
    #[must_use]
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// The name (or address) that the peer's certificate has to bear, and that is sent as server
    /// name. Default: the destination's host as configured.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The certificate chain and key (PEM) to present where the peer asks for one.
    #[must_use]
    pub fn identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity {
            cert: cert.into(),
            key: key.into(),
        });
        self
    }

    /// Accepts any certificate: whoever can redirect the connection can read and alter what is sent.
    /// Logged as a warning whenever a destination starts with it.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }
}

struct Loaded {
    settings: ClientTlsSettings,
    server_name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
    config: ArcSwap<ClientConfig>,
    stamps: Mutex<Vec<Option<SystemTime>>>,
}

impl ClientTls {
    /// Reads the files and checks everything that can be checked before connecting.
    ///
    /// Reads files, so it may block.
    ///
    /// # Errors
    /// [`TlsError`] names the file or the name at fault.
    pub fn load(
        settings: ClientTlsSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let server_name = settings
            .server_name
            .as_deref()
            .map(parse_server_name)
            .transpose()?;
        let stamps = settings.stamps();
        let config = settings.build(&provider)?;
        Ok(Self(Arc::new(Loaded {
            settings,
            server_name,
            provider,
            config: ArcSwap::from_pointee(config),
            stamps: Mutex::new(stamps),
        })))
    }

    /// Whether the peer's certificate is accepted unseen.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.settings.insecure
    }

    /// Checks that `host` can be the expected name, where no other is set.
    ///
    /// # Errors
    /// [`TlsError::BadServerName`].
    pub fn check_host(&self, host: &str) -> Result<(), TlsError> {
        self.expected_name(host).map(drop)
    }

    pub(crate) fn expected_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.0.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_server_name(host),
        }
    }

    /// What to connect with now: read anew where a file has changed. Where the changed files cannot be
    /// used, why not, told once for each change, beside the earlier configuration.
    pub(crate) async fn current(&self) -> (Arc<ClientConfig>, Option<TlsError>) {
        let this = self.clone();
        let fault = tokio::task::spawn_blocking(move || this.reload_if_changed())
            .await
            .unwrap_or(Ok(()))
            .err();
        (self.0.config.load_full(), fault)
    }

    fn reload_if_changed(&self) -> Result<(), TlsError> {
        let stamps = self.0.settings.stamps();
        if std::mem::replace(&mut *self.0.stamps.lock(), stamps.clone()) == stamps {
            return Ok(());
        }
        let config = self.0.settings.build(&self.0.provider)?;
        self.0.config.store(Arc::new(config));
        Ok(())
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.settings).finish()
    }
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadServerName {
        name: name.to_owned(),
    })
}

impl ClientTlsSettings {
    fn build(&self, provider: &Arc<CryptoProvider>) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?;
        let builder = if self.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AcceptAny(Arc::clone(provider))))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        Ok(match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let certified = load_certified_key(cert, key, provider)?;
                builder.with_client_cert_resolver(presented(certified))
            }
        })
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        if let Some(path) = &self.ca {
            return load_ca(path).map(Arc::new);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoCertificate {
                path: system_roots(),
            });
        }
        Ok(Arc::new(roots))
    }

    /// When each file was last changed. A file that is not there has no stamp.
    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let identity = self.identity.iter().flat_map(|i| [&i.cert, &i.key]);
        self.ca
            .iter()
            .chain(identity)
            .map(|path| modified(path))
            .collect()
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// What to call the system's authorities in a message.
fn system_roots() -> PathBuf {
    PathBuf::from("the system's store of certificate authorities")
}

fn presented(certified: Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(certified))
}

/// Verifies nothing but that the peer holds the key of the certificate it shows.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS failure told so that an operator knows which side to look at.
#[derive(Debug)]
pub struct TlsFailure(io::Error);

impl TlsFailure {
    pub(crate) fn new(error: io::Error) -> Self {
        Self(error)
    }

    /// Whether `error` is about TLS at all: other failures of a TLS connection are those of TCP.
    pub(crate) fn is_about_tls(error: &io::Error) -> bool {
        cause(error).is_some()
    }
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rustls::Error as Tls;
        match cause(&self.0) {
            Some(Tls::InvalidCertificate(fault)) => explain_certificate(fault, f),
            Some(Tls::AlertReceived(alert)) => explain_alert(*alert, f),
            Some(Tls::InvalidMessage(_)) => f.write_str("the peer does not answer in tls"),
            Some(other) => other.fmt(f),
            None if self.0.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the peer closed the connection during the handshake")
            }
            None => self.0.fmt(f),
        }
    }
}

impl Error for TlsFailure {}

fn explain_certificate(fault: &CertificateError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match fault {
        // The latter: an authority of the name that we trust, but with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            f.write_str("the peer's certificate is from an authority that we do not trust")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            f.write_str("the peer's certificate has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            f.write_str("the peer's certificate is not valid yet")
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => write!(
            f,
            "the peer's certificate is not for {} but for {}",
            expected.to_str(),
            presented.join(", ")
        ),
        CertificateError::NotValidForName => {
            f.write_str("the peer's certificate is for another name")
        }
        other => write!(f, "the peer's certificate cannot be used: {other}"),
    }
}

fn explain_alert(alert: AlertDescription, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match alert {
        AlertDescription::CertificateRequired => {
            f.write_str("the peer asks for a client certificate and none is configured")
        }
        AlertDescription::UnknownCA => {
            f.write_str("the peer does not trust the authority of our client certificate")
        }
        AlertDescription::CertificateExpired => {
            f.write_str("the peer says that our client certificate has expired")
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => {
            write!(f, "the peer refuses our client certificate ({alert:?})")
        }
        AlertDescription::UnrecognisedName => {
            f.write_str("the peer does not know the server name that we asked for")
        }
        other => write!(f, "the peer ended tls with the alert {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn secrets_of_our_connections_are_written_nowhere() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let settings = ClientTlsSettings::new().insecure();
        let client = ClientTls::load(settings, provider).expect("no files are needed");
        let (config, fault) = client.current().await;
        assert!(fault.is_none(), "{fault:?}");
        assert!(!config.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
        assert!(!config.key_log.will_log("CLIENT_RANDOM"));
    }
}
