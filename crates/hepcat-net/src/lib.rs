//! Tokio transport for HEP: listeners that hand over decoded frames, destinations that deliver them.
//!
//! ```text
//!   agents ──UDP──▶ socket ───┐                             ┌─▶ Destination: queue ▸ task ──UDP─────▶
//!          ──TCP──▶ deframer ─┼─▶ Batch of Arrivals ─▶ Handler
//!          ──TLS──▶ deframer ─┘   (decoded, with origin)    └─▶ Destination: queue ▸ task ──TCP/TLS─▶ collectors
//! ```
//!
//! A listener copies each frame out of its read buffer once, at its exact size, decodes it in place and hands
//! over a batch; it reads on when the [`Handler`] is done, which is how TCP and TLS push back. UDP cannot: what
//! the kernel drops meanwhile is counted. Everything is counted, in plain snapshots without any metrics library.
//!
//! It is not a router and knows no configuration file: who gets what is the handler's business. It chooses no
//! cryptography either: TLS takes a [`rustls`] provider from its caller.
//!
//! Three types to know: [`Handler`], which you write; [`ListenerConfig`](listener::ListenerConfig), which
//! becomes a running listener in two steps, so that all faults are known before anything is read; and
//! [`Destination`], which takes frames without making anybody wait.
//!
//! ```
//! use std::sync::Arc;
//! use hepcat_net::{Arrival, Batch, Handler, ListenerId, listener::{Listener, ListenerConfig}};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! struct Print;
//!
//! impl Handler for Print {
//!     async fn handle(&self, batch: &mut Batch) {
//!         for arrival in batch.drain(..) {
//!             match arrival {
//!                 Arrival::Message(envelope) => println!("{:?}", envelope.message.protocol_type()),
//!                 Arrival::Unparsable(unparsable) => println!("{}", unparsable.error),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
//! let config = ListenerConfig::udp(ListenerId(1), "127.0.0.1:0".parse()?);
//! let bound = Listener::bind(config)?;
//! println!("agents may send to {}", bound.local_addr());
//! let listener = bound.serve(Arc::new(Print), &tasks, stop.clone());
//!
//! stop.cancel();
//! tasks.close();
//! tasks.wait().await;
//! println!("{} datagrams", listener.stats().datagrams);
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

pub mod callbacks;
pub mod destination;
mod envelope;
mod handler;
pub mod listener;
pub mod spool;
pub mod tls;
pub mod trace;

pub use callbacks::Callbacks;
pub use destination::{Destination, DestinationConfig};
pub use envelope::{Arrival, Envelope, ListenerId, Origin, TlsIdentity, Transport, Unparsable};
pub use handler::{Batch, Handler};
pub use rustls;
