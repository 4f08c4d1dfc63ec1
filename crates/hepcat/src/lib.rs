//! hepcat

pub mod config;
