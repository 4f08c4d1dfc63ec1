//! Waits for the log: only what it has is delivered.

use std::sync::{Arc, mpsc::Receiver};

use hepcat_store::{AppendError, Ticket};

use super::queue::Queue;

/// Frames that were handed to the log together.
#[derive(Debug)]
pub(super) struct Pending {
    /// Says when they are kept.
    pub(super) ticket: Ticket,
    /// How many.
    pub(super) frames: u64,
}

/// Counts what the log has, in order, until nothing more can come.
pub(super) fn run(queue: &Arc<Queue>, pending: &Receiver<Pending>) {
    for Pending { ticket, frames } in pending {
        match ticket.wait() {
            Ok(_) => queue.delivered(frames),
            // They are in the log and will be found; a kill costs none of them.
            Err(AppendError::Sync) => {
                tracing::error!(
                    frames,
                    "the log cannot be synced: a loss of power would cost these"
                );
                queue.delivered(frames);
            }
            Err(error) => queue.dropped(error.reason(), frames),
        }
    }
}
