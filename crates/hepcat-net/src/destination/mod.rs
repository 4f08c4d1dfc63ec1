//! Destinations: where frames are delivered over UDP, TCP or TLS, whatever happens at the other end.
//!
//! ```text
//!  producers ──offer──▶ queue (one lock, bounded, WhenFull) ──▶ one task: connect ▸ write ▸ back off
//!                        └ ledger and link state under the same lock ──▶ stats()
//! ```
//!
//! A [`Destination`] is a queue and one task. Producers hand over batches of frames ready for the wire
//! and, unless the configuration says otherwise, never wait. The task keeps one connection (or UDP
//! socket), writes whole batches, and reconnects with jittered back-off, resolving the name again each
//! time and when the answer's time to live is over: where the name then leads elsewhere it follows, and
//! where it does not resolve any more the last address stays in use. Everything that was handed over is counted in the [`Ledger`], which adds up in every reading.
//!
//! What the time limits of the OpenSIPS module mean here is said at [`SendMode`],
//! [`DestinationConfig::send_timeout`] and [`QueueConfig::max_frames`].
//!
//! # With a spool
//! Frames that the destination does not take go to disk and come back in order, see [`spool`](crate::spool) and
//! [`DestinationConfig::spool`]. A thread per destination does the file work; producers and the task never wait for
//! it, and the ledger says what is in memory (`queued`) and what is on disk (`spooled`).
//!
//! # What a broken connection costs
//! Over TCP a frame cut short by a broken connection is sent again whole on the next one; its first
//! part never completes, so no receiver sees it twice. Over TLS that holds for all frames of the last
//! write (at most 64 KiB), because what of it has left is not known: those may arrive twice. What the
//! kernel had accepted but not delivered when the connection broke is lost, and counted as delivered:
//! HEP has no acknowledgement. That is what was on its way, and at most 256 KiB not yet sent. UDP
//! promises nothing.
//!
//! # Order
//! Frames of one producer arrive in the order in which it offered them, over UDP as far as the network
//! keeps it.

mod backoff;
mod breaker;
mod config;
mod connect;
mod datagrams;
mod ledger;
mod link;
mod pace;
mod queue;
mod resolve;
mod retry;
mod spool_log;
mod spooler;
mod spooling;
mod stats;
mod stream;
mod syncer;
mod udp;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use backoff::Backoff;
pub use breaker::{Breaker, Health};
pub use config::{DestinationConfig, QueueConfig, SendMode, WhenFull};
pub use ledger::{DropReason, Dropped, Ledger};
pub use link::{LinkError, LinkState};
pub use resolve::{Resolution, Resolve, ResolveFuture, SystemResolver, domain_of, is_service};
pub use stats::{DestinationStats, LastError, LinkCounters, SpoolStats};

use config::LinkKind;
use queue::{Queue, Source};

/// How long a spool may take to write what is in memory when its destination ends.
const SPOOL_CLOSING_LIMIT: Duration = Duration::from_secs(20);

/// One destination: hand it frames, ask it how it is.
pub struct Destination {
    shared: Arc<Shared>,
}

/// What the destination and its task have in common.
#[derive(Debug)]
struct Shared {
    config: DestinationConfig,
    queue: Queue,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// What [`Destination::drain`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Frames written since the drain began.
    pub delivered: u64,
    /// Frames lost because time ran out, with those offered after the drain began.
    pub lost: u64,
    /// Frames that its spool keeps for the next start.
    pub spooled: u64,
}

impl Destination {
    /// Starts the destination's task on `tasks`. Must be called within a tokio runtime.
    ///
    /// The task ends when `stop` is cancelled, at once and with whatever is queued counted as lost, or
    /// when [`drain`](Self::drain) is done; not when the destination is dropped, whose frames are still
    /// delivered.
    #[must_use]
    pub fn spawn(
        config: DestinationConfig,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let shared = Arc::new(Shared {
            queue: Queue::new(&config, Instant::now()),
            config,
            stop: stop.child_token(),
            ended: CancellationToken::new(),
        });
        if let Some(spool) = &shared.config.spool {
            spooler::start(&shared, spool);
        }
        tasks.spawn(run(Arc::clone(&shared)));
        Arc::new(Self { shared })
    }

    /// Hands frames over without ever waiting: one lock for all of them, so `frames` should only hand
    /// out what is ready. Under [`WhenFull::Block`], where there is no room to wait for, the new frames
    /// are dropped and counted; a producer that can wait calls [`offer_wait`](Self::offer_wait).
    pub fn offer(&self, frames: impl IntoIterator<Item = Bytes>) {
        self.shared.queue.offer(Source::Offered, frames.into_iter());
    }

    /// Hands frames over, waiting where the configuration says so: for room under
    /// [`WhenFull::Block`], for the frames to be written in [`SendMode::Sync`]. In all other cases, and
    /// as long as there is room, it is done when first polled.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the frames already taken in the queue; those still in the iterator
    /// are not counted at all.
    pub async fn offer_wait<I>(&self, frames: I)
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send,
    {
        self.shared.queue.offer_wait(frames.into_iter()).await;
    }

    /// Hands over a message of our own. Never waits; counted as originated instead of offered.
    pub fn originate(&self, frame: Bytes) {
        self.shared
            .queue
            .offer(Source::Originated, std::iter::once(frame));
    }

    /// What the destination was made with.
    #[must_use]
    pub fn config(&self) -> &DestinationConfig {
        &self.shared.config
    }

    /// A consistent reading of everything that is counted.
    #[must_use]
    pub fn stats(&self) -> DestinationStats {
        let now = Instant::now();
        let config = &self.shared.config;
        self.shared.queue.reading(|reading, link| DestinationStats {
            name: config.name().to_owned(),
            transport: config.transport(),
            state: link.state,
            state_for: now.saturating_duration_since(link.since),
            breaker: link.breaker(now),
            available: link.is_available(now),
            failures: link.failures(now),
            peer: link.peer,
            last_error: link.last_error.as_ref().map(|error| LastError {
                words: error.words.clone(),
                reason: error.reason,
                age: now.saturating_duration_since(error.at),
            }),
            ledger: reading.ledger,
            queued_octets: reading.queued_octets,
            delivered_octets: reading.delivered_octets,
            postponed: reading.postponed,
            link: reading.counters,
            spool: (reading.spool.zip(config.spool.as_ref()))
                .map(|(counters, config)| SpoolStats::new(counters, config)),
        })
    }

    /// What somebody needs to know who can choose between destinations: one lock, no allocation.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.queue.health(Instant::now())
    }

    /// The ledger alone: cheaper than [`stats`](Self::stats).
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.queue.ledger()
    }

    /// Takes no more frames, writes what is queued, closes the connection in good order, and stops.
    /// What is not written after `limit` is lost and counted. Frames offered from now on are dropped.
    ///
    /// With a spool nothing is lost as long as the disk takes it: what is on disk stays there, and what is in
    /// memory joins it after `limit`, or at once where the destination is down.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the destination draining without a limit.
    pub async fn drain(&self, limit: Duration) -> Drained {
        let before = self.ledger();
        self.shared.queue.begin_drain();
        if tokio::time::timeout(limit, self.shared.ended.cancelled())
            .await
            .is_err()
        {
            self.shared.stop.cancel();
            self.shared.ended.cancelled().await;
        }
        let after = self.ledger();
        Drained {
            delivered: after.delivered - before.delivered,
            lost: after.dropped.count(DropReason::Shutdown)
                - before.dropped.count(DropReason::Shutdown),
            spooled: after.spooled,
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

async fn run(shared: Arc<Shared>) {
    let end = End(shared);
    let shared = &*end.0;
    match &shared.config.link {
        LinkKind::Udp => udp::run(shared).await,
        LinkKind::Tcp => stream::run(shared).await,
        LinkKind::Tls(tls) => {
            if tls.is_insecure() {
                tracing::warn!(
                    destination = shared.config.name(),
                    "tls without verification: any certificate is accepted"
                );
            }
            stream::run(shared).await;
        }
    }
    if shared.config.spool.is_some() {
        shared.queue.begin_closing_spool();
        let closed = shared.queue.spool_closed();
        if tokio::time::timeout(SPOOL_CLOSING_LIMIT, closed)
            .await
            .is_err()
        {
            tracing::error!(
                destination = shared.config.name(),
                "the disk takes too long: what is in memory is lost"
            );
        }
    }
}

/// Closes the books however the task ends.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue.close(Instant::now());
        self.0.ended.cancel();
    }
}
