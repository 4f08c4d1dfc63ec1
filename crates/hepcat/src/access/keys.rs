//! The key of a node, and what is signed with it: passes.
//!
//! A pass lets somebody in: a session (a cookie), a token (of a program), a link (to one call). Its text is
//!
//! ```text
//! hcs_SECRET_EXPIRES_SIGNATURE
//!     64     16      64          hexadecimal digits
//! ```
//!
//! with `hcs`, `hct` or `hcl` for what it is. The signature is HMAC-SHA-256 (RFC 2104) under the node's key, over
//! everything before it: what was not made here, or has expired, is refused without a look at what is kept. What is
//! kept is the digest of the secret; deleting that revokes the pass.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use sha2::{Digest as _, Sha256};

/// Octets of a secret: more than can ever be tried.
const SECRET: usize = 32;
/// Octets of a signature.
const SIGNATURE: usize = 32;
/// Length of a pass as text.
const LENGTH: usize = 4 + 2 * SECRET + 1 + 16 + 1 + 2 * SIGNATURE;

/// Random octets of the system; nothing where it has none.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).ok()?;
    Some(octets)
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// Of a user who signed in.
    Session,
    /// Of a program.
    Token,
    /// To one call.
    Link,
}

impl PassKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Session, Self::Token, Self::Link];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::Link => "link",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "hcs_",
            Self::Token => "hct_",
            Self::Link => "hcl_",
        }
    }
}

/// The key of a node. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct NodeKey(hmac::Key);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

impl NodeKey {
    /// The key of these octets.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, octets))
    }

    /// A few digits that tell nodes apart and say nothing of the key: browsers send a cookie to every port of a host.
    #[must_use]
    pub fn label(&self) -> String {
        let tag = hmac::sign(&self.0, b"label");
        hex(tag.as_ref().get(..4).unwrap_or_default())
    }

    /// A new pass, until `expires`. Nothing where the system has no random octets.
    #[must_use]
    pub fn issue(&self, kind: PassKind, expires: SystemTime) -> Option<(String, PassDigest)> {
        let secret: [u8; SECRET] = random()?;
        let head = format!(
            "{}{}_{:016x}",
            kind.prefix(),
            hex(&secret),
            seconds(expires)
        );
        let tag = hmac::sign(&self.0, head.as_bytes());
        let text = format!("{head}_{}", hex(tag.as_ref()));
        Some((text, PassDigest::of(&secret)))
    }

    /// The pass of a text, where it is one of ours and has not expired.
    #[must_use]
    pub fn read(&self, text: &str, now: SystemTime) -> Option<(PassKind, PassDigest)> {
        if text.len() != LENGTH || !text.is_ascii() {
            return None;
        }
        let kind = PassKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))?;
        let (head, signature) = text.rsplit_once('_')?;
        let signature = unhex(signature)?;
        hmac::verify(&self.0, head.as_bytes(), &signature).ok()?;
        let (secret, expires) = head.strip_prefix(kind.prefix())?.split_once('_')?;
        if u64::from_str_radix(expires, 16).ok()? <= seconds(now) {
            return None;
        }
        Some((kind, PassDigest::of(&unhex(secret)?)))
    }
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

/// What is kept of a pass: SHA-256 of its secret. The secret is random, so no salt and no slow hash is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PassDigest([u8; 32]);

impl PassDigest {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How people name the pass: the first eight hexadecimal digits, which say nothing of the secret.
    #[must_use]
    pub fn id(&self) -> String {
        hex(self.0.get(..4).unwrap_or_default())
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_pass_is_read_until_it_expires_and_under_its_own_key_only() {
        let key = NodeKey::new(b"key");
        for kind in PassKind::ALL {
            let (text, digest) = key.issue(kind, at(100)).unwrap();
            assert_eq!(text.len(), LENGTH);
            assert_eq!(key.read(&text, at(99)), Some((kind, digest)));
            assert_eq!(key.read(&text, at(100)), None);
            assert_eq!(NodeKey::new(b"other").read(&text, at(0)), None);
        }
        assert_eq!(format!("{key:?}"), "NodeKey(..)");
    }

    #[test]
    fn no_octet_of_a_pass_can_change() {
        let key = NodeKey::new(b"key");
        let (text, _) = key.issue(PassKind::Session, at(100)).unwrap();
        for place in 0..text.len() {
            for other in [b'0', b'1', b'f', b'_', b'A', b' '] {
                let mut changed = text.clone().into_bytes();
                if changed[place] == other {
                    continue;
                }
                changed[place] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(key.read(&changed, at(0)), None, "{place}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_pass(text in ".{0,300}") {
            prop_assert_eq!(NodeKey::new(b"key").read(&text, at(0)), None);
        }

        #[test]
        fn nothing_of_our_form_is_a_pass(text in "hc[stl]_[0-9a-f_]{146}") {
            prop_assert_eq!(NodeKey::new(b"key").read(&text, at(0)), None);
        }
    }
}
