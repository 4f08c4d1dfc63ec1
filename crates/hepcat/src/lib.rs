//! hepcat
