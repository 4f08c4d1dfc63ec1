//! Where listeners hand over what they received.

use std::future::Future;

use crate::Arrival;

/// Frames in order of arrival. Reused between hand-overs, so a steady listener allocates none.
pub type Batch = Vec<Arrival>;

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
}
