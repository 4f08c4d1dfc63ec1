//! Routes in Lua: a script is asked about one message at a time and answers with plain data.
//!
//! ```text
//! Script::compile ──► Script ──► Worker (one VM each, never shared) ──run(entries, Input)──► ScriptOutcome
//!                                   │
//!                                   └──► Shared: counters, tables, rate limits of the whole process
//! ```
//!
//! Nothing here waits, opens a socket or knows the pipeline. A script sees base, `table`, `string`, `math` and `utf8`
//! of Lua 5.4 and the functions of `docs/routes.md`; it is stopped after so many instructions, so much time and so much
//! memory. Whatever goes wrong in it, its outcome is then that of a script that said nothing, with the
//! [error](ScriptOutcome::error) beside it, and the worker is ready for the next message.
//!
//! The three types to know: [`Script`], [`Worker`] and [`ScriptOutcome`].

mod args;
mod check;
mod chunk_key;
mod chunk_value;
mod desk;
mod entry;
mod error;
mod failure;
mod functions;
mod guard;
mod hash;
mod input;
mod lexer;
mod limits;
mod msg;
mod names;
mod outcome;
mod refusal;
mod reply;
mod script;
mod shared;
mod syntax;
mod vm;
mod worker;

pub use entry::{EntryPoint, EntryPoints};
pub use error::{ErrorReason, ScriptError, ScriptFault, ScriptFaults};
pub use input::Input;
pub use limits::Limits;
pub use names::{DestinationFacts, ScriptNames};
pub use outcome::{
    CaptureLabel, Correlation, Originated, Report, ScriptOutcome, TraceFlags, TraceRequest,
    TraceScope, TraceTypes, Verdict,
};
pub use script::Script;
pub use shared::{CounterReading, Shared, SharedReading, TableReading};
pub use worker::Worker;
