//! Rows: what the store keeps, as its users see it.

mod batch;
mod class;
mod collect;
mod columns;
mod envelope;
mod id;
mod kind;
mod spare;
mod stamps;
#[cfg(test)]
mod tests;

pub use batch::{MAX_BATCH_OCTETS, MAX_BATCH_ROWS, MAX_ROW_OCTETS, RowBatch, RowBatchBuilder};
pub(crate) use batch::{combine, decode, keep_frame};
pub use class::Class;
pub(crate) use collect::absent;
pub(crate) use columns::schema;
pub use columns::{Column, Row, Rows, SCHEMA_VERSION};
pub use envelope::{Envelope, Part};
pub use id::RowId;
pub(crate) use id::{MAX_GENERATION, MAX_NODE, MAX_PLACE};
pub(crate) use kind::{Form, Malformed, put_varint};
pub(crate) use stamps::Stamps;
