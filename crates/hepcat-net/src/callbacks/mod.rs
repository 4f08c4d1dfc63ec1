//! Callbacks: code of yours that sees every message before routes do.
//!
//! ```text
//!   listener ─▶ Callbacks ─▶ next Handler          a message that a callback skips ends here, counted
//!                 └ first ▸ second ▸ …             frames that did not decode pass untouched
//! ```
//!
//! A [`Chain`] holds callbacks by name. For each message they run one after the other, in the order in which they were
//! registered (OpenSIPS runs the last one first), and each gets the [`Envelope`](crate::Envelope): the decoded message
//! with the listener, the transport, the peer, the time of arrival and the TLS identity. Messages are taken in order
//! of arrival, and the next one begins when the last callback of the one before is done.
//!
//! Each callback returns [`Flow::Continue`] or [`Flow::SkipRoutes`]. All of them run whatever the earlier ones said, and
//! one that skips is enough. One that fails, panics or takes longer than its [limit](Chain::time_limit) has no say: it
//! is counted, the log has a line about it at most once a second, and the message goes on. Without any callback every
//! message goes on, at no cost.
//!
//! ```
//! use hepcat_net::{Batch, Callbacks, Handler, callbacks::{Chain, Flow}};
//!
//! struct Routes;
//! impl Handler for Routes {
//!     async fn handle(&self, batch: &mut Batch) {
//!         println!("{} messages to route", batch.len());
//!     }
//! }
//!
//! let chain = Chain::new()
//!     .callback("no-ping", |envelope| {
//!         match envelope.message.payload().octets() {
//!             Some(payload) if payload.starts_with(b"OPTIONS ") => Flow::SkipRoutes,
//!             _ => Flow::Continue,
//!         }
//!     })
//!     .async_callback("lookup", async |envelope| {
//!         let allowed = tokio::net::lookup_host((envelope.origin.peer.ip(), 0)).await?.next().is_some();
//!         Ok::<_, std::io::Error>(if allowed { Flow::Continue } else { Flow::SkipRoutes })
//!     });
//! let handler = Callbacks::new(chain, Routes);
//! assert_eq!(handler.chain().stats()[0].name, "no-ping");
//! ```

mod chain;
mod failure;
mod flow;

pub use chain::{CallbackStats, Chain};
pub use flow::{Failure, Flow, IntoFlow};

use std::net::SocketAddr;

use crate::{Arrival, Batch, Handler, ListenerId, Origin, StreamFault};

/// A handler that lets callbacks look at messages first, and hands on what they do not skip.
#[derive(Debug)]
pub struct Callbacks<H> {
    chain: Chain,
    next: H,
}

impl<H: Handler> Callbacks<H> {
    /// `chain` in front of `next`.
    #[must_use]
    pub fn new(chain: Chain, next: H) -> Self {
        Self { chain, next }
    }

    /// The callbacks, for their counters.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The handler behind them.
    #[must_use]
    pub fn next(&self) -> &H {
        &self.next
    }

    /// Takes out what a callback skips. The others keep their order.
    async fn filter(&self, batch: &mut Batch) {
        let mut kept = 0;
        for at in 0..batch.len() {
            let flow = match batch.get(at) {
                Some(Arrival::Message(envelope)) => self.chain.run(envelope).await,
                _ => Flow::Continue,
            };
            if flow == Flow::Continue {
                batch.swap(kept, at);
                kept += 1;
            }
        }
        batch.truncate(kept);
    }
}

impl<H: Handler> Handler for Callbacks<H> {
    async fn handle(&self, batch: &mut Batch) {
        if !self.chain.is_empty() {
            self.filter(batch).await;
            if batch.is_empty() {
                return;
            }
        }
        self.next.handle(batch).await;
    }

    fn admit_connection(&self, listener: ListenerId, peer: SocketAddr) -> Result<(), &'static str> {
        self.next.admit_connection(listener, peer)
    }

    fn admit_session(&self, origin: &Origin) -> Result<(), &'static str> {
        self.next.admit_session(origin)
    }

    fn stream_fault(&self, listener: ListenerId, peer: SocketAddr, fault: StreamFault) {
        self.next.stream_fault(listener, peer, fault);
    }
}
