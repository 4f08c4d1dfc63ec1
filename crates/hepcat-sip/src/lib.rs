//! hepcat-sip
