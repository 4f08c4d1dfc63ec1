//! SIP methods that calls are told from.

use serde::{Deserialize, Serialize};

/// A method, as far as the state of a leg depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Method {
    /// INVITE
    Invite,
    /// ACK
    Ack,
    /// BYE
    Bye,
    /// CANCEL
    Cancel,
    /// PRACK
    Prack,
    /// UPDATE
    Update,
    /// INFO
    Info,
    /// REFER
    Refer,
    /// REGISTER
    Register,
    /// SUBSCRIBE
    Subscribe,
    /// NOTIFY
    Notify,
    /// PUBLISH
    Publish,
    /// MESSAGE
    Message,
    /// OPTIONS
    Options,
    /// Any other.
    Other,
}

impl Method {
    const NAMED: [(&'static str, Self); 14] = [
        ("INVITE", Self::Invite),
        ("ACK", Self::Ack),
        ("BYE", Self::Bye),
        ("CANCEL", Self::Cancel),
        ("PRACK", Self::Prack),
        ("UPDATE", Self::Update),
        ("INFO", Self::Info),
        ("REFER", Self::Refer),
        ("REGISTER", Self::Register),
        ("SUBSCRIBE", Self::Subscribe),
        ("NOTIFY", Self::Notify),
        ("PUBLISH", Self::Publish),
        ("MESSAGE", Self::Message),
        ("OPTIONS", Self::Options),
    ];

    /// Reads a method. SIP's methods are case-sensitive, some devices are not.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        Self::NAMED
            .iter()
            .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text))
            .map_or(Self::Other, |(_, method)| *method)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Which methods were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Methods(pub(super) u16);

impl Methods {
    pub(super) fn add(&mut self, method: Method) {
        self.0 |= method.bit();
    }

    pub(super) fn has(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    pub(super) fn any(self, methods: &[Method]) -> bool {
        methods.iter().any(|method| self.has(*method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_in_any_case_and_the_rest_is_other() {
        for (name, method) in Method::NAMED {
            assert_eq!(Method::read(name.as_bytes()), method);
            assert_eq!(Method::read(name.to_lowercase().as_bytes()), method);
        }
        assert_eq!(Method::read(b"INVITES"), Method::Other);
        assert_eq!(Method::read(b""), Method::Other);
    }
}
