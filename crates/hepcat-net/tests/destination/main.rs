//! Destinations, over real sockets, against collectors that behave and misbehave.

mod datagrams;
mod delivery;
mod full;
mod ledger;
mod outage;
mod patience;
mod retries;
mod rig;
mod sync;
mod tls;
