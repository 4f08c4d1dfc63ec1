//! Regular expressions of `=~` as patterns of Lua, as far as they say the same.

/// The patterns of which one must be found in the text in lower case; `None` where Lua has no such patterns.
/// OpenSIPS matches without regard to case, so the patterns are in lower case.
pub(super) fn from_regex(regex: &str) -> Option<Vec<String>> {
    split_alternatives(regex)?
        .into_iter()
        .map(|alternative| convert(&alternative))
        .collect()
}

/// What stands between the bars; a group around everything is no obstacle.
fn split_alternatives(regex: &str) -> Option<Vec<String>> {
    let (prefix, inner) = match regex.strip_prefix('^') {
        Some(rest) => ("^", rest),
        None => ("", regex),
    };
    let (inner, suffix) = match inner.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => (rest, "$"),
        _ => (inner, ""),
    };
    let grouped = inner
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .filter(|inner| !inner.contains(['(', ')', '\\']));
    if let Some(inner) = grouped {
        let parts = inner
            .split('|')
            .map(|part| format!("{prefix}{part}{suffix}"));
        return Some(parts.collect());
    }
    let (mut parts, mut part, mut in_class) = (Vec::new(), String::new(), false);
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                part.push(c);
                part.push(chars.next()?);
            }
            '[' => {
                in_class = true;
                part.push(c);
            }
            ']' => {
                in_class = false;
                part.push(c);
            }
            '|' if !in_class => parts.push(std::mem::take(&mut part)),
            '(' | ')' if !in_class => return None,
            c => part.push(c),
        }
    }
    parts.push(part);
    Some(parts)
}

fn convert(regex: &str) -> Option<String> {
    let mut pattern = String::new();
    let mut chars = regex.chars().peekable();
    // Whether what stands before can be repeated.
    let mut single = false;
    let mut first = true;
    while let Some(c) = chars.next() {
        let repeats = matches!(c, '*' | '+' | '?');
        match c {
            '^' if first => pattern.push('^'),
            '$' if chars.peek().is_none() => pattern.push('$'),
            '^' | '$' | '{' | '}' | '(' | ')' | '|' => return None,
            '*' | '+' | '?' if single => pattern.push(c),
            '*' | '+' | '?' => return None,
            '.' => pattern.push('.'),
            '[' => convert_class(&mut chars, &mut pattern)?,
            '\\' => match chars.next()? {
                escaped if escaped.is_ascii_punctuation() => push_literal(&mut pattern, escaped),
                'd' => pattern.push_str("%d"),
                's' => pattern.push_str("%s"),
                'w' => pattern.push_str("[%w_]"),
                _ => return None,
            },
            c => push_literal(&mut pattern, c),
        }
        single = !repeats && c != '^' && c != '$' && c.is_ascii();
        first = false;
    }
    Some(pattern)
}

fn push_literal(pattern: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        pattern.push('%');
    }
    pattern.extend(c.to_lowercase());
}

/// A set in brackets, whose opening one is taken already.
fn convert_class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    pattern: &mut String,
) -> Option<()> {
    pattern.push('[');
    if chars.next_if_eq(&'^').is_some() {
        pattern.push('^');
    }
    let mut empty = true;
    loop {
        match chars.next()? {
            ']' if empty => pattern.push_str("%]"),
            ']' => break,
            // Classes of POSIX such as [:digit:].
            '[' => return None,
            '-' if empty || chars.peek() == Some(&']') => pattern.push_str("%-"),
            '-' => pattern.push('-'),
            '\\' => push_literal(pattern, chars.next()?),
            c if !c.is_ascii() => return None,
            c if c.is_ascii_punctuation() => push_literal(pattern, c),
            c => pattern.push(c.to_ascii_lowercase()),
        }
        empty = false;
    }
    pattern.push(']');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_expressions_have_patterns() {
        for (regex, patterns) in [
            ("friendly-scanner", &["friendly%-scanner"][..]),
            (
                "^sip:1[0-9]+@Example\\.org$",
                &["^sip%:1[0-9]+%@example%.org$"],
            ),
            ("^(INVITE|BYE)$", &["^invite$", "^bye$"]),
            ("a|b.*c?", &["a", "b.*c?"]),
            ("[^a-z_\\.-]\\d*", &["[^a-z%_%.%-]%d*"]),
            ("100%", &["100%%"]),
            ("", &[""]),
        ] {
            assert_eq!(from_regex(regex).as_deref().unwrap(), patterns, "{regex}");
        }
    }

    #[test]
    fn others_have_none() {
        for regex in [
            "(a|b)c",
            "a{2}",
            "[[:digit:]]",
            "a**",
            "*a",
            "a$b",
            "a\\",
            "\\bx",
            "[a",
            "é+",
        ] {
            assert_eq!(from_regex(regex), None, "{regex}");
        }
    }
}
