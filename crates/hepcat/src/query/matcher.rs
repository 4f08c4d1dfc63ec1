//! A query made ready to run: patterns compiled once, cheap conditions asked before dear ones, nothing allocated per
//! subject.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use regex::bytes::{Regex, RegexBuilder};

use super::{
    ast::{Endpoint, Expr, Glob, Interval, Network, Pattern, Piece},
    error::Problem,
    field::{Field, Kind, Needs},
    subject::{Subject, Value},
};

/// Largest machine of one regular expression that a user wrote, octets. A class repeated some hundred times fits; the
/// sixteen that a query may have stay below 4 MiB.
const REGEX_SIZE: usize = 256 * 1024;

/// Largest machine of a text with wildcards, whose size follows from the length of the query.
const GLOB_SIZE: usize = 2 * 1024 * 1024;

/// Largest cache of one lazily built automaton, octets, per thread that runs it.
const REGEX_CACHE: usize = 512 * 1024;

/// How deep groups may be nested inside a regular expression.
const REGEX_DEPTH: u32 = 50;

/// A condition ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Everything,
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
    Test {
        field: Field,
        matchers: Box<[Matcher]>,
    },
}

/// A pattern ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    Present,
    /// The whole text.
    Exact(Text),
    /// Its beginning.
    Prefix(Text),
    /// Its end.
    Suffix(Text),
    /// Somewhere in it.
    Inside(Text, Regex),
    /// Everything else that is text. What is no UTF-8 in it counts as U+FFFD, which is how the store keeps it.
    Regex(Regex),
    /// Something in a payload, octet by octet.
    Octets(Regex),
    Number(Interval<i64>),
    Duration(Interval<Duration>),
    /// Microseconds since 1970.
    Time(Interval<i64>),
    Network(Network),
    Endpoint(Endpoint),
}

/// Octets to compare with: such as stay what they are where the octets around them are made UTF-8.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    octets: Box<str>,
    /// Whether ASCII letters are the same in both cases.
    fold: bool,
}

impl Node {
    /// Compiles a query. Fails only where a regular expression or a text is too large.
    pub(super) fn compile(expr: &Expr) -> Result<Self, Problem> {
        Ok(match expr {
            Expr::Everything => Self::Everything,
            Expr::And(parts) => Self::And(compile_all(parts)?),
            Expr::Or(parts) => Self::Or(compile_all(parts)?),
            Expr::Not(inner) => Self::Not(Box::new(Self::compile(inner)?)),
            Expr::Test(test) => Self::Test {
                field: test.field.clone(),
                matchers: test
                    .patterns
                    .iter()
                    .map(|pattern| Matcher::compile(&test.field, pattern))
                    .collect::<Result<_, _>>()?,
            },
        })
    }

    /// The dearest thing that may have to be looked at.
    fn needs(&self) -> Needs {
        match self {
            Self::Everything => Needs::Origin,
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().map(Self::needs).max().unwrap_or(Needs::Origin)
            }
            Self::Not(inner) => inner.needs(),
            Self::Test { field, .. } => field.needs(),
        }
    }

    pub(super) fn matches<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        match self {
            Self::Everything => true,
            Self::And(parts) => parts.iter().all(|part| part.matches(subject)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(subject)),
            Self::Not(inner) => !inner.matches(subject),
            Self::Test { field, matchers } => subject.any(field, &mut |value| {
                matchers.iter().any(|m| m.matches(value))
            }),
        }
    }
}

/// Cheap ones first: the order changes what is looked at, never the result.
fn compile_all(parts: &[Expr]) -> Result<Box<[Node]>, Problem> {
    let mut nodes = parts
        .iter()
        .map(Node::compile)
        .collect::<Result<Vec<_>, _>>()?;
    nodes.sort_by_key(Node::needs);
    Ok(nodes.into())
}

impl Matcher {
    fn compile(field: &Field, pattern: &Pattern) -> Result<Self, Problem> {
        Ok(match pattern {
            Pattern::Present => Self::Present,
            Pattern::Text(glob) => Self::compile_text(field.kind(), glob)?,
            Pattern::Regex(source) if field.kind() == Kind::Body => {
                Self::Octets(regex(field, source)?)
            }
            Pattern::Regex(source) => Self::Regex(regex(field, source)?),
            Pattern::Number(interval) => Self::Number(*interval),
            Pattern::Duration(interval) => Self::Duration(*interval),
            Pattern::Time(interval) => Self::Time(interval.map(Timestamp::as_microsecond)),
            Pattern::Network(network) => Self::Network(*network),
            Pattern::Endpoint(endpoint) => Self::Endpoint(endpoint.clone()),
        })
    }

    fn compile_text(kind: Kind, glob: &Glob) -> Result<Self, Problem> {
        let fold = kind != Kind::CaseText;
        let text = |literal: &str| Text {
            octets: literal.into(),
            fold,
        };
        let is_stable = |literal: &str| {
            literal.is_ascii() || !fold && !literal.contains(char::REPLACEMENT_CHARACTER)
        };
        if kind == Kind::Body {
            return glob_regex(glob, true, fold).map(Self::Octets);
        }
        Ok(match glob.pieces() {
            [Piece::Literal(whole)] if is_stable(whole) => Self::Exact(text(whole)),
            [Piece::Literal(start), Piece::Many] if is_stable(start) => Self::Prefix(text(start)),
            [Piece::Many, Piece::Literal(end)] if is_stable(end) => Self::Suffix(text(end)),
            [Piece::Many, Piece::Literal(part), Piece::Many] if is_stable(part) => Self::Inside(
                text(part),
                glob_regex(&Glob(vec![Piece::Literal(part.clone())]), true, fold)?,
            ),
            _ => Self::Regex(glob_regex(glob, false, fold)?),
        })
    }

    pub(crate) fn matches(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Present, _) => true,
            (Self::Exact(text), Value::Text(value)) => text.equals(value),
            (Self::Prefix(text), Value::Text(value)) => value
                .get(..text.octets.len())
                .is_some_and(|start| text.equals(start)),
            (Self::Suffix(text), Value::Text(value)) => value
                .len()
                .checked_sub(text.octets.len())
                .and_then(|start| value.get(start..))
                .is_some_and(|end| text.equals(end)),
            (Self::Regex(regex), Value::Text(value)) => match String::from_utf8_lossy(value) {
                Cow::Borrowed(_) => regex.is_match(value),
                Cow::Owned(replaced) => regex.is_match(replaced.as_bytes()),
            },
            (Self::Octets(regex) | Self::Inside(_, regex), Value::Text(value)) => {
                regex.is_match(value)
            }
            (Self::Number(interval), Value::Number(value)) => interval.contains(value),
            (Self::Duration(interval), Value::Duration(value)) => interval.contains(value),
            (Self::Time(interval), Value::Time(value)) => interval.contains(value),
            (Self::Network(network), Value::Address(address)) => network.contains(address),
            (Self::Endpoint(endpoint), Value::Endpoint(address, port)) => {
                endpoint.contains(address, port)
            }
            _ => false,
        }
    }
}

impl Text {
    /// The octets, which are text.
    pub(crate) fn as_str(&self) -> &str {
        &self.octets
    }

    /// Whether ASCII letters are the same in both cases.
    pub(crate) fn ignores_case(&self) -> bool {
        self.fold
    }

    fn equals(&self, value: &[u8]) -> bool {
        let octets = self.octets.as_bytes();
        if self.fold {
            octets.eq_ignore_ascii_case(value)
        } else {
            *octets == *value
        }
    }
}

/// Compiles what a user wrote. Over payloads and headers `^` and `$` are the ends of lines, as grep has it; over other
/// text they are the ends of the value. ASCII classes, unless the expression itself goes beyond ASCII: SIP is bytes.
pub(super) fn regex(field: &Field, source: &str) -> Result<Regex, Problem> {
    let lines = field.kind() == Kind::Body;
    RegexBuilder::new(source)
        .unicode(!source.is_ascii())
        .multi_line(lines)
        .crlf(lines)
        .size_limit(REGEX_SIZE)
        .dfa_size_limit(REGEX_CACHE)
        .nest_limit(REGEX_DEPTH)
        .build()
        .map_err(regex_problem)
}

fn glob_regex(glob: &Glob, anywhere: bool, fold: bool) -> Result<Regex, Problem> {
    let mut source = String::new();
    let mut ascii = true;
    for piece in glob.pieces() {
        match piece {
            Piece::Literal(text) => {
                ascii &= text.is_ascii();
                source.push_str(&regex::escape(text));
            }
            Piece::Many => source.push_str("(?s-u:.)*"),
            Piece::One => source.push_str("(?s-u:.)"),
        }
    }
    if !anywhere {
        source = format!(r"\A(?:{source})\z");
    }
    RegexBuilder::new(&source)
        .case_insensitive(fold)
        .unicode(!ascii)
        .size_limit(GLOB_SIZE)
        .dfa_size_limit(REGEX_CACHE)
        .build()
        .map_err(regex_problem)
}

fn regex_problem(error: regex::Error) -> Problem {
    match error {
        regex::Error::CompiledTooBig(_) => Problem::RegexTooLarge,
        // The crate draws the expression and a caret; the last line says what is wrong.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            Problem::Regex(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        }
    }
}
