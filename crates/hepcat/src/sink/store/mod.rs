//! The store as a sink: what routes give it becomes rows.

pub mod class;
mod octets;
pub mod row;
