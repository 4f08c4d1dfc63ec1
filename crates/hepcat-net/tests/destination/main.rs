//! Destinations, over real sockets, against collectors that behave and misbehave.

mod datagrams;
mod delivery;
mod full;
mod ledger;
mod names;
mod outage;
mod patience;
mod pushback;
mod retries;
mod rig;
mod spool;
mod sync;
mod tls;
