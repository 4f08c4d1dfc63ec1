//! Octets to tokens: words, strings, variables and punctuation, without comments.

use super::source::{ReadError, Sources, Span};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits, `_` and `.`: names, keywords, numbers, IPv4 addresses.
    Word(String),
    /// What stands between quotes, escapes resolved.
    Text(String),
    /// `$name`, `$name(…)` or `$(…)`, as written without the `$`.
    Variable(String),
    /// An operator or a character that is nothing else.
    Sign(&'static str),
    /// A character of no meaning; the reader decides whether it disturbs.
    Other(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word()
            .is_some_and(|own| own.eq_ignore_ascii_case(word))
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.kind, Kind::Sign(own) if own == sign)
    }
}

/// Longer ones before those that they begin with.
const SIGNS: [&str; 41] = [
    "<<=", ">>=", "==", "!=", "=~", "!~", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=", "%=",
    "&=", "|=", "^=", ":=", "<<", ">>", "(", ")", "{", "}", "[", "]", ";", ",", "=", "<", ">", "!",
    "+", "-", "*", "/", "%", "&", "|", ":",
];

/// All tokens of a file.
///
/// # Errors
/// A comment or a string that does not end, a string that OpenSIPS would refuse.
pub(super) fn tokens(sources: &Sources, file: usize) -> Result<Vec<Token>, ReadError> {
    let mut lexer = Lexer {
        sources,
        file,
        text: sources.text(file),
        at: 0,
    };
    // A byte order mark says nothing.
    if lexer.text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    sources: &'a Sources,
    file: usize,
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn span(&self, start: usize) -> Span {
        Span {
            file: self.file,
            octets: start..self.at,
        }
    }

    fn error(&self, start: usize, message: &str) -> ReadError {
        self.sources.error(&self.span(start), message)
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn next(&mut self) -> Result<Option<Token>, ReadError> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        let kind = match first {
            '"' | '\'' => Kind::Text(self.string(first)?),
            '$' => self.variable(),
            c if is_word(c) => {
                self.skip_while(is_word);
                Kind::Word(self.text.get(start..self.at).unwrap_or_default().to_owned())
            }
            c => {
                let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign));
                self.at += sign.map_or_else(|| c.len_utf8(), str::len);
                sign.map_or(Kind::Other(c), Kind::Sign)
            }
        };
        Ok(Some(Token {
            kind,
            span: self.span(start),
        }))
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), ReadError> {
        loop {
            self.skip_while(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with('#') || (rest.starts_with("//") && self.begins_line()) {
                self.skip_while(|c| c != '\n');
            } else if rest.starts_with("/*") {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// `//` is a comment where nothing stands before it, and part of a path or an address anywhere else.
    fn begins_line(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        line.chars().all(char::is_whitespace)
    }

    /// A comment between `/*` and `*/`, with others inside.
    fn skip_comment(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if let Some(next) = self.peek() {
                self.at += next.len_utf8();
            } else {
                self.at = start + 2;
                return Err(self.error(
                    start,
                    "this comment does not end (comments nest: each `/*` needs its own `*/`)",
                ));
            }
        }
    }

    /// A string in quotes; in single ones nothing is special.
    fn string(&mut self, quote: char) -> Result<String, ReadError> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.peek() else {
                self.at = start + 1;
                return Err(self.error(start, "this string does not end"));
            };
            let at = self.at;
            self.at += c.len_utf8();
            if c == quote {
                return Ok(text);
            }
            if c != '\\' || quote == '\'' {
                text.push(c);
                continue;
            }
            match self.peek() {
                Some('\n' | '\r') => {
                    return Err(self.error(
                        at,
                        "a backslash before a line break is refused inside a string: close it and open another, \
                         strings that follow each other are one",
                    ));
                }
                Some(escaped) => {
                    self.at += escaped.len_utf8();
                    match escaped {
                        'n' => text.push('\n'),
                        'r' => text.push('\r'),
                        't' => text.push('\t'),
                        '"' | '\\' | '\'' => text.push(escaped),
                        // The rest is kept for whoever reads the string: regular expressions, formats.
                        other => text.extend(['\\', other]),
                    }
                }
                None => {}
            }
        }
    }

    /// A variable, with what stands in its parentheses.
    fn variable(&mut self) -> Kind {
        let start = self.at + 1;
        self.at = start;
        if self.peek() != Some('(') {
            self.skip_while(is_word);
        }
        if self.at == start && self.peek() != Some('(') {
            return Kind::Other('$');
        }
        if self.peek() == Some('(') {
            let end = closing(self.rest());
            let Some(end) = end else {
                // Not a variable: the reader of statements will say so if it matters.
                return Kind::Other('$');
            };
            self.at += end + 1;
        }
        Kind::Variable(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }
}

/// Where the parenthesis closes that `text` begins with; it must do so before the statement ends.
fn closing(text: &str) -> Option<usize> {
    /// No variable is longer; without a bound a line of nothing but `$(` would take the square of its length.
    const LONGEST: usize = 256;
    let mut depth = 0usize;
    for (at, c) in text.char_indices().take(LONGEST) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\n' | ';' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lex(text: &str) -> Result<Vec<Kind>, ReadError> {
        let mut sources = Sources::default();
        let file = sources.add(Path::new("opensips.cfg"), text.to_owned());
        let kinds = tokens(&sources, file)?.into_iter().map(|token| token.kind);
        Ok(kinds.collect())
    }

    fn word(text: &str) -> Kind {
        Kind::Word(text.to_owned())
    }

    #[test]
    fn comments_of_every_kind_are_skipped_and_nest() {
        let text = "a # b\n/* c /* d */ e */ f\n// g\nh";
        assert_eq!(lex(text).unwrap(), [word("a"), word("f"), word("h")]);
        let error = lex("a\n  /* b /* c */").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 3), "{error}");
    }

    #[test]
    fn strings_resolve_escapes_in_double_quotes_only() {
        let text = r#""a\"b\n\." '\n' "c # d""#;
        let want = ["a\"b\n\\.", "\\n", "c # d"];
        assert_eq!(lex(text).unwrap(), want.map(|text| Kind::Text(text.into())));
        for bad in ["\"abc", "'abc", "\"a\\\nb\"", "\"a\\"] {
            assert!(lex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_hold_what_stands_in_their_parentheses() {
        let text = "$var(a.b) $ru $(hdr(X-A){s.len}) $ $(x";
        let var = |text: &str| Kind::Variable(text.to_owned());
        assert_eq!(
            lex(text).unwrap(),
            [
                var("var(a.b)"),
                var("ru"),
                var("(hdr(X-A){s.len})"),
                Kind::Other('$'),
                Kind::Other('$'),
                Kind::Sign("("),
                word("x"),
            ]
        );
    }

    #[test]
    fn long_signs_come_before_short_ones() {
        let signs = ["==", "=~", "=", "!", "<=", "<"].map(Kind::Sign);
        assert_eq!(lex("== =~ = ! <= <").unwrap(), signs);
    }
}
