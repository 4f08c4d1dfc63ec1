//! What hepcat's own tests and figures need, and nothing that the product needs.
//!
//! It is **independent of the code under test**: it links none of the other crates, builds frames octet by
//! octet and splits streams by itself, so a mistake in the codec cannot hide behind the same mistake here, and
//! every crate of the workspace can use it as a dev-dependency. It is made of threads and blocking sockets,
//! without an async runtime, for the same reason and so that it costs little beside what is measured.
//!
//! ```text
//!   FakeAgent ──HEP──▶ what is tested ──HEP──▶ TcpProxy (cut, stall) ──▶ FakeCollector
//!   (frame, vector)    (NodeProcess)                                     (slow, deaf, resetting, refusing)
//! ```
//!
//! The types to know: [`FakeCollector`] stands where a destination points, [`FakeAgent`] sends to a listener,
//! [`TestCa`] makes certificates for both. Everything binds port 0 on loopback. As this is test code, what
//! cannot be set up panics with what was tried; [`load`], which makes the figures, returns errors instead.
//!
//! ```
//! use hepcat_testkit::{FakeAgent, FakeCollector, frame};
//!
//! let collector = FakeCollector::tcp();
//! let mut agent = FakeAgent::tcp(collector.address());
//! agent.send(&frame::sip_v3("OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n"));
//! assert_eq!(collector.wait_for(1).len(), 1);
//! ```

mod agent;
mod ca;
mod collector;
mod dns;
pub mod frame;
pub mod hostile;
pub mod load;
mod node;
mod proxy;
mod random;
mod require;
pub mod scene;
mod silent_line;
pub mod soak;
pub mod traffic;
mod vectors;

pub use agent::FakeAgent;
pub use ca::{Identity, TestCa};
pub use collector::{Behaviour, Collected, FakeCollector, TlsPeer};
pub use dns::{FakeDns, Service};
pub use node::{NodeProcess, hepcat_binary};
pub use proxy::TcpProxy;
pub use require::{program, skipped};
pub use silent_line::SilentLine;
pub use vectors::{Vector, testdata, vectors};
