//! A certificate authority that lives as long as the test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use hepcat_net::rustls::{
    self, ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    version::{TLS12, TLS13},
};
use hepcat_net::tls::{load_ca, load_cert_chain, load_private_key};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// An authority and the directory that everything it issues is written to.
pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// PEM file of the authority's own certificate.
    pub ca: PathBuf,
}

/// Files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Issued {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "hepcat test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca = dir.path().join("ca.pem");
        fs::write(&ca, issuer.pem()).unwrap();
        Self { dir, issuer, ca }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A server's certificate for `names`, written to `FILE.pem` and `FILE.key`.
    pub fn server(&self, file: &str, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, file);
        self.issue(file, &params)
    }

    /// A client's certificate with the subject `CN=NAME,O=Example`.
    pub fn client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, name);
        self.issue(name, &params)
    }

    fn issue(&self, file: &str, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let issued = Issued {
            cert: self.dir.path().join(format!("{file}.pem")),
            key: self.dir.path().join(format!("{file}.key")),
        };
        fs::write(&issued.cert, certificate.pem()).unwrap();
        fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }

    pub fn roots(&self) -> RootCertStore {
        load_ca(&self.ca).unwrap()
    }

    /// A client that trusts this authority and shows `identity` if there is one.
    pub fn client_config(&self, identity: Option<&Issued>) -> ClientConfig {
        self.client_config_with(identity, &[&TLS13, &TLS12])
    }

    pub fn client_config_with(
        &self,
        identity: Option<&Issued>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        match identity {
            None => builder.with_no_client_auth(),
            Some(files) => builder
                .with_client_auth_cert(
                    load_cert_chain(&files.cert).unwrap(),
                    load_private_key(&files.key).unwrap(),
                )
                .unwrap(),
        }
    }
}
