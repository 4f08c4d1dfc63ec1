//! Integers as OpenSIPS writes them, and module names as it matches them.

use regex::RegexBuilder;

/// Decimal, hexadecimal (`0x1f`), octal (`017`), or a word for 0 or 1.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let lower = digits.to_ascii_lowercase();
    let number = match lower.as_str() {
        "yes" | "on" | "true" | "enable" => Some(1),
        "no" | "off" | "false" | "disable" => Some(0),
        "0" => Some(0),
        digits if digits.starts_with(['+', '-']) => None,
        hexadecimal if hexadecimal.starts_with("0x") => {
            let digits = hexadecimal.strip_prefix("0x").unwrap_or_default();
            let good = !digits.starts_with(['+', '-']);
            i64::from_str_radix(digits, 16).ok().filter(|_| good)
        }
        octal if octal.starts_with('0') => i64::from_str_radix(octal, 8).ok(),
        decimal => decimal.parse().ok(),
    };
    number.map(|number: i64| if negative { -number } else { number })
}

/// Whether the first argument of `modparam` means a module: a regular expression that is looked for in the name,
/// whatever the case.
pub(super) fn names_module(pattern: &str, module: &str) -> bool {
    /// No module has a longer name.
    const LONGEST: usize = 256;
    if pattern.len() > LONGEST || pattern.is_empty() {
        return false;
    }
    let expression = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(1 << 16)
        .build();
    match expression {
        Ok(expression) => expression.is_match(module),
        Err(_) => pattern.eq_ignore_ascii_case(module),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_in_four_notations() {
        for (text, number) in [
            ("0", Some(0)),
            ("9060", Some(9060)),
            ("0x2364", Some(9060)),
            ("021544", Some(9060)),
            ("yes", Some(1)),
            ("OFF", Some(0)),
            ("-1", Some(-1)),
            ("09", None),
            ("0x", None),
            ("0x-1", None),
            ("--1", None),
            ("+1", None),
            ("", None),
            ("9060x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }

    #[test]
    fn modules_are_matched_like_expressions() {
        for (pattern, module, matches) in [
            ("proto_hep", "proto_hep", true),
            ("PROTO_HEP", "proto_hep", true),
            ("proto_(tcp|hep)", "proto_hep", true),
            ("proto_", "proto_hep", true),
            ("hep|tracer", "tracer", true),
            ("^hep$", "proto_hep", false),
            ("proto_hep(", "proto_hep", false),
            ("", "proto_hep", false),
        ] {
            assert_eq!(names_module(pattern, module), matches, "{pattern}");
        }
    }
}
