//! Whose side of a call a trace takes in.

use std::net::IpAddr;

use hepcat_wire::Message;

/// Both sides, or what passes between one of them and the proxy. Told by the captured source of the
/// message with which the trace began: that is the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Side {
    #[default]
    Both,
    /// What comes from the caller or goes to it.
    Caller(IpAddr, u16),
    /// Everything else.
    Callee(IpAddr, u16),
}

impl Side {
    /// The side of a call that `first` begins.
    pub(super) fn of<B: AsRef<[u8]>>(first: &Message<B>, caller: bool, callee: bool) -> Self {
        let end = first.canonical_src_ip().zip(first.src_port());
        match (end, caller, callee) {
            (Some((ip, port)), true, false) => Self::Caller(ip, port),
            (Some((ip, port)), false, true) => Self::Callee(ip, port),
            _ => Self::Both,
        }
    }

    /// Whether a message passes on this side.
    pub(super) fn has<B: AsRef<[u8]>>(self, message: &Message<B>) -> bool {
        let touches = |ip, port| {
            let ends = [
                (message.canonical_src_ip(), message.src_port()),
                (message.canonical_dst_ip(), message.dst_port()),
            ];
            ends.contains(&(Some(ip), Some(port)))
        };
        match self {
            Self::Both => true,
            Self::Caller(ip, port) => touches(ip, port),
            Self::Callee(ip, port) => !touches(ip, port),
        }
    }
}
