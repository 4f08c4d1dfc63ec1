use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hepcat_wire::{Sniffed, sniff};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{
    counters::Counters,
    intake::Intake,
    peers::Peers,
    receive::{Ask, Receiver, SLOTS},
    socket::canonical,
};
use crate::{Handler, Origin};

/// What is still read of a socket when the listener stops: what the kernel has queued by then, up to this, as
/// senders go on sending.
const LAST_DATAGRAMS: usize = 1 << 16;

/// After a read that failed: no error of a datagram socket is for ever, and none may become a busy loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads one socket until told to stop.
#[derive(Debug)]
pub(super) struct UdpReader<H> {
    receiver: Receiver,
    peers: Peers,
    intake: Intake<H>,
    counters: Arc<Counters>,
}

impl<H: Handler> UdpReader<H> {
    /// `template` is the origin of all peers of this socket, but for the peer.
    pub(super) fn new(
        socket: Arc<UdpSocket>,
        template: Origin,
        counters: Arc<Counters>,
        handler: Arc<H>,
    ) -> Self {
        Self {
            receiver: Receiver::new(socket, template.local),
            peers: Peers::new(template),
            intake: Intake::new(Arc::clone(&counters), handler),
            counters,
        }
    }

    /// Gives the socket back at the end, still open.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Arc<UdpSocket> {
        let mut stopped = pin!(stop.cancelled());
        loop {
            let ready = tokio::select! {
                biased;
                () = &mut stopped => break,
                ready = self.receiver.readable() => ready,
            };
            if let Err(error) = ready {
                self.failed(&error).await;
                continue;
            }
            self.take_all(&stop).await;
        }
        self.take_the_rest().await;
        self.receiver.into_socket()
    }

    /// Hands over batch after batch until the socket is empty.
    async fn take_all(&mut self, stop: &CancellationToken) {
        loop {
            let emptied = match self.take(Ask::WhenReported) {
                Ok(taken) => taken < SLOTS,
                Err(error) => {
                    self.failed(&error).await;
                    true
                }
            };
            if emptied {
                return self.intake.hand_over().await;
            }
            if self.intake.is_full() {
                self.intake.hand_over().await;
                // Everybody else on this core, before the next batch.
                tokio::task::yield_now().await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    }

    /// Takes what the socket has, up to [`SLOTS`], and says how many.
    fn take(&mut self, ask: Ask) -> io::Result<usize> {
        let Self {
            receiver,
            peers,
            intake,
            ..
        } = self;
        let mut now = None;
        receiver.receive(ask, |octets, peer| {
            intake.tally.datagrams += 1;
            intake.tally.octets += octets.len() as u64;
            if sniff(octets) == Sniffed::KeepAlive {
                intake.tally.keep_alives += 1;
                return;
            }
            // All were there when the first one was looked at.
            let now = *now.get_or_insert_with(SystemTime::now);
            let origin = peers.origin(canonical(peer));
            intake.frame(Bytes::copy_from_slice(octets), origin, now);
        })
    }

    async fn take_the_rest(&mut self) {
        for _ in 0..LAST_DATAGRAMS / SLOTS {
            if !matches!(self.take(Ask::Now), Ok(SLOTS)) {
                break;
            }
            if self.intake.is_full() {
                self.intake.hand_over().await;
            }
        }
        self.intake.hand_over().await;
    }

    async fn failed(&mut self, error: &io::Error) {
        self.counters.receive_errors.add(match error.kind() {
            io::ErrorKind::OutOfMemory => "memory",
            io::ErrorKind::ConnectionRefused => "refused",
            _ => "other",
        });
        tracing::debug!(%error, "datagrams cannot be read");
        tokio::time::sleep(PAUSE).await;
    }
}
