//! The one expression language: routes, tail, search, alerts and the page's bar ask in it. Grammar, fields and examples
//! are in `docs/query.md`.
//!
//! [`Query::parse`] reads text into an [`Expr`], which is plain data, and compiles it; [`Query::matches`] holds it
//! against a [`Subject`], allocating nothing but for text that is no UTF-8. Whoever knows more fields adds rows to
//! [`FIELDS`] and answers them in its own [`Subject`].
//!
//! ```
//! use hepcat::query::Query;
//!
//! let query = Query::parse("agent:10.1.0.0/16 type:sip -method:OPTIONS").expect("well formed");
//! assert_eq!(query.to_string(), "agent:10.1.0.0/16 type:sip NOT method:OPTIONS");
//! assert!(query.needs_sip());
//!
//! let text = "agent:10.1.0.0/16 metod:INVITE";
//! let fault = Query::parse(text).expect_err("no such field");
//! assert_eq!(fault.to_string(), "unknown field `metod`");
//! assert_eq!(fault.span(), 18..23);
//! assert!(fault.render(text).ends_with("did you mean `method`? to look for the text itself, put it in quotes"));
//! ```

mod ast;
mod call;
mod choices;
mod error;
mod field;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod lexer;
mod literal;
mod matcher;
mod parser;
mod subject;
#[cfg(test)]
mod tests;
mod time;
mod view;

use std::{fmt, str::FromStr};

use jiff::Zoned;

pub use ast::{Endpoint, Expr, Glob, Interval, Network, Pattern, Piece, Test};
pub use error::{Found, Problem, QueryError};
pub use field::{Field, FieldEntry, HEADER_SUMMARY, Kind, Needs, Scope};
pub(crate) use field::{UNPARSABLE, protocol_type_name};
pub use fields::FIELDS;
pub(crate) use matcher::{Matcher, Node};
pub use subject::{Subject, Value};
pub use time::beginning_of;
pub use view::{MessageView, UnparsableView};
pub(crate) use view::{any_user_at_host, net_protocol, net_protocol_named};

/// Longest query, octets. Queries come from outside; a bar or a configuration line holds far less.
pub const MAX_LENGTH: usize = 4096;

/// Deepest nesting of parentheses and negations: bounds the stack.
pub const MAX_DEPTH: usize = 32;

/// Most values in one query, lists included: bounds the work per message.
pub const MAX_PATTERNS: usize = 256;

/// Most regular expressions in one query: bounds the memory of their machines.
pub const MAX_REGEXES: usize = 16;

/// A query, ready to run. Cloning shares the compiled expressions.
#[derive(Clone)]
pub struct Query {
    expr: Expr,
    node: Node,
}

impl Query {
    /// Reads a query about messages. An empty one fits everything.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::parse_in(Scope::Message, text)
    }

    /// Reads a query about what `scope` says. Times in it say their date and zone, and none counts back from now: it
    /// means the same whenever and wherever it is read.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse_in(scope: Scope, text: &str) -> Result<Self, QueryError> {
        Self::read(scope, text, None)
    }

    /// Reads a query that is asked once: `last:2h` counts back from `now`, and what a time does not say (zone, date) is
    /// that of `now`. Its [`Display`](fmt::Display) says the moments that were meant.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse_at(scope: Scope, text: &str, now: &Zoned) -> Result<Self, QueryError> {
        Self::read(scope, text, Some(now))
    }

    fn read(scope: Scope, text: &str, now: Option<&Zoned>) -> Result<Self, QueryError> {
        let expr = parser::parse(text, scope, now)?;
        let node =
            Node::compile(&expr).map_err(|problem| QueryError::new(problem, 0..text.len()))?;
        Ok(Self { expr, node })
    }

    /// Takes a query about calls apart: what is asked of calls themselves, and what of their messages, of which one must
    /// fit it all.
    ///
    /// # Errors
    /// Both stand under one `OR` or `NOT`.
    pub fn split_calls(&self) -> Result<(Self, Self), QueryError> {
        let whole = 0..self.to_string().len();
        let of = |expr: Expr| -> Result<Self, Problem> {
            let node = Node::compile(&expr)?;
            Ok(Self { expr, node })
        };
        call::split(&self.expr)
            .and_then(|split| Ok((of(split.of_calls)?, of(split.of_messages)?)))
            .map_err(|problem| QueryError::new(problem, whole))
    }

    /// The query that fits everything.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            expr: Expr::Everything,
            node: Node::Everything,
        }
    }

    /// The condition as data, as it was written.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The condition made ready, for what runs it elsewhere.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Whether `subject` fits. Cheap conditions are looked at first, and no more of them than it takes.
    #[must_use]
    pub fn matches<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        self.node.matches(subject)
    }

    /// Whether an answer may take the SIP scan of a payload.
    #[must_use]
    pub fn needs_sip(&self) -> bool {
        self.asks(|needs| needs == Needs::Sip)
    }

    /// Whether an answer may take the octets of the payload; with [`needs_sip`](Self::needs_sip), why a compressed one
    /// must be inflated.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        self.asks(|needs| needs == Needs::Payload)
    }

    fn asks(&self, wanted: impl Fn(Needs) -> bool) -> bool {
        let mut found = false;
        self.expr
            .for_each_test(&mut |test| found |= wanted(test.field.needs()));
        found
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::everything()
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

impl Eq for Query {}

/// The one form that parses back to the same query; empty for the query that fits everything.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.expr).finish()
    }
}
