//! Prometheus: one reading of the node, as text.

pub mod names;
mod render;

pub(crate) use render::scrape;
