//! What is wrong with a query, where, and what would be right.

use std::{fmt, ops::Range};

use super::{MAX_DEPTH, MAX_LENGTH, MAX_PATTERNS, MAX_REGEXES};

/// Why a query was refused. `Display` says what is wrong in one line; [`render`](Self::render) also shows the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct QueryError {
    problem: Problem,
    span: Range<usize>,
}

impl QueryError {
    pub(super) fn new(problem: Problem, span: Range<usize>) -> Self {
        Self { problem, span }
    }

    /// The octets of the query that are wrong; empty at the place where something is missing.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What would be right, where that can be said.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        self.problem.help()
    }

    /// The fault in plain text over several lines: what, the line of `query` with the place marked, and help.
    /// No final line end.
    #[must_use]
    pub fn render(&self, query: &str) -> String {
        let (line, column, width) = excerpt(query, &self.span);
        let mut out = format!("{self}\n  {line}\n  {:column$}{:^<width$}", "", "");
        if let Some(help) = self.help() {
            out.push_str("\n  ");
            out.push_str(&help);
        }
        out
    }
}

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something else had to come here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What may stand here.
        expected: &'static str,
        /// What does.
        found: Found,
    },
    /// A word before an operator that is no field.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The word.
        name: String,
        /// The field that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A field that only calls have, asked of messages.
    #[error("`{field}` is known of calls, not of single messages")]
    OnlyOfCalls {
        /// The field.
        field: String,
    },
    /// A field that only the store knows, asked of messages as they arrive.
    #[error("`{field}` is known of what is stored, not of messages as they arrive")]
    OnlyOfStored {
        /// The field.
        field: String,
    },
    /// What calls know and what their messages know, under one `OR` or `NOT`.
    #[error(
        "`{call}` is asked of calls and `{message}` of their messages, so they cannot stand under one OR or NOT"
    )]
    Mixed {
        /// A field of calls.
        call: String,
        /// A field of messages.
        message: String,
    },
    /// A time that is counted back from now, where a query outlives the moment at which it is read.
    #[error("nothing is counted back from now here")]
    NoNow,
    /// A word that is none of those that the field can have.
    #[error("`{value}` is none of {}", words.join(", "))]
    Choice {
        /// As written.
        value: String,
        /// What there is.
        words: &'static [&'static str],
    },
    /// `and`, `or`, `not`, `&&`, `||`: meant as operators, or as text?
    #[error("`{word}` is neither an operator nor quoted text")]
    AmbiguousKeyword {
        /// As written.
        word: String,
        /// The operator.
        keyword: &'static str,
    },
    /// An operator that the field's kind does not have.
    #[error("`{operator}` does not apply to `{field}`")]
    Operator {
        /// The field.
        field: String,
        /// As written.
        operator: &'static str,
        /// What applies.
        applicable: &'static str,
    },
    /// A value that the field's kind cannot be.
    #[error("`{value}` is not {expected}")]
    Value {
        /// As written.
        value: String,
        /// What the field takes.
        expected: &'static str,
        /// A nearer hint.
        hint: Option<&'static str>,
    },
    /// A range that holds nothing.
    #[error("the range ends before it begins")]
    EmptyRange,
    /// A comma outside a list.
    #[error("a comma outside a list")]
    Comma,
    /// A quotation mark without its partner.
    #[error("the quotation mark is never closed")]
    OpenQuote,
    /// A backslash before something that has no escape.
    #[error("`\\{0}` is not an escape")]
    Escape(char),
    /// A regular expression that is none.
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// A regular expression whose machine would be too large.
    #[error("the regular expression is too large")]
    RegexTooLarge,
    /// The query has too many octets.
    #[error("the query is longer than {MAX_LENGTH} octets")]
    TooLong,
    /// Too many parentheses and negations inside each other.
    #[error("conditions are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Too many values.
    #[error("the query has more than {MAX_PATTERNS} values")]
    TooManyPatterns,
    /// Too many regular expressions.
    #[error("the query has more than {MAX_REGEXES} regular expressions")]
    TooManyRegexes,
}

/// What stood where something else was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing: the query was over.
    End,
    /// A space.
    Space,
    /// This.
    Text(String),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the query"),
            Self::Space => f.write_str("a space"),
            Self::Text(text) => write!(f, "`{text}`"),
        }
    }
}

impl Problem {
    fn help(&self) -> Option<String> {
        let text = match self {
            Self::UnknownField {
                suggestion: Some(name),
                ..
            } => {
                return Some(format!(
                    "did you mean `{name}`? to look for the text itself, put it in quotes"
                ));
            }
            Self::UnknownField { .. } => {
                "to look for the text itself, put it in quotes; header.NAME asks for a SIP header"
            }
            Self::Choice { value, words } => {
                let near = nearest(value, words)?;
                return Some(format!("did you mean `{near}`?"));
            }
            Self::Mixed { .. } => "ask for both beside each other, or search messages",
            Self::OnlyOfStored { .. } => "it can be asked where stored messages are searched",
            Self::NoNow => {
                "it can be where the store is searched; here write a time with its date and zone, \
                 time>=2026-11-23T10:00+01:00"
            }
            Self::OnlyOfCalls { .. } => "it can be asked where calls are searched",
            Self::AmbiguousKeyword { word, keyword } => {
                return Some(format!(
                    "write {keyword} for the operator, \"{word}\" to look for the word"
                ));
            }
            Self::Operator { applicable, .. } => applicable,
            Self::Value { hint, .. } => return hint.map(str::to_owned),
            Self::Comma => {
                "a list stands in parentheses, method:(INVITE, BYE); text with a comma in quotes"
            }
            Self::Escape(_) => r#"in quotes, escapes are \" \\ \n \r \t; write \\ for a backslash"#,
            Self::RegexTooLarge => "shorten it, or use smaller counts in {…}",
            Self::TooDeep | Self::TooManyPatterns | Self::TooManyRegexes => {
                "ask for less at once, or in several queries"
            }
            Self::Unexpected { .. }
            | Self::EmptyRange
            | Self::OpenQuote
            | Self::Regex(_)
            | Self::TooLong => return None,
        };
        Some(text.to_owned())
    }
}

/// The word that was probably meant.
fn nearest(value: &str, words: &'static [&'static str]) -> Option<&'static str> {
    let folded = value.get(..MAX_WORD.min(value.len()))?.to_ascii_lowercase();
    words
        .iter()
        .map(|word| (strsim::osa_distance(word, &folded), *word))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, word)| word)
}

/// The distance is quadratic, and no word is this long.
const MAX_WORD: usize = 32;

/// How much of a line is shown before and after the fault, in characters.
const SHOWN: usize = 60;

/// The line of `query` around `span`, cut to a readable width, with the column (from 0) and width of the mark.
fn excerpt(query: &str, span: &Range<usize>) -> (String, usize, usize) {
    let before = query.get(..span.start).unwrap_or(query);
    let marked = query.get(span.clone()).unwrap_or_default();
    let after = query.get(span.end..).unwrap_or_default();
    let head = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    let marked = marked.split(['\n', '\r']).next().unwrap_or_default();
    let tail = after.split(['\n', '\r']).next().unwrap_or_default();

    let skipped = head.chars().count().saturating_sub(SHOWN);
    let mut line = String::new();
    if skipped > 0 {
        line.push('…');
    }
    line.extend(head.chars().skip(skipped).map(printable));
    let column = line.chars().count();
    line.extend(marked.chars().take(SHOWN).map(printable));
    let width = (line.chars().count() - column).max(1);
    let mut tail_chars = tail.chars();
    line.extend(tail_chars.by_ref().take(SHOWN).map(printable));
    if tail_chars.next().is_some() || marked.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    (line, column, width)
}

/// A query may come from anywhere and its excerpt goes to terminals and logs.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
