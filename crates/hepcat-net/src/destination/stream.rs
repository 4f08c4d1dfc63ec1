//! TCP and TLS: connect, write whole batches, notice at once when the peer goes, reconnect.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::ReadBuf,
    time::{Instant, sleep_until, timeout},
};

use super::{
    DropReason, LinkError, LinkState, Shared,
    config::LinkKind,
    connect::{Connection, connect},
    queue::Next,
    resolve::AddressBook,
    retry::{Go, Retry, attempt, deadline},
};
use crate::tls::TlsFailure;

/// Most slices in one write.
const MAX_SLICES: usize = 128;

/// Most octets in flight over TCP: what one lock of the queue hands out.
const TCP_FLIGHT: usize = 256 << 10;

/// The same over TLS: what may be sent twice when a connection breaks, and what rustls buffers.
const TLS_FLIGHT: usize = 64 << 10;

/// Octets written without a pause before other tasks get their turn.
const TURN: usize = 256 << 10;

/// A peer may say this much in a minute (TLS tickets, keep-alive answers) before it is given up.
const PEER_OCTETS_A_MINUTE: usize = 64 << 10;

/// How long to wait, at a drain's end, for the peer to acknowledge ours.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection's session is over.
enum End {
    Drained,
    Stopped,
    /// The peer's address is none of the name's any more.
    Moved,
    Failed(LinkError),
}

pub(super) async fn run(shared: &Shared) {
    let mut retry = Retry::default();
    let book = AddressBook::new(&shared.config);
    loop {
        let error = match attempt(shared, connect(&shared.config, &book)).await {
            None => return,
            Some(Err(error)) => error,
            Some(Ok((peer, connection))) => {
                retry.connected(shared, peer);
                let session = Session::new(shared, peer, connection, &book);
                match book.attend(shared, peer, session.run()).await {
                    End::Drained | End::Stopped => return,
                    End::Moved => {
                        retry.moved(shared);
                        continue;
                    }
                    End::Failed(error) => error,
                }
            }
        };
        if retry.failed(shared, &error).await == Go::Stop {
            return;
        }
    }
}

/// One connection's life.
struct Session<'a> {
    shared: &'a Shared,
    peer: SocketAddr,
    connection: Connection,
    book: &'a AddressBook<'a>,
    flight: Flight,
    allowance: Allowance,
}

impl<'a> Session<'a> {
    fn new(
        shared: &'a Shared,
        peer: SocketAddr,
        connection: Connection,
        book: &'a AddressBook<'a>,
    ) -> Self {
        Self {
            shared,
            peer,
            connection,
            book,
            flight: Flight::default(),
            allowance: Allowance::new(Instant::now()),
        }
    }

    async fn run(mut self) -> End {
        let end = self.write_all().await;
        match &end {
            End::Drained | End::Moved => self.farewell().await,
            End::Failed(LinkError::QueueFull { .. }) => {
                let (frames, octets) = self.flight.left();
                self.shared
                    .queue
                    .unsendable(DropReason::Disconnected, frames, octets);
            }
            End::Failed(_) | End::Stopped => {
                // What TLS had taken may arrive although it is sent again.
                let repeats = self.flight.accepted as u64;
                self.shared
                    .queue
                    .link(|_, counters| counters.repeats += repeats);
                self.shared.queue.put_back(&mut self.flight.frames);
            }
        }
        end
    }

    async fn write_all(&mut self) -> End {
        let max_octets = match self.shared.config.link {
            LinkKind::Tls(_) => TLS_FLIGHT,
            LinkKind::Tcp | LinkKind::Udp => TCP_FLIGHT,
        };
        let mut turn = 0;
        loop {
            if self.shared.stop.is_cancelled() {
                return End::Stopped;
            }
            if self.book.has_moved() {
                return End::Moved;
            }
            let done = match self.shared.queue.next(&mut self.flight.frames, max_octets) {
                Next::Drained => return End::Drained,
                Next::Disconnect => Err(LinkError::QueueFull { address: self.peer }),
                Next::Park => {
                    turn = 0;
                    self.idle().await
                }
                Next::Write => {
                    turn += self.flight.left().1;
                    self.write_flight().await
                }
            };
            match done {
                Ok(Go::On) => {}
                Ok(Go::Stop) => return End::Stopped,
                Err(error) => return End::Failed(error),
            }
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Nothing to write: wait for something, and watch the peer meanwhile.
    async fn idle(&mut self) -> Result<Go, LinkError> {
        let shared = self.shared;
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => Ok(Go::Stop),
            () = shared.queue.woken() => Ok(Go::On),
            error = poll_fn(|cx| self.poll_peer(cx)) => Err(error),
        }
    }

    /// Writes everything in flight. Frames are settled with the ledger as they reach the kernel.
    async fn write_flight(&mut self) -> Result<Go, LinkError> {
        // A peer that has closed is noticed here, before frames are written into the void.
        if let Some(error) = poll_fn(|cx| {
            Poll::Ready(match self.poll_peer(cx) {
                Poll::Ready(error) => Some(error),
                Poll::Pending => None,
            })
        })
        .await
        {
            return Err(error);
        }
        while !self.flight.frames.is_empty() {
            let first = poll_fn(|cx| Poll::Ready(self.poll_write(cx))).await;
            match first {
                Poll::Ready(wrote) => wrote?,
                Poll::Pending => {
                    if self.write_stalled().await? == Go::Stop {
                        return Ok(Go::Stop);
                    }
                }
            }
        }
        Ok(Go::On)
    }

    /// The connection takes nothing right now: wait for it under the time limits.
    async fn write_stalled(&mut self) -> Result<Go, LinkError> {
        let shared = self.shared;
        let stalled = Instant::now();
        let slow_at = deadline(stalled, shared.config.mode.local_write_timeout());
        let mut slow = false;
        let outcome = loop {
            let give_up_at = shared
                .queue
                .producer_waits_since()
                .map(|since| deadline(since.max(stalled), shared.config.send_timeout));
            let alarm = match (slow, give_up_at) {
                (false, Some(give_up_at)) => Some(slow_at.min(give_up_at)),
                (false, None) => Some(slow_at),
                (true, give_up_at) => give_up_at,
            };
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break Ok(Go::Stop),
                wrote = poll_fn(|cx| self.poll_write_or_peer(cx)) => break wrote.map(|()| Go::On),
                () = shared.queue.woken() => {
                    if shared.queue.wants_disconnect() {
                        break Err(LinkError::QueueFull { address: self.peer });
                    }
                    if self.book.has_moved() {
                        break Err(LinkError::Moved { address: self.peer });
                    }
                }
                () = sleep_until(alarm.unwrap_or(stalled)), if alarm.is_some() => {
                    let now = Instant::now();
                    if give_up_at.is_some_and(|at| now >= at) {
                        let limit = shared.config.send_timeout;
                        break Err(LinkError::SendTimeout { address: self.peer, limit });
                    }
                    if !slow && now >= slow_at {
                        slow = true;
                        shared.queue.link(|link, counters| {
                            counters.slow_writes += 1;
                            link.enter(LinkState::Slow, now);
                        });
                    }
                }
            }
        };
        if slow && outcome.is_ok() {
            let now = Instant::now();
            shared.queue.link(|link, _| link.enter(LinkState::Up, now));
        }
        outcome
    }

    fn poll_write_or_peer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        if let Poll::Ready(wrote) = self.poll_write(cx) {
            return Poll::Ready(wrote);
        }
        self.poll_peer(cx).map(Err)
    }

    /// One write, or one flush of what TLS holds back.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let slices = self.flight.slices(&mut slices);
        let wrote = if slices.is_empty() {
            ready!(self.connection.poll_flush(cx)).map(|()| 0)
        } else {
            ready!(self.connection.poll_write_vectored(cx, slices)).and_then(|wrote| match wrote {
                0 => Err(io::ErrorKind::WriteZero.into()),
                wrote => Ok(wrote),
            })
        };
        match wrote {
            Ok(wrote) => self.flight.accepted(wrote),
            Err(error) => return Poll::Ready(Err(self.lost(error))),
        }
        if !self.connection.holds_back() {
            let (frames, octets) = self.flight.settle();
            self.shared.queue.written(frames, octets);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and discards what the peer says; ready when the connection is of no more use.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<LinkError> {
        let mut octets = [std::mem::MaybeUninit::uninit(); 2048];
        loop {
            let mut buffer = ReadBuf::uninit(&mut octets);
            if let Err(error) = ready!(self.connection.poll_read(cx, &mut buffer)) {
                return Poll::Ready(self.lost(error));
            }
            let said = buffer.filled().len();
            if said == 0 {
                return Poll::Ready(LinkError::Closed { address: self.peer });
            }
            self.shared
                .queue
                .link(|_, counters| counters.peer_octets += said as u64);
            if !self.allowance.spend(said, Instant::now()) {
                return Poll::Ready(LinkError::Talkative { address: self.peer });
            }
        }
    }

    fn lost(&self, error: io::Error) -> LinkError {
        let address = self.peer;
        if TlsFailure::is_about_tls(&error) {
            let source = TlsFailure::new(error);
            return LinkError::Tls { address, source };
        }
        // A TLS peer that closes without saying so is still just a peer that closes.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return LinkError::Closed { address };
        }
        LinkError::Lost {
            address,
            source: error,
        }
    }

    /// Says good-bye and waits a moment for the peer to do so too: closing a socket with unread octets
    /// would reset it, and take with it what is still on its way.
    async fn farewell(&mut self) {
        let stop = &self.shared.stop;
        let exchange = async {
            if poll_fn(|cx| self.connection.poll_shutdown(cx))
                .await
                .is_ok()
            {
                poll_fn(|cx| self.poll_peer(cx)).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = timeout(FAREWELL, exchange) => {}
        }
    }
}

/// The frames being written, and how far.
#[derive(Debug, Default)]
struct Flight {
    frames: VecDeque<Bytes>,
    /// Frames at the front that the connection has accepted whole, not yet settled with the ledger.
    accepted: usize,
    /// Octets that it has accepted of the frame after those.
    offset: usize,
}

impl Flight {
    /// What is still to be accepted.
    fn slices<'s, 'f: 's>(&'f self, slices: &'s mut [IoSlice<'f>]) -> &'s [IoSlice<'f>] {
        let mut filled = 0;
        let mut offset = self.offset;
        for (slice, frame) in slices.iter_mut().zip(self.frames.range(self.accepted..)) {
            *slice = IoSlice::new(&frame[offset..]);
            offset = 0;
            filled += 1;
        }
        &slices[..filled]
    }

    fn accepted(&mut self, octets: usize) {
        self.offset += octets;
        while let Some(frame) = self.frames.get(self.accepted)
            && self.offset >= frame.len()
        {
            self.offset -= frame.len();
            self.accepted += 1;
        }
    }

    /// Lets go of the frames accepted whole: how many, and of how many octets.
    fn settle(&mut self) -> (usize, usize) {
        let frames = std::mem::take(&mut self.accepted);
        let octets = self.frames.drain(..frames).map(|frame| frame.len()).sum();
        (frames, octets)
    }

    /// Frames not settled, and their octets.
    fn left(&self) -> (usize, usize) {
        (self.frames.len(), self.frames.iter().map(Bytes::len).sum())
    }
}

/// How much a peer may still say in this minute.
#[derive(Debug)]
struct Allowance {
    left: usize,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: PEER_OCTETS_A_MINUTE,
            since: now,
        }
    }

    fn spend(&mut self, octets: usize, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_mins(1) {
            *self = Self::new(now);
        }
        let enough = octets <= self.left;
        self.left = self.left.saturating_sub(octets);
        enough
    }
}
