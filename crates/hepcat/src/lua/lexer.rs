//! The words of a script, each with its place: as much of Lua's grammar as checks need.

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name,
    /// A text in quotes or long brackets.
    Text,
    /// A number.
    Number,
    /// Anything else: one character, or `==`, `..` and the like.
    Symbol,
}

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it stands in the script.
    pub(super) raw: &'a str,
    /// Offset of its first octet.
    pub(super) start: usize,
}

impl<'a> Token<'a> {
    /// Offset behind its last octet.
    pub(super) fn end(self) -> usize {
        self.start + self.raw.len()
    }

    /// Whether it is this symbol or keyword.
    pub(super) fn is(self, raw: &str) -> bool {
        matches!(self.kind, Kind::Symbol | Kind::Name) && self.raw == raw
    }

    /// What a text says; `None` where it has escapes that would have to be followed, and for other words.
    pub(super) fn text(self) -> Option<&'a str> {
        if self.kind != Kind::Text {
            return None;
        }
        if let Some(rest) = self.raw.strip_prefix('[') {
            let level = rest.bytes().take_while(|octet| *octet == b'=').count();
            let inner = self
                .raw
                .get(level + 2..self.raw.len().checked_sub(level + 2)?)?;
            return Some(inner.strip_prefix('\n').unwrap_or(inner));
        }
        let inner = self.raw.get(1..self.raw.len().checked_sub(1)?)?;
        (!inner.contains('\\')).then_some(inner)
    }
}

/// The words of a script in their order. What is no word is passed over: finding faults of syntax is Lua's business.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = word(rest);
        let raw = rest.get(..length).unwrap_or(rest);
        if let Some(kind) = kind {
            let start = at;
            tokens.push(Token { kind, raw, start });
        }
        at += raw.len().max(1);
    }
    tokens
}

/// Kind and length of what stands first; no kind for what lies between words.
fn word(rest: &str) -> (Option<Kind>, usize) {
    let octets = rest.as_bytes();
    let first = octets.first().copied().unwrap_or(b' ');
    let count = |fits: fn(u8) -> bool| octets.iter().take_while(|octet| fits(**octet)).count();
    match first {
        _ if rest.starts_with("--") => {
            let behind = rest.get(2..).unwrap_or_default();
            let long = long_bracket(behind).map(|length| length + 2);
            let line = rest.find('\n').unwrap_or(rest.len());
            (None, long.unwrap_or(line))
        }
        _ if first.is_ascii_whitespace() => (None, count(|octet| octet.is_ascii_whitespace())),
        _ if is_name(first) && !first.is_ascii_digit() => (Some(Kind::Name), count(is_name)),
        _ if first.is_ascii_digit() => (Some(Kind::Number), count(|o| is_name(o) || o == b'.')),
        b'"' | b'\'' => (Some(Kind::Text), quoted(octets)),
        b'[' => match long_bracket(rest) {
            Some(length) => (Some(Kind::Text), length),
            None => (Some(Kind::Symbol), 1),
        },
        _ => {
            const LONGER: [&str; 11] = [
                "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>", "..",
            ];
            let longer = LONGER.into_iter().find(|symbol| rest.starts_with(symbol));
            let character = rest.chars().next().map_or(1, char::len_utf8);
            (Some(Kind::Symbol), longer.map_or(character, str::len))
        }
    }
}

const fn is_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

/// Length of a text in quotes; one that is not closed ends with its line.
fn quoted(octets: &[u8]) -> usize {
    let quote = octets.first().copied();
    let mut at = 1;
    while let Some(octet) = octets.get(at) {
        match octet {
            b'\\' => at += 2,
            b'\n' => return at,
            octet if Some(*octet) == quote => return at + 1,
            _ => at += 1,
        }
    }
    octets.len()
}

/// Length of `[[…]]`, `[=[…]=]` and so on; `None` where there is none. One that is not closed goes to the end.
fn long_bracket(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('[')?;
    let level = inner.bytes().take_while(|octet| *octet == b'=').count();
    let body = inner.get(level..)?.strip_prefix('[')?;
    let close = format!("]{}]", "=".repeat(level));
    let open = level + 2;
    Some(
        body.find(&close)
            .map_or(rest.len(), |at| open + at + close.len()),
    )
}

/// Line and column, in characters and both from 1, of an offset.
pub(super) fn place(source: &str, offset: usize) -> (u32, u32) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.bytes().filter(|octet| *octet == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (narrow(line), narrow(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raws(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.raw).collect()
    }

    #[test]
    fn words_comments_and_texts_are_told_apart() {
        let source =
            "f('a\\'b', [==[x]]y]==]) -- f(\"no\")\n--[[ f('no')\n ]] g{0x1F..\"ü\"} a.b[1] ~= c";
        let expected = [
            "f",
            "(",
            "'a\\'b'",
            ",",
            "[==[x]]y]==]",
            ")",
            "g",
            "{",
            "0x1F..",
            "\"ü\"",
            "}",
            "a",
            ".",
            "b",
            "[",
            "1",
            "]",
            "~=",
            "c",
        ];
        assert_eq!(raws(source), expected);
        let texts: Vec<_> = tokens(source).into_iter().filter_map(Token::text).collect();
        assert_eq!(texts, ["x]]y", "ü"]);
        assert_eq!(place("a\nüb", 4), (2, 2));
    }

    #[test]
    fn whatever_is_given_is_cut_into_words_that_stand_where_they_say() {
        for source in [
            "",
            "\"",
            "'\\",
            "[[",
            "[=",
            "--[[",
            "--[==[ x ]]",
            "é€\u{1f600}",
            "a\r\n\tb",
            "\"a\nb\"",
        ] {
            for token in tokens(source) {
                assert_eq!(
                    source.get(token.start..token.end()),
                    Some(token.raw),
                    "{source:?}"
                );
            }
        }
    }
}
