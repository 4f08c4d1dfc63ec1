//! Tokio transport for HEP: listeners that hand over decoded frames, destinations that deliver them.
//!
//! HEP, the Homer Encapsulation Protocol, carries copies of SIP messages (and of logs, statistics and events) from the
//! programs that saw them, its *agents*, to whoever collects them. One copy with what is known about it (addresses,
//! time, who saw it) is a *frame*. With this crate a program can be the collector, the agent, or something in between.
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
//! [`Destination`], which takes frames without making anybody wait. Tasks are spawned on a
//! [`TaskTracker`](tokio_util::task::TaskTracker) and stop with a
//! [`CancellationToken`](tokio_util::sync::CancellationToken), both the caller's, so that a program can wait for them.
//!
//! # Receiving
//!
//! A new program needs `hepcat-net`, `hepcat-wire` (what a frame is), `tokio` (with `macros`, `rt-multi-thread`) and
//! `tokio-util` (with `rt`).
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
//!
//! # Relaying
//!
//! A handler that has a destination is a relay. The octets are those that came:
//!
//! ```
//! use std::sync::Arc;
//! use hepcat_net::{Arrival, Batch, Destination, DestinationConfig, Envelope, Handler};
//! # use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! struct Relay(Arc<Destination>);
//!
//! impl Handler for Relay {
//!     async fn handle(&self, batch: &mut Batch) {
//!         let frames = batch.drain(..).filter_map(|arrival| match arrival {
//!             Arrival::Message(Envelope { message, .. }) => {
//!                 // A datagram may be longer than the frame in it: what is behind the frame stays here.
//!                 Some(message.inner().slice(..message.as_frame().len()))
//!             }
//!             _ => None,
//!         });
//!         self.0.offer(frames);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
//! let config = DestinationConfig::udp("homer", "collector.example.net", 9060);
//! let relay = Relay(Destination::spawn(config, &tasks, &stop));
//! // The name need not resolve yet, and nobody need be there: frames wait in a bounded queue.
//! println!("{:?}", relay.0.stats().state);
//! # stop.cancel();
//! # tasks.close();
//! # tasks.wait().await;
//! # }
//! ```
//!
//! # Looking at messages on their way
//!
//! [`Callbacks`] wraps a handler and runs closures on every message first; each lets it go on or skips it. See
//! [`callbacks`].
//!
//! # Sending messages of your own
//!
//! [`trace`] packs a message and sends it to a destination by name:
//!
//! ```
//! use std::time::SystemTime;
//! use hepcat_net::{Destination, DestinationConfig, trace::{HepId, HepIds, PackRequest}};
//! use hepcat_wire::IpProtocol;
//! # use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
//! let config = DestinationConfig::udp("homer", "127.0.0.1", 9060);
//! let ids = HepIds::new();
//! ids.define(HepId::new(Destination::spawn(config, &tasks, &stop)).capture_id(2001))?;
//!
//! let sip = b"OPTIONS sip:example.org SIP/2.0\r\nCall-ID: a84b4c\r\n\r\n";
//! let request = PackRequest::sip(IpProtocol::UDP, sip)
//!     .source("192.0.2.1:5060".parse()?)
//!     .destination("198.51.100.2:5060".parse()?)
//!     .correlation_id(b"a84b4c");
//! ids.send("homer", &request, SystemTime::now())?;
//! # stop.cancel();
//! # tasks.close();
//! # tasks.wait().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Whole programs
//!
//! Two lie in `examples/`: `trace_own_sip` is a SIP program that traces itself over TLS, and `count_methods` is a
//! collector that counts methods per agent. `cargo run -p hepcat-net --example count_methods` starts one.

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
pub use handler::{Batch, Handler, StreamFault};
pub use rustls;
