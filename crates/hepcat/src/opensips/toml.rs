//! Writing TOML: values, comments, and the tables of the result in their order.

use super::{
    reader::one_line,
    source::{Sources, Span},
};

/// A basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A source line as a comment shows it: on one line, cut where it is long, without passwords.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let text = hide_password(&one_line(text));
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut cut: String = text.chars().take(LONGEST).collect();
    cut.push('…');
    cut
}

/// `scheme://user:password@host` with its password blanked.
pub(super) fn hide_password(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        hidden.push_str(before);
        hidden.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''));
        let (authority, others) = after.split_at(end.unwrap_or(after.len()));
        match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                let user = user.split(':').next().unwrap_or_default();
                hidden.push_str(&format!("{user}:…@{host}"));
            }
            _ => hidden.push_str(authority),
        }
        rest = others;
    }
    hidden.push_str(rest);
    hidden
}

/// A part of the result: comments and keys, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Section {
    lines: Vec<String>,
}

impl Section {
    /// One line as it is; in a comment, what TOML does not let stand there is replaced.
    pub(super) fn line(&mut self, line: impl Into<String>) {
        let mut line = line.into();
        let is_harmless = |c: char| c == '\t' || !c.is_control();
        if line.starts_with('#') && !line.chars().all(is_harmless) {
            line = line.replace(|c| !is_harmless(c), "\u{fffd}");
        }
        self.lines.push(line);
    }

    /// `key = value`, where the value is TOML.
    pub(super) fn key(&mut self, key: &str, value: impl std::fmt::Display) {
        self.line(format!("{key} = {value}"));
    }

    /// A comment of our own.
    pub(super) fn comment(&mut self, text: &str) {
        self.line(format!("# {}", one_line(text)));
    }

    /// An empty line, never two.
    pub(super) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.line("");
        }
    }

    /// Where a table comes from.
    pub(super) fn origin(&mut self, sources: &Sources, span: &Span) {
        let text = shown(sources.slice(span));
        self.line(format!("# {}: {text}", sources.shown(span)));
    }

    /// A line of the source that has no counterpart, and why.
    pub(super) fn lost(&mut self, sources: &Sources, span: &Span, why: &str) {
        self.origin(sources, span);
        self.line(format!("#   {}", one_line(why)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds the lines of another section.
    pub(super) fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// The text, with one line break at its end.
    pub(super) fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        while text.ends_with('\n') {
            text.pop();
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_so_that_toml_reads_them_back() {
        for text in [
            "",
            "a",
            "a\"b\\c",
            "a\nb\tc\r",
            "\u{7}\u{7f}é€",
            "'",
            "\u{1f600}",
        ] {
            let table: toml::Table = format!("k = {}", quote(text)).parse().unwrap();
            assert_eq!(table["k"].as_str(), Some(text));
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (text, hidden) in [
            ("mysql://a:b@c/d", "mysql://a:…@c/d"),
            ("x \"postgres://a:b@c@h/d\" y", "x \"postgres://a:…@h/d\" y"),
            ("http://a/b@c:d", "http://a/b@c:d"),
            ("mysql://a@c/d http://u:p@h", "mysql://a@c/d http://u:…@h"),
        ] {
            assert_eq!(hide_password(text), hidden);
        }
    }
}
