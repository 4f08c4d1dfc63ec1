//! From a configuration to a connected stream.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    DestinationConfig, LinkError,
    config::LinkKind,
    resolve::{AddressBook, Candidates, domain_of},
};
use crate::tls::{ClientTls, TlsFailure};

/// Most octets that the kernel holds without having sent them once (beside those on their way): what it
/// accepts counts as delivered, and is lost when the connection breaks. Megabytes without it; measured
/// to cost no throughput at this size.
const MAX_UNSENT: u32 = 256 << 10;

/// The longest pauses that Linux takes: 32,767 s, and 2^31 - 1 ms.
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);
const MAX_USER_TIMEOUT: Duration = Duration::from_millis(0x7fff_ffff);

/// A connection, plain or not.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Goes through all addresses of the host until one accepts.
pub(super) async fn connect(
    config: &DestinationConfig,
    book: &AddressBook<'_>,
) -> Result<(SocketAddr, Connection), LinkError> {
    let Candidates {
        addresses,
        unresolved,
    } = book.candidates().await?;
    let mut last = None;
    for address in addresses {
        match connect_to(config, address).await {
            Ok(connection) => return Ok((address, connection)),
            Err(error) => last = Some(error),
        }
    }
    // Where the name does not resolve, that is the reason, and not what its old address says.
    Err(unresolved
        .or(last)
        .expect("there is one candidate at least"))
}

async fn connect_to(
    config: &DestinationConfig,
    address: SocketAddr,
) -> Result<Connection, LinkError> {
    let limit = config.connect_timeout;
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected
            .and_then(|stream| prepare(&stream, config).map(|()| stream))
            .map_err(|source| LinkError::Connect { address, source })?,
        Err(_) => return Err(LinkError::ConnectTimeout { address, limit }),
    };
    match &config.link {
        LinkKind::Tls(tls) => handshake(tls, config, address, stream).await,
        LinkKind::Tcp | LinkKind::Udp => Ok(Connection::Tcp(stream)),
    }
}

/// No delay for small writes, little in the kernel, no patience without end for a peer that has gone.
fn prepare(stream: &TcpStream, config: &DestinationConfig) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(MAX_UNSENT)?;
    let (idle, patience) = match config.probe {
        Some(probe) => (probe.interval, probe.timeout),
        None => (config.peer_timeout / 2, config.peer_timeout / 2),
    };
    let whole = |time: Duration| time.clamp(Duration::from_secs(1), MAX_KEEPALIVE);
    let keepalive = TcpKeepalive::new()
        .with_time(whole(idle))
        .with_interval(whole(patience / 3))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some((idle + patience).min(MAX_USER_TIMEOUT)))
}

async fn handshake(
    tls: &ClientTls,
    config: &DestinationConfig,
    address: SocketAddr,
    stream: TcpStream,
) -> Result<Connection, LinkError> {
    let name = tls
        .expected_name(domain_of(&config.host))
        .map_err(|source| LinkError::ServerName {
            host: config.host.clone(),
            source,
        })?;
    let (rustls_config, fault) = tls.current().await;
    if let Some(fault) = fault {
        tracing::warn!(
            destination = config.name(),
            error = %fault,
            "changed tls files cannot be used, the earlier ones stay in use"
        );
    }
    let limit = config.connect_timeout;
    let started = Instant::now();
    let connecting = TlsConnector::from(rustls_config).connect(name, stream);
    let mut stream = match timeout(limit, connecting).await {
        Ok(Ok(stream)) => Box::new(stream),
        Ok(Err(error)) => {
            let source = TlsFailure::new(error);
            return Err(LinkError::Tls { address, source });
        }
        Err(_) => return Err(LinkError::HandshakeTimeout { address, limit }),
    };
    hear_out(&mut stream, started.elapsed())
        .await
        .map_err(|error| LinkError::Tls {
            address,
            source: TlsFailure::new(error),
        })?;
    Ok(Connection::Tls(stream))
}

/// In TLS 1.3 a client is done before the server has looked at its certificate: frames written at once
/// would be counted as delivered and lost if the server then refuses. So the server's word is awaited:
/// its session tickets, its alert, or twice the time that the handshake took without either.
async fn hear_out(stream: &mut TlsStream<TcpStream>, handshake_took: Duration) -> io::Result<()> {
    if stream.get_ref().1.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return Ok(());
    }
    let patience = (handshake_took * 2).clamp(Duration::from_millis(20), Duration::from_secs(2));
    let heard = std::future::poll_fn(|cx| {
        let mut octet = [0];
        let mut buffer = ReadBuf::new(&mut octet);
        let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
        match read {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Pending if stream.get_ref().1.tls13_tickets_received() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(patience, heard).await.unwrap_or(Ok(()))
}

impl Connection {
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    /// Whether octets accepted for writing may still be on our side of the kernel.
    pub(super) fn holds_back(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
        }
    }
}
