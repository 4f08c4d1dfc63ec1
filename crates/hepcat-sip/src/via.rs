//! The topmost Via: `SIP/2.0/UDP host:port;branch=...` (RFC 3261 §20.42).

use crate::{
    line::{is_space, trim},
    param,
};

/// The first of the Vias in `value`.
pub(crate) fn topmost(value: &[u8]) -> &[u8] {
    match param::split(value, b',') {
        Some((first, _)) => first,
        None => value,
    }
}

/// The transport token, space around the slashes allowed.
pub(crate) fn transport(via: &[u8]) -> Option<&[u8]> {
    let (_, rest) = param::split_once(via, b'/')?;
    let (_, rest) = param::split_once(rest, b'/')?;
    rest.trim_ascii_start()
        .split(|octet| is_space(*octet) || *octet == b';')
        .next()
        .map(trim)
        .filter(|token| !token.is_empty())
}

pub(crate) fn branch(via: &[u8]) -> Option<&[u8]> {
    param::value(via, b"branch")
}
