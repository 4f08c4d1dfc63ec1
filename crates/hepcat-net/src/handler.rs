//! Where listeners hand over what they received.

use std::{future::Future, net::SocketAddr, sync::Arc};

use crate::{Arrival, ListenerId, Origin};

/// Frames in order of arrival. Reused between hand-overs, so a steady listener allocates none.
pub type Batch = Vec<Arrival>;

/// What made a stream useless, without a frame that could be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFault {
    /// Octets where a frame should begin, and none does: the reason as decoding errors are counted.
    OutOfStep(&'static str),
    /// A TLS handshake that failed: the label under which it is counted.
    Handshake(&'static str),
}

/// The consumer of everything that a listener receives.
///
/// A listener reads on only when the future is done: awaiting is how TCP and TLS push back on their
/// sender. UDP cannot push back; while the handler waits the kernel queues, and what it then drops is
/// counted by the listener.
pub trait Handler: Send + Sync + 'static {
    /// Takes all frames out of `batch` (drains it; whatever is left in it is discarded).
    ///
    /// # Cancel safety
    /// Not cancelled by listeners: they wait for it, also while they stop.
    fn handle(&self, batch: &mut Batch) -> impl Future<Output = ()> + Send;

    /// Whether a connection may come in, asked when it is accepted and before anything is read. All do by
    /// default. Must not block.
    ///
    /// # Errors
    /// Why not, as a short fixed label: the connection is closed at once and counted under it.
    fn admit_connection(&self, listener: ListenerId, peer: SocketAddr) -> Result<(), &'static str> {
        let _ = (listener, peer);
        Ok(())
    }

    /// Whether a peer may stay whose TLS handshake is done, asked before its first message is read: `origin` says
    /// who it proved to be. All do by default. Must not block.
    ///
    /// # Errors
    /// As [`admit_connection`](Self::admit_connection).
    fn admit_session(&self, origin: &Origin) -> Result<(), &'static str> {
        let _ = origin;
        Ok(())
    }

    /// Told of a peer that is not understood, which the counters of a listener cannot name. Ignored by default. Must
    /// not block.
    fn stream_fault(&self, listener: ListenerId, peer: SocketAddr, fault: StreamFault) {
        let _ = (listener, peer, fault);
    }
}

/// A shared handler is one too.
impl<H: Handler> Handler for Arc<H> {
    fn handle(&self, batch: &mut Batch) -> impl Future<Output = ()> + Send {
        H::handle(self, batch)
    }

    fn admit_connection(&self, listener: ListenerId, peer: SocketAddr) -> Result<(), &'static str> {
        H::admit_connection(self, listener, peer)
    }

    fn admit_session(&self, origin: &Origin) -> Result<(), &'static str> {
        H::admit_session(self, origin)
    }

    fn stream_fault(&self, listener: ListenerId, peer: SocketAddr, fault: StreamFault) {
        H::stream_fault(self, listener, peer, fault);
    }
}
