//! The store: rows in, rows out.
mod error;
mod row;
pub use error::*;
pub use row::{
    Class, Column, Envelope, MAX_BATCH_OCTETS, MAX_BATCH_ROWS, MAX_ROW_OCTETS, Row, RowBatch,
    RowBatchBuilder, RowId, Rows, SCHEMA_VERSION,
};
