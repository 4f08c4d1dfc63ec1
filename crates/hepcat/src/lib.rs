//! hepcat

pub mod capfile;
pub mod config;
pub mod render;
