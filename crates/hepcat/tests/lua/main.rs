//! Scripts, through the public API of `hepcat::lua`: what they decide, what they can do to a message, and that nothing
//! which goes wrong in them costs one.

mod bench_of;
mod check;
mod chunks;
mod functions;
mod limits;
mod message;
mod routes;
