//! hepcat-testkit
