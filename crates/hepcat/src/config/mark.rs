//! Values that remember where in the configuration they were written.

use std::{
    fmt,
    ops::{Deref, Range},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The text of one configuration file and the name it was read under.
pub(crate) struct Source {
    name: PathBuf,
    text: String,
    /// Octet offset at which each line begins.
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: &Path, text: String) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            name: name.to_owned(),
            text,
            line_starts,
        }
    }

    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Number of the line that holds `offset`, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Column of `offset` in its line, from 1, in characters.
    pub(crate) fn column(&self, offset: usize) -> usize {
        let range = self.line_range(self.line(offset));
        let before = self.text.get(range.start..offset.min(range.end));
        before.unwrap_or_default().chars().count() + 1
    }

    /// Octets of line `number` (from 1), without its line break.
    pub(crate) fn line_range(&self, number: usize) -> Range<usize> {
        let start_of = |number: usize| self.line_starts.get(number).copied();
        let start = start_of(number.saturating_sub(1)).unwrap_or(self.text.len());
        let end = start_of(number).unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or_default();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }
}

/// A place in a configuration file; empty for what was built in.
#[derive(Clone, Default)]
pub struct Mark {
    pub(super) place: Option<(Arc<Source>, Range<usize>)>,
}

impl Mark {
    pub(super) fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        Self {
            place: Some((Arc::clone(source), span)),
        }
    }

    /// Line, from 1; `None` for what was built in.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        let (source, span) = self.place.as_ref()?;
        Some(source.line(span.start))
    }

    /// A narrower place: `part` counts octets from the beginning of the TOML string marked here, after its
    /// escapes are undone.
    pub(super) fn within_string(&self, part: Range<usize>) -> Self {
        let Some((source, span)) = &self.place else {
            return Self::default();
        };
        let raw = source.text.get(span.clone()).unwrap_or_default();
        let start = span.start + raw_offset(raw, part.start);
        let end = span.start + raw_offset(raw, part.end);
        Self::new(source, start..end.max(start))
    }
}

/// `file:line:column`, not the whole file.
impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((source, span)) = &self.place else {
            return f.write_str("built in");
        };
        let (line, column) = (source.line(span.start), source.column(span.start));
        write!(f, "{}:{line}:{column}", source.name().display())
    }
}

/// Where the octet `decoded` of a TOML string's value stands in its written form, quotes included.
fn raw_offset(raw: &str, decoded: usize) -> usize {
    let basic = raw.starts_with('"');
    let opening = match raw.as_bytes() {
        [b'"', b'"', b'"', rest @ ..] | [b'\'', b'\'', b'\'', rest @ ..] => match rest {
            [b'\r', b'\n', ..] => 5,
            [b'\n', ..] => 4,
            _ => 3,
        },
        _ => 1,
    };
    let mut at = opening;
    let mut value = 0;
    while value < decoded {
        let rest = raw.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            break;
        };
        let (written, decoded_to) = if basic && first == '\\' {
            escape(rest)
        } else {
            (first.len_utf8(), first.len_utf8())
        };
        at += written;
        value += decoded_to;
    }
    at.min(raw.len())
}

/// Octets of the escape at the beginning of `rest`, as written and as meant (TOML 1.1, "String").
fn escape(rest: &str) -> (usize, usize) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let after = rest.get(1..).unwrap_or_default();
            let kept = after.trim_start_matches([' ', '\t', '\r', '\n']);
            return (rest.len() - kept.len(), 0);
        }
        _ => return (2, 1),
    };
    let meant = rest
        .get(2..2 + digits)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .and_then(char::from_u32)
        .map_or(1, char::len_utf8);
    (2 + digits, meant)
}

/// A value and where it was written. Two are equal when their values are: a moved line is no change.
#[derive(Debug, Clone, Default)]
pub struct Marked<T> {
    value: T,
    mark: Mark,
}

impl<T> Marked<T> {
    pub(super) fn new(value: T, mark: Mark) -> Self {
        Self { value, mark }
    }

    /// A value that stands in no file.
    #[must_use]
    pub fn built_in(value: T) -> Self {
        Self::new(value, Mark::default())
    }

    /// Where it was written.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The value alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Marked<U> {
        Marked::new(change(self.value), self.mark)
    }
}

impl<T> Deref for Marked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Marked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Marked<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = Source::new(Path::new("x"), "ab\r\nä = 1\n".to_owned());
        assert_eq!((source.line(0), source.column(0)), (1, 1));
        assert_eq!((source.line(4), source.column(4)), (2, 1));
        assert_eq!((source.line(7), source.column(7)), (2, 3));
        assert_eq!(source.line_range(1), 0..2);
        assert_eq!(source.line_range(3), 11..11);
    }

    #[test]
    fn a_place_within_a_string_survives_quotes_and_escapes() {
        for raw in [
            r#""ab;cd""#,
            r"'ab;cd'",
            r#"'''ab;cd'''"#,
            "\"\"\"\nab;cd\"\"\"",
            r#""a\u0062;cd""#,
            r#""\x61b;cd""#,
            "\"\"\"a\\\n   b;cd\"\"\"",
        ] {
            let at = raw_offset(raw, 2);
            assert!(raw.get(at..).unwrap().starts_with(";cd"), "{raw} {at}");
        }
    }

    #[test]
    fn an_offset_past_the_end_stays_inside_the_text() {
        assert_eq!(raw_offset("\"a\"", 40), 3);
        assert_eq!(raw_offset("\"\\", 40), 2);
    }
}
