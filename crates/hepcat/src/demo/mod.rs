//! Synthetic calls: what `hepcat demo` plays, and tests share.
//!
//! ```text
//!   scenarios.txt ── script ──> Scenario ── play ──> Sighting, Sighting, ...   one call, as agents see it
//!                                  └── programme ──> all calls, spread over some minutes
//! ```
//!
//! A scenario says who sends what to whom, when, and which agents stand beside. Everything that a real call has besides
//! (Vias of each hop, tags, CSeq, who observes which hop) follows from that. The same number gives the same call.
//!
//! ```
//! let scenarios = hepcat::demo::scenarios().expect("the scenarios are checked by tests");
//! let busy = scenarios.iter().find(|scenario| scenario.name() == "busy").expect("there is one");
//! let seen = busy.play(1);
//! assert!(seen[0].payload().starts_with(b"INVITE "));
//! ```

mod media;
mod play;
mod programme;
mod script;
mod sip;

pub use play::Sighting;
pub use programme::{Programme, Scheduled};
pub use script::{Agent, Carrier, Expectation, Scenario, ScriptFault};

/// The scenarios that come with the program.
///
/// # Errors
/// Where the text of one makes no sense.
pub fn scenarios() -> Result<Vec<Scenario>, ScriptFault> {
    script::read(include_str!("scenarios.txt"))
}
