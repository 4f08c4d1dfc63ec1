//! Names of users, tokens and links.

/// Octets of a name at most.
const LONGEST: usize = 64;

/// A name that nobody can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {LONGEST} letters, digits and `.`, `_`, `-`, `@`")]
pub struct BadName;

/// Refuses names that could be taken for something else where they are shown.
///
/// # Errors
/// When it is empty, too long, or has other characters.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"._-@".contains(&octet);
    let starts = name
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphanumeric);
    if starts && name.len() <= LONGEST && name.bytes().all(is_good) {
        Ok(())
    } else {
        Err(BadName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["ann", "a", "Ann.B-c_d@example.org", "7"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in [
            "",
            "-a",
            " ann",
            "ann b",
            "a\n",
            "\u{202e}nna",
            "ann<b>",
            &long,
        ] {
            assert_eq!(check_name(bad), Err(BadName), "{bad}");
        }
    }
}
