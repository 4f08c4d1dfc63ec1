use std::{io, sync::Arc, time::Duration};

use rustls::{Error, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{TlsIdentity, tls::certificate_subject};

/// Completes the handshake within `limit`, or says under which label it failed.
pub(super) async fn handshake(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<TlsStream<TcpStream>, Failure> {
    let accept = TlsAcceptor::from(config).accept(stream);
    let outcome = stop
        .run_until_cancelled(tokio::time::timeout(limit, accept))
        .await;
    match outcome {
        None => Err(Failure::without_cause("stopped")),
        Some(Err(_elapsed)) => Err(Failure::without_cause("timeout")),
        Some(Ok(Err(error))) => Err(Failure {
            reason: label(&error),
            error: Some(error),
        }),
        Some(Ok(Ok(stream))) => Ok(stream),
    }
}

/// A handshake that was not completed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) error: Option<io::Error>,
}

impl Failure {
    fn without_cause(reason: &'static str) -> Self {
        Self {
            reason,
            error: None,
        }
    }
}

/// Who the peer proved to be.
pub(super) fn identity(stream: &TlsStream<TcpStream>) -> TlsIdentity {
    let session = stream.get_ref().1;
    let shown = session.peer_certificates().and_then(<[_]>::first);
    TlsIdentity::new(
        shown.and_then(certificate_subject),
        session.server_name().map(str::to_owned),
    )
}

fn label(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::NoCertificatesPresented) => "no_certificate",
        Some(Error::InvalidCertificate(_)) => "bad_certificate",
        Some(Error::AlertReceived(_)) => "alert",
        Some(Error::InvalidMessage(_)) => "not_tls",
        Some(Error::PeerIncompatible(_)) => "incompatible",
        Some(Error::PeerMisbehaved(_) | Error::InappropriateHandshakeMessage { .. }) => {
            "misbehaved"
        }
        Some(_) => "other",
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "closed",
            _ => "io",
        },
    }
}
