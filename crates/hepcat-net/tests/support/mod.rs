//! Shared by the behaviour tests of this crate.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test binary uses its own part of this module"
)]

pub mod pki;
