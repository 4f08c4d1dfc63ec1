//! Call-IDs that are another Call-ID with something put before or after it.

use serde::{Deserialize, Serialize};

/// A prefix or suffix. A `#` in it stands for one or more digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Affix {
    /// At the beginning.
    Prefix(String),
    /// At the end.
    Suffix(String),
}

impl Affix {
    /// Something put before a Call-ID.
    #[must_use]
    pub fn prefix(pattern: impl Into<String>) -> Self {
        Self::Prefix(pattern.into())
    }

    /// Something put after a Call-ID.
    #[must_use]
    pub fn suffix(pattern: impl Into<String>) -> Self {
        Self::Suffix(pattern.into())
    }

    /// `call_id` without it; `None` where it does not have it, or is nothing else.
    #[must_use]
    pub fn strip<'a>(&self, call_id: &'a [u8]) -> Option<&'a [u8]> {
        let rest = match self {
            Self::Prefix(pattern) => strip_front(call_id, pattern.as_bytes()),
            Self::Suffix(pattern) => strip_back(call_id, pattern.as_bytes()),
        };
        rest.filter(|rest| !rest.is_empty() && rest.len() < call_id.len())
    }
}

fn strip_front<'a>(text: &'a [u8], pattern: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    for wanted in pattern {
        rest = if *wanted == b'#' {
            let digits = rest
                .iter()
                .take_while(|octet| octet.is_ascii_digit())
                .count();
            rest.get(digits..).filter(|_| digits > 0)?
        } else {
            rest.split_first().filter(|(octet, _)| *octet == wanted)?.1
        };
    }
    Some(rest)
}

fn strip_back<'a>(text: &'a [u8], pattern: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    for wanted in pattern.iter().rev() {
        rest = if *wanted == b'#' {
            let digits = rest
                .iter()
                .rev()
                .take_while(|octet| octet.is_ascii_digit())
                .count();
            rest.get(..rest.len() - digits).filter(|_| digits > 0)?
        } else {
            rest.split_last().filter(|(octet, _)| *octet == wanted)?.1
        };
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affixes_are_taken_off() {
        for (affix, call_id, base) in [
            (Affix::suffix("_b2b-#"), "abc@h_b2b-1", Some("abc@h")),
            (Affix::suffix("_b2b-#"), "abc@h_b2b-12", Some("abc@h")),
            (Affix::suffix("_b2b-#"), "abc@h_b2b-", None),
            (Affix::suffix("_b2b-#"), "abc@h", None),
            (Affix::suffix("_b2b-#"), "_b2b-1", None),
            (Affix::suffix(";leg=b"), "abc;leg=b", Some("abc")),
            (Affix::prefix("leg#-"), "leg2-abc", Some("abc")),
            (Affix::prefix("leg#-"), "leg-abc", None),
            (Affix::prefix("B."), "B.abc", Some("abc")),
            (Affix::suffix(""), "abc", None),
            (Affix::suffix("#"), "abc17", Some("abc")),
        ] {
            let stripped = affix.strip(call_id.as_bytes());
            assert_eq!(stripped, base.map(str::as_bytes), "{affix:?} {call_id}");
        }
    }
}
