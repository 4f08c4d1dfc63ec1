//! Destinations, over real sockets, against collectors that behave and misbehave.

#![expect(missing_docs, reason = "a test")]

mod delivery;
mod rig;
