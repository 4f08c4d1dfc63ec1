//! UDP: one connected socket, so that the answers of the peer's host ("nobody listens") reach us.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    io::Interest,
    net::UdpSocket,
    time::{Instant, sleep_until},
};

use super::{
    DropReason, LinkError, LinkState, Shared, datagrams,
    queue::Next,
    resolve::AddressBook,
    retry::{Go, Retry, attempt, deadline},
};

/// Most octets in flight.
const MAX_FLIGHT: usize = 64 << 10;

/// Datagrams sent without a pause before other tasks get their turn: some 200 µs.
const TURN: usize = 64;

/// While an address refuses, the next one is tried this often, or the name is resolved again.
const NEXT_AFTER: Duration = Duration::from_secs(1);
const RESOLVE_AFTER: Duration = Duration::from_secs(5);

/// Without a refusal for this long a refusing peer counts as up again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(5);

/// What is sent where there is nothing to send, to hear whether somebody listens: fewer octets than any
/// frame has, which receivers of HEP over UDP take for a keep-alive of SIP and ignore.
const KEEP_ALIVE: &[u8] = b"\r\n\r\n";

/// The shortest pause between two keep-alives to a peer that refuses.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

enum End {
    Drained,
    Stopped,
    /// The address refuses: try the next one, without a pause.
    TryNext,
    /// The address is none of the name's any more.
    Moved,
    Failed(LinkError),
}

pub(super) async fn run(shared: &Shared) {
    let mut retry = Retry::default();
    // Which of the addresses is next, and whether the link still counts as refusing.
    let mut turn = 0;
    let mut refusals = Refusals::default();
    let book = AddressBook::new(&shared.config);
    loop {
        let error = match attempt(shared, open(&book, turn)).await {
            None => return,
            Some(Err(error)) => error,
            Some(Ok((peer, socket, choices))) => {
                if refusals.last.is_none() {
                    retry.connected(shared, peer);
                } else {
                    refusals.moved(shared, peer);
                }
                let mut session = Session {
                    shared,
                    peer,
                    socket,
                    flight: VecDeque::new(),
                    move_after: move_after(&shared.config.host, choices),
                    refusals: &mut refusals,
                    book: &book,
                };
                match book.attend(shared, peer, session.run()).await {
                    End::Drained | End::Stopped => return,
                    End::Moved => {
                        refusals = Refusals::default();
                        turn = 0;
                        retry.moved(shared);
                        continue;
                    }
                    End::TryNext => {
                        turn += 1;
                        continue;
                    }
                    End::Failed(error) => error,
                }
            }
        };
        refusals = Refusals::default();
        turn += 1;
        if retry.failed(shared, &error).await == Go::Stop {
            return;
        }
    }
}

fn move_after(host: &str, choices: usize) -> Option<Duration> {
    match (choices, host.parse::<IpAddr>()) {
        (2.., _) => Some(NEXT_AFTER),
        (_, Err(_)) => Some(RESOLVE_AFTER),
        (_, Ok(_)) => None,
    }
}

async fn open(
    book: &AddressBook<'_>,
    turn: usize,
) -> Result<(SocketAddr, UdpSocket, usize), LinkError> {
    let addresses = book.candidates().await?.addresses;
    let address = addresses[turn % addresses.len()];
    let socket = connected(address)
        .await
        .map_err(|source| LinkError::Connect { address, source })?;
    Ok((address, socket, addresses.len()))
}

async fn connected(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // Nothing is ever read: what a peer sends shall not take memory. The kernel rounds up.
    SockRef::from(&socket).set_recv_buffer_size(1)?;
    socket.connect(peer).await?;
    Ok(socket)
}

/// When the peer's host last said that nobody listens, and since when it has been saying so.
#[derive(Debug, Default)]
struct Refusals {
    last: Option<Instant>,
    /// When a keep-alive last asked, and how many have been refused in a row.
    asked: Option<Instant>,
    refused: u32,
}

impl Refusals {
    fn note(&mut self, shared: &Shared, peer: SocketAddr) {
        let now = Instant::now();
        // Under load nearly every datagram is answered: only the first answer is worth words.
        if self.last.replace(now).is_some() {
            shared.queue.link(|_, counters| counters.refusals += 1);
            return;
        }
        let error = LinkError::Refused { address: peer };
        let words = error.in_words();
        let log = shared.queue.link(|link, counters| {
            counters.refusals += 1;
            link.failed(LinkState::Refusing, words.clone(), error.reason(), now)
        });
        if let Some(passed_over) = log {
            tracing::warn!(
                destination = shared.config.name(),
                reason = error.reason(),
                error = words,
                passed_over,
                "destination down"
            );
        }
    }

    /// A datagram went out without complaint: is the peer forgiven?
    fn sent(&mut self, shared: &Shared, peer: SocketAddr) {
        let now = Instant::now();
        if self
            .last
            .is_none_or(|last| now.duration_since(last) < FORGIVEN_AFTER)
        {
            return;
        }
        self.forgive(shared, peer);
    }

    fn forgive(&mut self, shared: &Shared, peer: SocketAddr) {
        *self = Self::default();
        let now = Instant::now();
        if shared.queue.link(|link, _| link.up(peer, now)) {
            tracing::info!(destination = shared.config.name(), %peer, "destination up");
        }
    }

    /// When to ask next by a keep-alive, or to believe that one was heard.
    fn ask_at(&self, shared: &Shared) -> Option<Instant> {
        let last = self.last?;
        Some(match self.asked.filter(|asked| *asked > last) {
            Some(asked) => asked + shared.config.probe_timeout(),
            None => {
                let pause = shared
                    .config
                    .backoff
                    .delay(self.refused + 1, fastrand::f64());
                last + pause.max(LEAST_PAUSE)
            }
        })
    }

    fn moved(&self, shared: &Shared, peer: SocketAddr) {
        shared.queue.link(|link, counters| {
            counters.connects += 1;
            link.enter(LinkState::Refusing, Instant::now());
            link.attempting = false;
            link.peer = Some(peer);
        });
    }
}

struct Session<'a> {
    shared: &'a Shared,
    peer: SocketAddr,
    socket: UdpSocket,
    flight: VecDeque<Bytes>,
    /// How long to stay with an address that refuses, `None` where there is no other.
    move_after: Option<Duration>,
    refusals: &'a mut Refusals,
    book: &'a AddressBook<'a>,
}

impl Session<'_> {
    async fn run(&mut self) -> End {
        let end = self.send_all().await;
        // What is left was not sent when the destination was stopped.
        self.shared.queue.put_back(&mut self.flight);
        end
    }

    async fn send_all(&mut self) -> End {
        let opened = Instant::now();
        let mut turn = 0;
        loop {
            if self.shared.stop.is_cancelled() {
                return End::Stopped;
            }
            if self.book.has_moved() {
                return End::Moved;
            }
            let done = if self.is_spared() {
                if self.shared.queue.is_drained() {
                    return End::Drained;
                }
                self.idle().await
            } else {
                match self.shared.queue.next(&mut self.flight, MAX_FLIGHT) {
                    Next::Drained => return End::Drained,
                    Next::Disconnect => Err(LinkError::QueueFull { address: self.peer }),
                    Next::Park => {
                        turn = 0;
                        self.idle().await
                    }
                    Next::Write => {
                        turn += self.flight.len();
                        self.send_flight().await
                    }
                }
            };
            match done {
                Ok(Go::On) => {}
                Ok(Go::Stop) => return End::Stopped,
                Err(error) => return self.failed(error),
            }
            if let Some(last) = self.refusals.last
                && last >= opened
                && self
                    .move_after
                    .is_some_and(|limit| opened.elapsed() >= limit)
            {
                return End::TryNext;
            }
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Whether the peer refuses, and frames wait on disk until it does not: keep-alives ask it then.
    fn is_spared(&self) -> bool {
        self.shared.config.spool.is_some() && self.refusals.last.is_some()
    }

    fn failed(&mut self, error: LinkError) -> End {
        if matches!(error, LinkError::QueueFull { .. }) {
            let octets = self.flight.iter().map(Bytes::len).sum();
            self.shared
                .queue
                .unsendable(DropReason::Disconnected, self.flight.len(), octets);
        } else {
            self.shared.queue.put_back(&mut self.flight);
        }
        End::Failed(error)
    }

    /// Nothing to send: wait for something, and for word from the peer's host.
    async fn idle(&mut self) -> Result<Go, LinkError> {
        let shared = self.shared;
        let probe = shared.config.probe;
        let ask_at = match self.refusals.last {
            Some(_) => self.refusals.ask_at(shared),
            None => probe.map(|probe| Instant::now() + probe.interval),
        };
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => Ok(Go::Stop),
            () = shared.queue.woken() => Ok(Go::On),
            () = sleep_until(ask_at.unwrap_or_else(Instant::now)), if ask_at.is_some() => self.ask(),
            refused = self.socket.async_io(Interest::ERROR, || match self.socket.take_error()? {
                Some(error) => Ok(error),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }) => {
                match refused {
                    Ok(error) => self.complaint(error),
                    Err(error) => Err(self.lost(error)),
                }
            }
        }
    }

    /// Asks with a keep-alive whether somebody listens; where the last one was not refused, that is the
    /// answer.
    fn ask(&mut self) -> Result<Go, LinkError> {
        let refusals = &mut *self.refusals;
        if let (Some(last), Some(asked)) = (refusals.last, refusals.asked)
            && asked > last
        {
            refusals.forgive(self.shared, self.peer);
            return Ok(Go::On);
        }
        if refusals.asked.is_some() {
            refusals.refused = refusals.refused.saturating_add(1);
        }
        // The answer to an earlier datagram is told first, and costs this one.
        for _ in 0..2 {
            match self.socket.try_send(KEEP_ALIVE) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.complaint(error)?,
                Ok(_) => {
                    self.refusals.asked = Some(Instant::now());
                    break;
                }
            };
        }
        Ok(Go::On)
    }

    async fn send_flight(&mut self) -> Result<Go, LinkError> {
        let mut sent = (0, 0);
        let outcome = loop {
            if self.flight.is_empty() {
                break Ok(Go::On);
            }
            match datagrams::send(&self.socket, &self.flight) {
                Ok(count) => {
                    sent.0 += count;
                    let gone = self.flight.drain(..count);
                    sent.1 += gone.map(|frame| frame.len()).sum::<usize>();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shared.queue.written(sent.0, sent.1);
                    sent = (0, 0);
                    match self.writable().await {
                        Ok(Go::On) => {}
                        other => break other,
                    }
                }
                Err(error) => match fault(&error) {
                    // The answer to an earlier datagram: this one has not been sent, so it is tried again.
                    Fault::Refused => {
                        self.refusals.note(self.shared, self.peer);
                        if self.is_spared() {
                            self.shared.queue.written(sent.0, sent.1);
                            self.shared.queue.put_back(&mut self.flight);
                            return Ok(Go::On);
                        }
                    }
                    Fault::Frame(reason) => {
                        let octets = self.flight.pop_front().map_or(0, |frame| frame.len());
                        self.shared.queue.written(sent.0, sent.1);
                        sent = (0, 0);
                        self.shared.queue.unsendable(reason, 1, octets);
                    }
                    Fault::Link => break Err(self.lost(error)),
                },
            }
        };
        self.shared.queue.written(sent.0, sent.1);
        if self.refusals.last.is_some() && outcome.is_ok() {
            self.refusals.sent(self.shared, self.peer);
        }
        outcome
    }

    /// Waits for room in the socket's buffer.
    async fn writable(&mut self) -> Result<Go, LinkError> {
        let shared = self.shared;
        let stalled = Instant::now();
        let slow_at = deadline(stalled, shared.config.mode.local_write_timeout());
        let mut slow = false;
        let outcome = loop {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break Ok(Go::Stop),
                ready = self.socket.writable() => {
                    break ready.map(|()| Go::On).map_err(|error| self.lost(error));
                }
                () = shared.queue.woken() => {
                    if shared.queue.wants_disconnect() {
                        break Err(LinkError::QueueFull { address: self.peer });
                    }
                }
                () = sleep_until(slow_at), if !slow => {
                    slow = true;
                    let now = Instant::now();
                    shared.queue.link(|link, counters| {
                        counters.slow_writes += 1;
                        link.enter(LinkState::Slow, now);
                    });
                }
            }
        };
        if slow && outcome.is_ok() {
            let now = Instant::now();
            shared.queue.link(|link, _| link.enter(LinkState::Up, now));
        }
        outcome
    }

    fn complaint(&mut self, error: io::Error) -> Result<Go, LinkError> {
        match fault(&error) {
            Fault::Refused => {
                self.refusals.note(self.shared, self.peer);
                Ok(Go::On)
            }
            // About a datagram that is gone already.
            Fault::Frame(_) => Ok(Go::On),
            Fault::Link => Err(self.lost(error)),
        }
    }

    fn lost(&self, source: io::Error) -> LinkError {
        LinkError::Lost {
            address: self.peer,
            source,
        }
    }
}

/// What an error of a send is about.
enum Fault {
    Refused,
    Frame(DropReason),
    Link,
}

fn fault(error: &io::Error) -> Fault {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Fault::Refused,
        Some(Errno::EMSGSIZE) => Fault::Frame(DropReason::TooLarge),
        Some(Errno::EINVAL) => Fault::Frame(DropReason::Refused),
        _ => Fault::Link,
    }
}
