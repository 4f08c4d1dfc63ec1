//! A parsed query as plain data: what the matcher compiles, and what a store pushes down.

use std::{
    fmt::{self, Display as _},
    net::IpAddr,
    ops::{Bound, RangeInclusive},
    time::Duration,
};

use ipnet::IpNet;
use jiff::Timestamp;

use super::field::{Field, Kind, protocol_type_name};

/// A condition. `Display` writes it in the one form that parses back to the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expr {
    /// Always true: the empty query.
    Everything,
    /// All of them: two or more, none of which is itself an `And`.
    And(Vec<Self>),
    /// Any of them: two or more, none of which is itself an `Or`.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// A look at one field.
    Test(Test),
}

/// Whether any value of a field fits any of the patterns. A subject that has no value fits none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Test {
    /// The field.
    pub field: Field,
    /// One or more patterns, all of the field's kind.
    pub patterns: Vec<Pattern>,
}

/// What a value is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Any value at all: `field:*`.
    Present,
    /// Text with wildcards; also the word `unparsable` of the field `type`.
    Text(Glob),
    /// A regular expression, unanchored, as it was written.
    Regex(Box<str>),
    /// An integer from a range.
    Number(Interval<i64>),
    /// A span of time from a range.
    Duration(Interval<Duration>),
    /// A point in time from a range.
    Time(Interval<Timestamp>),
    /// An address.
    Network(Network),
    /// An address, a port, or both.
    Endpoint(Endpoint),
}

/// Text cut at its wildcards. Never empty; literals are neither empty (but for the text `""`) nor neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(pub(super) Vec<Piece>);

/// A part of a [`Glob`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "wildcards are these two")]
pub enum Piece {
    /// These characters.
    Literal(String),
    /// `*`: any octets, also none.
    Many,
    /// `?`: exactly one octet.
    One,
}

/// A range of values; at least one end is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval<T> {
    /// Lower end.
    pub low: Bound<T>,
    /// Upper end.
    pub high: Bound<T>,
}

/// Addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// A network, its host bits zero; a single address is a network of full length.
    Cidr(IpNet),
    /// From one address to another of the same family, both included.
    Range(IpAddr, IpAddr),
}

/// Addresses and ports; at least one of the two is set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The address must be one of these.
    pub network: Option<Network>,
    /// The port must be one of these.
    pub ports: Option<RangeInclusive<u16>>,
}

impl Glob {
    /// The pieces in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The text, if there is no wildcard in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

impl<T: PartialOrd + Copy> Interval<T> {
    /// Exactly this value.
    pub(super) fn exactly(value: T) -> Self {
        Self::new(Bound::Included(value), Bound::Included(value))
    }

    pub(super) fn new(low: Bound<T>, high: Bound<T>) -> Self {
        Self { low, high }
    }

    /// The same of what `convert` makes of the ends.
    pub(crate) fn map<U>(self, convert: impl Fn(T) -> U) -> Interval<U> {
        Interval {
            low: self.low.map(&convert),
            high: self.high.map(&convert),
        }
    }

    /// Whether `value` lies between the ends.
    #[must_use]
    pub fn contains(&self, value: T) -> bool {
        let above = match self.low {
            Bound::Included(low) => low <= value,
            Bound::Excluded(low) => low < value,
            Bound::Unbounded => true,
        };
        above
            && match self.high {
                Bound::Included(high) => value <= high,
                Bound::Excluded(high) => value < high,
                Bound::Unbounded => true,
            }
    }
}

impl Network {
    /// Whether `address` is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::Cidr(net) => net.contains(&address),
            Self::Range(low, high) => {
                low.is_ipv4() == address.is_ipv4() && *low <= address && address <= *high
            }
        }
    }
}

impl Endpoint {
    /// Whether a captured end is one of these; what the capture does not tell fits no condition.
    #[must_use]
    pub fn contains(&self, address: Option<IpAddr>, port: Option<u16>) -> bool {
        self.network
            .is_none_or(|net| address.is_some_and(|a| net.contains(a)))
            && self
                .ports
                .as_ref()
                .is_none_or(|ports| port.is_some_and(|p| ports.contains(&p)))
    }
}

impl Expr {
    /// Calls `visit` with every test, from left to right.
    pub fn for_each_test<'a>(&'a self, visit: &mut impl FnMut(&'a Test)) {
        match self {
            Self::Everything => {}
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.for_each_test(visit);
                }
            }
            Self::Not(inner) => inner.for_each_test(visit),
            Self::Test(test) => visit(test),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => Ok(()),
            Self::And(parts) => join(f, parts, " "),
            Self::Or(parts) => join(f, parts, " OR "),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                inner.fmt_operand(f)
            }
            Self::Test(test) => test.fmt(f),
        }
    }
}

impl Expr {
    /// In parentheses where it would otherwise be read differently.
    fn fmt_operand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(_) | Self::Or(_) => write!(f, "({self})"),
            _ => self.fmt(f),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Expr], separator: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        part.fmt_operand(f)?;
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match self.patterns.as_slice() {
            // The short form of a look at the payload is the text itself.
            [Pattern::Text(glob)] if *field == Field::Payload => glob.fmt_quoted(f),
            [Pattern::Regex(source)] => {
                write!(f, "{field}~")?;
                fmt_regex(f, source)
            }
            [Pattern::Number(interval)] if field.kind() != Kind::ProtocolType => {
                fmt_interval(f, field, interval)
            }
            [Pattern::Duration(interval)] => fmt_interval(f, field, &interval.written()),
            [Pattern::Time(interval)] => interval.fmt_time(f, field),
            [pattern] => {
                write!(f, "{field}:")?;
                pattern.fmt_value(f, field.kind())
            }
            patterns => {
                write!(f, "{field}:(")?;
                for (i, pattern) in patterns.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    pattern.fmt_value(f, field.kind())?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Pattern {
    /// As a value after `:` or in a list.
    fn fmt_value(&self, f: &mut fmt::Formatter<'_>, kind: Kind) -> fmt::Result {
        match self {
            Self::Present => f.write_str("*"),
            Self::Text(glob) => glob.fmt(f),
            Self::Regex(source) => fmt_regex(f, source),
            Self::Number(interval) => match (kind, interval.low, interval.high) {
                (Kind::ProtocolType, Bound::Included(low), Bound::Included(high))
                    if low == high =>
                {
                    match protocol_type_name(low) {
                        Some(name) => f.write_str(name),
                        None => low.fmt(f),
                    }
                }
                _ => interval.fmt_range(f),
            },
            Self::Duration(interval) => interval.written().fmt_range(f),
            Self::Time(interval) => interval.fmt_span(f),
            Self::Network(network) => network.fmt(f),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

fn fmt_interval<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    field: &Field,
    interval: &Interval<T>,
) -> fmt::Result {
    match (&interval.low, &interval.high) {
        (Bound::Excluded(low), Bound::Unbounded) => write!(f, "{field}>{low}"),
        (Bound::Included(low), Bound::Unbounded) => write!(f, "{field}>={low}"),
        (Bound::Unbounded, Bound::Excluded(high)) => write!(f, "{field}<{high}"),
        (Bound::Unbounded, Bound::Included(high)) => write!(f, "{field}<={high}"),
        _ => {
            write!(f, "{field}:")?;
            interval.fmt_range(f)
        }
    }
}

impl<T: fmt::Display + PartialEq> Interval<T> {
    /// `low..high`; an excluded end is not found in lists and ranges, only after `<` and `>`.
    fn fmt_range(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Bound::Included(low), Bound::Included(high)) = (&self.low, &self.high)
            && low == high
        {
            return low.fmt(f);
        }
        if let Bound::Included(low) | Bound::Excluded(low) = &self.low {
            low.fmt(f)?;
        }
        f.write_str("..")?;
        if let Bound::Included(high) | Bound::Excluded(high) = &self.high {
            high.fmt(f)?;
        }
        Ok(())
    }
}

impl Interval<Duration> {
    fn written(&self) -> Interval<Written> {
        Interval {
            low: self.low.map(Written),
            high: self.high.map(Written),
        }
    }
}

impl Interval<Timestamp> {
    fn fmt_time(&self, f: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
        if matches!(self.low, Bound::Unbounded) || matches!(self.high, Bound::Unbounded) {
            return fmt_interval(f, field, self);
        }
        write!(f, "{field}:")?;
        self.fmt_span(f)
    }

    /// Both ends, also where they are one moment: alone it would stand for the whole second.
    fn fmt_span(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Bound::Included(low) | Bound::Excluded(low) = &self.low {
            low.fmt(f)?;
        }
        f.write_str("..")?;
        if let Bound::Included(high) | Bound::Excluded(high) = &self.high {
            high.fmt(f)?;
        }
        Ok(())
    }
}

/// A span of time in the largest unit that divides it.
#[derive(PartialEq)]
struct Written(Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (unit, size) = super::literal::DURATION_UNITS
            .into_iter()
            .find(|(_, size)| nanos != 0 && nanos.is_multiple_of(u128::from(*size)))
            .unwrap_or(("s", 1_000_000_000));
        write!(f, "{}{unit}", nanos / u128::from(size))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) if is_plain(text) => f.write_str(text)?,
                Piece::Literal(text) => fmt_quoted(f, text)?,
                Piece::Many => f.write_str("*")?,
                Piece::One => f.write_str("?")?,
            }
        }
        Ok(())
    }
}

impl Glob {
    /// With every literal in quotes, so that it is never taken for a keyword or a field.
    fn fmt_quoted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => fmt_quoted(f, text)?,
                Piece::Many => f.write_str("*")?,
                Piece::One => f.write_str("?")?,
            }
        }
        Ok(())
    }
}

/// Whether text means itself without quotes, wherever a value may stand.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.@+:/;=%#$&".contains(c))
}

fn fmt_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A regular expression keeps its own backslashes: only the quote is escaped.
fn fmt_regex(f: &mut fmt::Formatter<'_>, source: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => {
                f.write_str("\\")?;
                if let Some(next) = chars.next() {
                    write!(f, "{next}")?;
                }
            }
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Cidr(net) => net.fmt(f),
            Self::Range(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.network, &self.ports) {
            (Some(network), None) => return network.fmt(f),
            (Some(net @ Network::Cidr(IpNet::V4(_))), Some(_)) => write!(f, "{net}:")?,
            (Some(network), Some(_)) => write!(f, "[{network}]:")?,
            (None, _) => f.write_str(":")?,
        }
        let Some(ports) = &self.ports else {
            return Ok(());
        };
        if ports.start() == ports.end() {
            ports.start().fmt(f)
        } else {
            write!(f, "{}..{}", ports.start(), ports.end())
        }
    }
}
