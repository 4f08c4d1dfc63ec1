//! The topmost Via: `SIP/2.0/UDP host:port;branch=...` (RFC 3261 §20.42).

use crate::{
    line::{is_space, trim},
    param,
};

/// The transport token of the first Via, space around the slashes allowed.
pub(crate) fn transport(via: &[u8]) -> Option<&[u8]> {
    let (_, rest) = param::split_once(via, b'/')?;
    let (_, rest) = param::split_once(rest, b'/')?;
    rest.trim_ascii_start()
        .split(|octet| is_space(*octet) || matches!(octet, b';' | b','))
        .next()
        .map(trim)
        .filter(|token| !token.is_empty())
}

/// The branch of the first of the Vias in `vias`.
pub(crate) fn branch(vias: &[u8]) -> Option<&[u8]> {
    param::value(vias, b"branch", Some(b','))
}
