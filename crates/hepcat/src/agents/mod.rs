//! Who may send, and what is known of those who do.
//!
//! An agent is *recorded* by its peer address and its capture agent ID (`pipeline::agents`). What *decides*
//! about it goes by the address alone, by the key in each frame and by the certificate of the connection:
//! everything else in a frame is only the sender's word.
//!
//! - [`Guard`]: address ranges, keys, certificate subjects and what becomes of unknown agents, of one listener;
//! - [`Decision`]: what an operator said about an address; it outlives the process;
//! - [`Limits`]: how much one address may send, and how often in a row what does not decode;
//! - [`ClockBounds`]: what clock of an agent is believed, and the estimate of how far it is off.
//!
//! All of it is plain state that takes the time as an argument; the ledger holds it under its lock and asks it
//! once for each run of frames of one agent, and for each frame only where a key or a limit is configured.

mod book;
mod clock;
mod guard;
mod limits;
mod pulse;
mod quarantine;
mod record;

pub use book::Decision;
pub(crate) use book::{AddressBook, Conduct};
pub use clock::{ClockBounds, ClockFault, sent_time};
pub use guard::{Guard, Standing, UnknownAgents};
pub use limits::Limits;
pub(crate) use pulse::Pulse;
pub(crate) use quarantine::Quarantine;
pub use record::AgentRecord;
