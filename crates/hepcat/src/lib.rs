//! hepcat

pub mod capfile;
pub mod config;
