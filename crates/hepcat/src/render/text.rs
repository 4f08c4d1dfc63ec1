//! Text of others made harmless to show.

use std::fmt::Write;

/// Octets as text in which nothing acts on a terminal: control characters, marks that turn the direction
/// of writing or cannot be seen, and octets that are no UTF-8 become escapes (`\n`, `\u{202e}`, `\xff`).
#[must_use]
pub fn escape(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        push(&mut text, chunk.valid());
        for octet in chunk.invalid() {
            push_fmt(&mut text, format_args!("\\x{octet:02x}"));
        }
    }
    text
}

/// [`escape`] for text that is UTF-8.
#[must_use]
pub fn escape_str(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    push(&mut escaped, text);
    escaped
}

fn push(to: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\t' => to.push_str("\\t"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            c if c.is_ascii_control() => push_fmt(to, format_args!("\\x{:02x}", u32::from(c))),
            c if acts(c) => push_fmt(to, format_args!("\\u{{{:x}}}", u32::from(c))),
            c => to.push(c),
        }
    }
}

fn push_fmt(to: &mut String, arguments: std::fmt::Arguments<'_>) {
    to.write_fmt(arguments)
        .expect("writing to a String cannot fail");
}

/// Characters that do something instead of being seen: controls (C1 too, which terminals obey), line and
/// paragraph separators, direction marks and overrides, joiners and other invisible ones, tags.
pub(super) fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        let hostile = "a\x1b[31m\u{9b}31m\u{202e}b\u{2066}\u{200b}\r\n\t\x7f";
        let shown = escape(hostile.as_bytes());
        assert_eq!(
            shown,
            "a\\x1b[31m\\u{9b}31m\\u{202e}b\\u{2066}\\u{200b}\\r\\n\\t\\x7f"
        );
        assert!(!shown.chars().any(acts));
        assert_eq!(escape(b"caf\xe9 \xc3\xa9"), "caf\\xe9 é");
        assert_eq!(escape_str("日本"), "日本");
    }
}
