//! Octets that must not be seen: keys and tokens.

use std::{fmt, io, path::Path};

/// A shared key or a token. `Debug` shows nothing of it, not even its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret from a file; white space around it, such as the final line break, is not part of it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing.
    pub fn read(path: &Path) -> io::Result<Self> {
        let octets = std::fs::read(path)?;
        let secret = octets.trim_ascii();
        if secret.is_empty() {
            return Err(io::Error::other("the file holds no octets but white space"));
        }
        Ok(Self(secret.to_vec()))
    }

    /// The octets themselves. Compare them with `hepcat_wire::keys_equal`.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from(&b"hunter2"[..])), "Secret(..)");
    }
}
