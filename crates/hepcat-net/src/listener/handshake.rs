use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{Error, ServerConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{TlsIdentity, tls::certificate_subject};

/// Completes the handshake within `limit`, or says under which label it failed.
pub(super) async fn handshake(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<Session, Failure> {
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
        Some(Ok(Ok(stream))) => Ok(Session(stream)),
    }
}

/// A TLS session that is only read from. What the protocol itself has to answer (the refusal of a renegotiation,
/// a key update) is sent as soon as reading made it due; the stream below sends it with the next write, and we
/// never write.
#[derive(Debug)]
pub(super) struct Session(TlsStream<TcpStream>);

impl Session {
    /// Says goodbye, so that the peer can tell the end from a cut.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        tokio::io::AsyncWriteExt::shutdown(&mut self.0).await
    }

    /// Who the peer proved to be.
    pub(super) fn identity(&self) -> TlsIdentity {
        let session = self.0.get_ref().1;
        let shown = session.peer_certificates().and_then(<[_]>::first);
        TlsIdentity::new(
            shown.and_then(certificate_subject),
            session.server_name().map(str::to_owned),
        )
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        if self.0.get_ref().1.wants_write() {
            // Where it cannot be sent, reading will tell; where it cannot be sent yet, the task is woken for it.
            let _sent: Poll<io::Result<()>> = Pin::new(&mut self.0).poll_flush(cx);
        }
        read
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

fn label(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::NoCertificatesPresented) => "no_certificate",
        Some(Error::InvalidCertificate(_)) => "bad_certificate",
        Some(Error::AlertReceived(_)) => "alert",
        Some(Error::InvalidMessage(_)) => "not_tls",
        Some(Error::PeerIncompatible(_)) => "incompatible",
        Some(
            Error::PeerMisbehaved(_)
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InappropriateMessage { .. }
            | Error::DecryptError,
        ) => "misbehaved",
        Some(_) => "other",
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "closed",
            _ => "io",
        },
    }
}
