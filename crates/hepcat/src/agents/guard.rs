//! What a listener asks of agents before it takes their messages.

use std::net::IpAddr;

use hepcat_net::Origin;
use hepcat_wire::{AuthKeys, Message};
use ipnet::IpNet;

use crate::pipeline::ledger::Refused;

/// What becomes of an agent about whose address no operator has said anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownAgents {
    /// It is as good as any other. The default: HEP is unauthenticated by nature.
    #[default]
    Accept,
    /// Its messages are kept apart and shown until somebody decides.
    Quarantine,
    /// Its messages are refused until somebody accepts it.
    Refuse,
}

/// Where an agent stands at a listener, before its single frames are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its messages are taken.
    Accepted,
    /// Its messages are kept apart.
    Quarantined,
    /// Its messages are refused.
    Refused(Refused),
}

impl Standing {
    /// `accepted`, `quarantined` or `refused`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Quarantined => "quarantined",
            Self::Refused(_) => "refused",
        }
    }
}

/// The conditions of one listener. The default asks nothing.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Vec<IpNet>,
    keys: AuthKeys,
    subjects: Vec<String>,
    unknown: UnknownAgents,
}

impl Guard {
    /// A guard that asks for an address in `allow`, one of `keys` in each message and a certificate of one of
    /// `subjects`; of what is empty it asks nothing.
    #[must_use]
    pub fn new(
        allow: Vec<IpNet>,
        keys: AuthKeys,
        subjects: Vec<String>,
        unknown: UnknownAgents,
    ) -> Self {
        Self {
            allow,
            keys,
            subjects,
            unknown,
        }
    }

    /// What becomes of agents nobody has decided about.
    #[must_use]
    pub fn unknown(&self) -> UnknownAgents {
        self.unknown
    }

    /// Whether messages need a key.
    #[must_use]
    pub fn asks_for_key(&self) -> bool {
        self.keys.is_required()
    }

    /// Whether somebody with this address may send.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|range| range.contains(&address))
    }

    /// Whether the peer showed a certificate that may send.
    #[must_use]
    pub fn certified(&self, origin: &Origin) -> bool {
        if self.subjects.is_empty() {
            return true;
        }
        let shown = origin.tls.as_ref().and_then(|tls| tls.subject.as_ref());
        shown.is_some_and(|shown| self.subjects.contains(shown))
    }

    /// Whether a message carries a key that is accepted, compared in a time that tells nothing. Versions 1 and 2
    /// carry none.
    #[must_use]
    pub fn opens<B: AsRef<[u8]>>(&self, message: &Message<B>) -> bool {
        self.keys.check(message).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use hepcat_net::{ListenerId, TlsIdentity, Transport};

    use super::*;

    fn guard(allow: &[&str], subjects: &[&str]) -> Guard {
        Guard::new(
            allow.iter().map(|range| range.parse().unwrap()).collect(),
            AuthKeys::default(),
            subjects.iter().map(|&subject| subject.to_owned()).collect(),
            UnknownAgents::Accept,
        )
    }

    #[test]
    fn ranges_of_both_families_allow_what_is_in_them() {
        let guard = guard(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"], &[]);
        for (address, allowed) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(guard.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(Guard::default().allows("203.0.113.1".parse().unwrap()));
    }

    #[test]
    fn a_subject_is_compared_as_a_whole() {
        let origin = |subject: Option<&str>| {
            let any = "127.0.0.1:1".parse().unwrap();
            let mut origin = Origin::new(ListenerId(0), Transport::Tls, any, any);
            origin.tls = Some(TlsIdentity::new(subject.map(str::to_owned), None));
            origin
        };
        let guard = guard(&[], &["CN=edge-1,O=Example"]);
        assert!(guard.certified(&origin(Some("CN=edge-1,O=Example"))));
        for other in [
            None,
            Some(""),
            Some("CN=edge-1"),
            Some("CN=edge-1,O=Example,C=FR"),
        ] {
            assert!(!guard.certified(&origin(other)), "{other:?}");
        }
        assert!(Guard::default().certified(&origin(None)));
    }
}
