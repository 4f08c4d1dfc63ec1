//! What listeners promise, over real sockets on loopback.
#![expect(
    clippy::unwrap_used,
    reason = "the test configuration of the lint does not reach helpers outside of test functions"
)]

mod datagrams_arrive_as_they_were_sent;
mod handlers_say_who_may_stay;
mod rig;
mod settings_change_without_letting_go_of_the_address;
mod streams_are_framed_however_they_are_cut;
mod streams_have_limits;
mod tls_connections_are_who_they_say;
