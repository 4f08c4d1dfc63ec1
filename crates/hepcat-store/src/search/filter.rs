//! What a search asks of a row.

use std::{fmt, net::IpAddr, ops::RangeInclusive, sync::Arc};

use regex::bytes::{Regex, RegexBuilder};

use crate::row::{Class, Column, Row, RowId};

/// Octets that a compiled expression may have.
const REGEX_LIMIT: usize = 1 << 20;

/// A condition on rows. A row that has no value in a column fits no condition on it; its negation does fit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Filter {
    /// All of these; every row where there are none.
    All(Vec<Self>),
    /// At least one of these; no row where there are none.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The row is of one of these classes.
    Class(Vec<Class>),
    /// The column has a value.
    Present(Column),
    /// The column holds a number, or a time in microseconds, in one of these ranges.
    Number(Column, Vec<RangeInclusive<i64>>),
    /// The column holds a text, or octets, that fits.
    Text(Column, TextTest),
    /// The row fits, looked at as a whole.
    Rows(RowTest),
}

impl Default for Filter {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Filter {
    /// A text column is exactly `text`.
    #[must_use]
    pub fn is(column: Column, text: &str) -> Self {
        Self::Text(column, TextTest::is(text))
    }

    /// A number column is `number`.
    #[must_use]
    pub fn equals(column: Column, number: i64) -> Self {
        Self::Number(column, vec![number..=number])
    }

    /// The row is one of these.
    #[must_use]
    pub fn ids(ids: &[RowId]) -> Self {
        let ranges = ids.iter().map(|id| id.get()..=id.get()).collect();
        Self::Number(Column::RowId, merged(ranges))
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// The columns that it looks at.
    pub(super) fn columns(&self, into: &mut Vec<Column>) {
        let mut add = |column: Column| {
            if !into.contains(&column) {
                into.push(column);
            }
        };
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.columns(into);
                }
            }
            Self::Not(part) => part.columns(into),
            Self::Class(_) => add(Column::Class),
            Self::Present(column) | Self::Number(column, _) | Self::Text(column, _) => add(*column),
            Self::Rows(test) => test.columns.iter().for_each(|column| add(*column)),
        }
    }
}

/// The same numbers, in ranges that ascend and do not touch.
pub(super) fn merged(mut ranges: Vec<RangeInclusive<i64>>) -> Vec<RangeInclusive<i64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| *range.start());
    ranges.dedup_by(|next, last| {
        let touches = *next.start() <= last.end().saturating_add(1);
        if touches {
            *last = *last.start()..=*last.end().max(next.end());
        }
        touches
    });
    ranges
}

/// Any function that judges a text.
pub(super) trait TextFit: Fn(&[u8]) -> bool + Send + Sync {}

impl<F: Fn(&[u8]) -> bool + Send + Sync> TextFit for F {}

/// A condition on a text.
#[derive(Clone)]
pub struct TextTest(pub(super) Test);

#[derive(Clone)]
pub(super) enum Test {
    /// One of these, octet by octet.
    Is(Vec<Box<[u8]>>),
    /// One of these, ASCII letters in either case.
    IsIgnoringCase(Vec<Box<[u8]>>),
    Address(Vec<RangeInclusive<IpAddr>>),
    Contains(Arc<memchr::memmem::Finder<'static>>),
    Regex(Regex),
    Fits(Arc<dyn TextFit>),
}

/// An expression that is no regular expression, or one that is too large.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BadExpression(String);

impl TextTest {
    /// Exactly this text.
    #[must_use]
    pub fn is(text: &str) -> Self {
        Self::is_one_of([text])
    }

    /// Exactly one of these texts.
    #[must_use]
    pub fn is_one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Test::Is(
            texts
                .into_iter()
                .map(|text| text.as_bytes().into())
                .collect(),
        ))
    }

    /// One of these texts, ASCII letters in either case.
    #[must_use]
    pub fn is_one_of_ignoring_case<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: Vec<Box<[u8]>> = texts
            .into_iter()
            .map(|text| text.as_bytes().into())
            .collect();
        // Without letters (numbers, addresses) filters of segments can be asked.
        if texts
            .iter()
            .any(|text| text.iter().any(u8::is_ascii_alphabetic))
        {
            Self(Test::IsIgnoringCase(texts))
        } else {
            Self(Test::Is(texts))
        }
    }

    /// A pattern: `*` is any octets, also none, `?` is one octet; everything else is itself.
    ///
    /// # Errors
    /// The pattern is too large.
    pub fn glob(pattern: &str, ignore_case: bool) -> Result<Self, BadExpression> {
        let mut expression = String::from(r"\A");
        let mut rest = pattern;
        while let Some(at) = rest.find(['*', '?']) {
            let (literal, special) = rest.split_at(at);
            expression.push_str(&regex::escape(literal));
            expression.push_str(if special.starts_with('*') {
                "(?s-u:.)*"
            } else {
                "(?s-u:.)"
            });
            rest = special.get(1..).unwrap_or_default();
        }
        expression.push_str(&regex::escape(rest));
        expression.push_str(r"\z");
        compile(&expression, ignore_case)
    }

    /// The text is in it, anywhere.
    ///
    /// # Errors
    /// The text is too large.
    pub fn contains(text: &str, ignore_case: bool) -> Result<Self, BadExpression> {
        if ignore_case && text.bytes().any(|octet| octet.is_ascii_alphabetic()) {
            return compile(&regex::escape(text), true);
        }
        let finder = memchr::memmem::Finder::new(text.as_bytes()).into_owned();
        Ok(Self(Test::Contains(Arc::new(finder))))
    }

    /// A regular expression finds something in it; syntax of the crate `regex`.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn regex(expression: &str) -> Result<Self, BadExpression> {
        compile(expression, false)
    }

    /// It is an address in one of these ranges; IPv4 in IPv6 clothing is IPv4.
    #[must_use]
    pub fn addresses(ranges: Vec<RangeInclusive<IpAddr>>) -> Self {
        // A single address is text like any other: filters of segments can be asked.
        let single: Option<Vec<Box<[u8]>>> = ranges
            .iter()
            .map(|range| {
                let text = (range.start() == range.end()).then(|| range.start().to_string())?;
                Some(text.into_bytes().into_boxed_slice())
            })
            .collect();
        Self(single.map_or(Test::Address(ranges), Test::Is))
    }

    /// Whatever `test` says. It is asked once for each different text where texts repeat.
    #[must_use]
    pub fn fits(test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Test::Fits(Arc::new(test)))
    }

    /// Whether `text` fits.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.0 {
            Test::Is(texts) => texts.iter().any(|one| **one == *text),
            Test::IsIgnoringCase(texts) => texts.iter().any(|one| one.eq_ignore_ascii_case(text)),
            Test::Address(ranges) => str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .is_some_and(|address| {
                    let address = address.to_canonical();
                    ranges.iter().any(|range| {
                        range.start().is_ipv4() == address.is_ipv4() && range.contains(&address)
                    })
                }),
            Test::Contains(finder) => finder.find(text).is_some(),
            Test::Regex(regex) => regex.is_match(text),
            Test::Fits(test) => test(text),
        }
    }
}

fn compile(expression: &str, ignore_case: bool) -> Result<TextTest, BadExpression> {
    RegexBuilder::new(expression)
        .case_insensitive(ignore_case)
        .unicode(!expression.is_ascii())
        .size_limit(REGEX_LIMIT)
        .build()
        .map(|regex| TextTest(Test::Regex(regex)))
        .map_err(|error| BadExpression(error.to_string()))
}

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        match &self.0 {
            Test::Is(texts) | Test::IsIgnoringCase(texts) => f
                .debug_list()
                .entries(texts.iter().map(|one| text(one)))
                .finish(),
            Test::Address(ranges) => ranges.fmt(f),
            Test::Contains(finder) => write!(f, "contains {:?}", text(finder.needle())),
            Test::Regex(regex) => regex.fmt(f),
            Test::Fits(_) => f.write_str("fits"),
        }
    }
}

/// A condition on whole rows, for what no column says.
#[derive(Clone)]
pub struct RowTest {
    pub(super) columns: Vec<Column>,
    pub(super) test: Arc<dyn Fn(&Row<'_>) -> bool + Send + Sync>,
}

impl RowTest {
    /// `test` sees rows of which only `columns` are filled in.
    #[must_use]
    pub fn new(
        columns: Vec<Column>,
        test: impl Fn(&Row<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            columns,
            test: Arc::new(test),
        }
    }
}

impl fmt::Debug for RowTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowTest")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_are_one() {
        #[expect(clippy::reversed_empty_ranges, reason = "somebody may ask for nothing")]
        let ranges = vec![7..=9, 1..=3, 4..=4, 8..=8, 6..=5, 12..=i64::MAX, 20..=30];
        assert_eq!(merged(ranges), [1..=4, 7..=9, 12..=i64::MAX]);
        assert_eq!(merged(vec![i64::MIN..=i64::MAX]), [i64::MIN..=i64::MAX]);
    }
}
