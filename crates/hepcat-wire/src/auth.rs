//! Authenticate keys (generic chunk `0x000e`): plain text in every message, compared without telling how far it was
//! right.

use std::{fmt, hint::black_box};

use crate::{
    chunk::ChunkType,
    error::{DecodeError, DecodeErrorKind},
    message::Message,
};

/// Keys that are accepted. More than one lets a key be changed without losing agents.
#[derive(Clone, Default)]
pub struct AuthKeys {
    keys: Vec<Vec<u8>>,
}

impl AuthKeys {
    /// Accepts each of these keys. An empty key is none; without any key everybody is accepted.
    #[must_use]
    pub fn new<K: Into<Vec<u8>>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(K::into);
        Self {
            keys: keys.filter(|key| !key.is_empty()).collect(),
        }
    }

    /// Whether a message needs a key.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Checks the key of a message: octet by octet, so that a NUL at its end is wrong. Versions 1 and 2 have none.
    /// Where a message has several they must all be equal.
    ///
    /// # Errors
    /// [`DecodeErrorKind::AuthFailed`] where a key is required and the message's is absent or wrong.
    pub fn check<B: AsRef<[u8]>>(&self, message: &Message<B>) -> Result<(), DecodeError> {
        if !self.is_required() {
            return Ok(());
        }
        let mut presented = message
            .chunks()
            .filter(|chunk| chunk.is_generic(ChunkType::AUTH_KEY));
        let failed = |offset| {
            DecodeError::new(DecodeErrorKind::AuthFailed, offset).of_chunk(ChunkType::AUTH_KEY)
        };
        let first = presented.next().ok_or_else(|| failed(0))?;
        // Each key is compared to the end, the accepted one too: time tells neither which nor how much of it.
        let mut accepted = self.keys.iter().fold(false, |accepted, key| {
            accepted | keys_equal(first.value(), key)
        });
        for other in presented {
            accepted &= keys_equal(other.value(), first.value());
        }
        if accepted {
            Ok(())
        } else {
            Err(failed(first.offset()))
        }
    }
}

impl fmt::Debug for AuthKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthKeys({} redacted)", self.keys.len())
    }
}

/// Compares two keys in a time that depends on their lengths only.
#[must_use]
pub fn keys_equal(presented: &[u8], key: &[u8]) -> bool {
    let mut difference = u8::from(presented.len() != key.len());
    for (presented, key) in presented.iter().zip(key) {
        difference = black_box(difference | (presented ^ key));
    }
    black_box(difference) == 0
}
