//! Passwords: hashed with Argon2id (RFC 9106), kept as PHC strings.

use std::{fmt, sync::LazyLock};

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};

use super::keys::random;

/// Octets of a password at least: NIST SP 800-63B §5.1.1 asks for eight characters.
pub const SHORTEST: usize = 8;
/// Octets of a password at most, so that hashing one is no work to speak of before the hash itself.
pub const LONGEST: usize = 1024;

/// Why something cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Shorter than [`SHORTEST`].
    #[error("a password has at least {SHORTEST} octets")]
    TooShort,
    /// Longer than [`LONGEST`].
    #[error("a password has at most {LONGEST} octets")]
    TooLong,
    /// No random octets, or no memory.
    #[error("the password could not be hashed")]
    Failed,
}

/// A password as it is kept. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashed(String);

impl Hashed {
    /// Hashes a new password. Takes tens of milliseconds and 19 MiB, which is meant.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn new(password: &[u8]) -> Result<Self, PasswordError> {
        if password.len() < SHORTEST {
            return Err(PasswordError::TooShort);
        }
        if password.len() > LONGEST {
            return Err(PasswordError::TooLong);
        }
        let salt: [u8; 16] = random().ok_or(PasswordError::Failed)?;
        let hash = hasher().hash_password_with_salt(password, &salt);
        hash.map(|hash| Self(hash.to_string()))
            .map_err(|_| PasswordError::Failed)
    }

    /// The text that [`to_text`](Self::to_text) gave.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The PHC string.
    #[must_use]
    pub fn to_text(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. As much work as hashing it was.
    #[must_use]
    pub fn fits(&self, password: &[u8]) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        PasswordHash::new(&self.0)
            .is_ok_and(|hash| hasher().verify_password(password, &hash).is_ok())
    }

    /// What a password is compared with where there is no such user: the same work, and never the same.
    #[must_use]
    pub fn of_nobody() -> Self {
        static NOBODY: LazyLock<Hashed> = LazyLock::new(|| {
            let password: [u8; 32] = random().unwrap_or([0; 32]);
            Hashed::new(&password).unwrap_or_else(|_| Hashed(String::new()))
        });
        NOBODY.clone()
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(..)")
    }
}

/// 19 MiB, two passes, one lane: the first of the equivalent settings of OWASP's Password Storage Cheat Sheet, and the
/// default of the crate.
fn hasher() -> Argon2<'static> {
    Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        Params::DEFAULT,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_fits() {
        let kept = Hashed::new(b"correct horse").unwrap();
        assert!(
            kept.to_text()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        let read = Hashed::from_text(kept.to_text().to_owned());
        assert!(read.fits(b"correct horse"));
        for other in [&b"correct hors"[..], b"", b"correct horse "] {
            assert!(!read.fits(other));
        }
        assert!(!Hashed::of_nobody().fits(&[0; 32]));
        assert!(!Hashed::from_text("not a hash".to_owned()).fits(b"not a hash"));
        assert_eq!(format!("{kept:?}"), "Hashed(..)");
    }

    #[test]
    fn two_of_the_same_password_differ() {
        let one = Hashed::new(b"correct horse").unwrap();
        assert_ne!(one, Hashed::new(b"correct horse").unwrap());
    }

    #[test]
    fn length_has_bounds() {
        assert_eq!(Hashed::new(b"seven77"), Err(PasswordError::TooShort));
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(Hashed::new(&long), Err(PasswordError::TooLong));
        assert!(!Hashed::of_nobody().fits(&long));
    }
}
