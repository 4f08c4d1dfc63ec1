//! Values as they are written: text with wildcards, numbers, spans of time, addresses, and ranges of those.

use std::{
    net::IpAddr,
    ops::{Bound, Range, RangeInclusive},
    time::Duration,
};

use ipnet::IpNet;
use jiff::{Timestamp, Zoned};

use super::{
    ast::{Endpoint, Glob, Interval, Network, Pattern, Piece},
    error::{Problem, QueryError},
    field::{Kind, UNPARSABLE, protocol_type},
    lexer::{Operator, Word},
    time::{self, A_TIME},
};

/// Units of a span of time and their nanoseconds, largest first.
pub(super) const DURATION_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const A_NUMBER: &str = "a number";
const A_DURATION: &str = "a duration";
const A_NETWORK: &str = "an address or a network";
const AN_ENDPOINT: &str = "an address, a network, a port or address:port";

/// The pattern that `word`, written as `text`, is for a field of `kind`. `now` is what times count from that do not say
/// everything themselves.
pub(super) fn pattern(
    kind: Kind,
    word: Word,
    text: &str,
    now: Option<&Zoned>,
) -> Result<Pattern, QueryError> {
    if word.pieces == [Piece::Many] && kind != Kind::Age {
        return Ok(Pattern::Present);
    }
    if kind.is_text() {
        return glob(kind, word);
    }
    let value = Typed::new(&word, text);
    match kind {
        Kind::Status => match class(value.text) {
            Some(interval) => Ok(Pattern::Number(interval)),
            None => value.interval(A_NUMBER, integer).map(Pattern::Number),
        },
        Kind::ProtocolType => value.protocol_type(),
        Kind::Duration => value.interval(A_DURATION, duration).map(Pattern::Duration),
        Kind::Network => value.network().map(Pattern::Network),
        Kind::Endpoint => value.endpoint().map(Pattern::Endpoint),
        Kind::Time => value.time(now).map(Pattern::Time),
        Kind::Age => value.age(value.text, now).map(Pattern::Time),
        Kind::Choice(words) => value.choice(words),
        Kind::Number | Kind::Text | Kind::CaseText | Kind::Body => {
            value.interval(A_NUMBER, integer).map(Pattern::Number)
        }
    }
}

/// The pattern of `field < word` and its like, for a field whose values have an order.
pub(super) fn comparison(
    kind: Kind,
    operator: Operator,
    word: &Word,
    text: &str,
    now: Option<&Zoned>,
) -> Result<Pattern, QueryError> {
    let value = Typed::new(word, text);
    match kind {
        Kind::Duration => {
            let limit = duration(value.text).map_err(|hint| value.wrong(A_DURATION, hint))?;
            Ok(Pattern::Duration(beyond(operator, limit)))
        }
        Kind::Time => {
            let limit = value.moment(value.text, now)?;
            // Beyond a day is beyond all of it.
            let limit = match operator {
                Operator::Greater | Operator::LessOrEqual => limit.end(),
                _ => limit.first,
            };
            Ok(Pattern::Time(beyond(operator, limit)))
        }
        _ => {
            let limit = integer(value.text).map_err(|hint| value.wrong(A_NUMBER, hint))?;
            Ok(Pattern::Number(beyond(operator, limit)))
        }
    }
}

fn beyond<T: PartialOrd + Copy>(operator: Operator, limit: T) -> Interval<T> {
    match operator {
        Operator::Less => Interval::new(Bound::Unbounded, Bound::Excluded(limit)),
        Operator::LessOrEqual => Interval::new(Bound::Unbounded, Bound::Included(limit)),
        Operator::Greater => Interval::new(Bound::Excluded(limit), Bound::Unbounded),
        Operator::GreaterOrEqual => Interval::new(Bound::Included(limit), Bound::Unbounded),
        _ => Interval::exactly(limit),
    }
}

fn glob(kind: Kind, word: Word) -> Result<Pattern, QueryError> {
    let mut pieces = word.pieces;
    if kind == Kind::Body {
        // Looked for anywhere: wildcards at the ends say nothing.
        if pieces.last() == Some(&Piece::Many) {
            pieces.pop();
        }
        if pieces.first() == Some(&Piece::Many) {
            pieces.remove(0);
        }
        if pieces == [Piece::Literal(String::new())] {
            return Err(QueryError::new(
                Problem::Value {
                    value: "\"\"".to_owned(),
                    expected: "text to look for",
                    hint: None,
                },
                word.span,
            ));
        }
    }
    Ok(Pattern::Text(Glob(pieces)))
}

/// Why a part of a value does not read: a hint, if there is one.
type Hint = Option<&'static str>;

/// A value that is no text.
struct Typed<'a> {
    text: &'a str,
    span: Range<usize>,
}

impl<'a> Typed<'a> {
    /// What stands in quotes is the value; what has wildcards is taken as written, to be refused as such.
    fn new(word: &'a Word, text: &'a str) -> Self {
        let text = match word.pieces.as_slice() {
            [Piece::Literal(literal)] => literal,
            _ => text,
        };
        Self {
            text,
            span: word.span.clone(),
        }
    }

    fn wrong(&self, expected: &'static str, hint: Hint) -> QueryError {
        let value = self.text.to_owned();
        let problem = Problem::Value {
            value,
            expected,
            hint,
        };
        QueryError::new(problem, self.span.clone())
    }

    /// `x`, `x..y`, `x..` or `..y`.
    fn interval<T: PartialOrd + Copy>(
        &self,
        expected: &'static str,
        read: fn(&str) -> Result<T, Hint>,
    ) -> Result<Interval<T>, QueryError> {
        let one = |text: &str| read(text).map_err(|hint| self.wrong(expected, hint));
        let Some((low, high)) = self.text.split_once("..") else {
            return one(self.text).map(Interval::exactly);
        };
        let end = |text: &str| match text {
            "" => Ok(Bound::Unbounded),
            text => one(text).map(Bound::Included),
        };
        let interval = Interval::new(end(low)?, end(high)?);
        match (interval.low, interval.high) {
            (Bound::Unbounded, Bound::Unbounded) => Err(self.wrong(
                expected,
                Some("a range has at least one end: 400..499, 400.. or ..499"),
            )),
            (Bound::Included(low), Bound::Included(high)) if low > high => Err(self.empty_range()),
            _ => Ok(interval),
        }
    }

    fn empty_range(&self) -> QueryError {
        QueryError::new(Problem::EmptyRange, self.span.clone())
    }

    fn moment(&self, text: &str, now: Option<&Zoned>) -> Result<time::Written, QueryError> {
        time::read(text, now).map_err(|hint| self.wrong(A_TIME, hint))
    }

    /// A day, a minute, a second; from one time to another; or `last 2h`, as people say it.
    fn time(&self, now: Option<&Zoned>) -> Result<Interval<Timestamp>, QueryError> {
        if let Some(back) = self.text.strip_prefix("last ") {
            return self.age(back.trim_start(), now);
        }
        let Some((low, high)) = self.text.split_once("..") else {
            let written = self.moment(self.text, now)?;
            let (first, last) = (written.first, written.last);
            return Ok(Interval::new(Bound::Included(first), Bound::Included(last)));
        };
        let low = match low {
            "" => Bound::Unbounded,
            low => Bound::Included(self.moment(low, now)?.first),
        };
        let high = match high {
            "" => Bound::Unbounded,
            high => Bound::Included(self.moment(high, now)?.end()),
        };
        match (low, high) {
            (Bound::Unbounded, Bound::Unbounded) => Err(self.wrong(
                A_TIME,
                Some("a range has at least one end: 2026-11-23.., ..today or 10:00..11:00"),
            )),
            (Bound::Included(low), Bound::Included(high)) if low > high => Err(self.empty_range()),
            _ => Ok(Interval::new(low, high)),
        }
    }

    /// From so long before now on.
    fn age(&self, text: &str, now: Option<&Zoned>) -> Result<Interval<Timestamp>, QueryError> {
        let back = duration(text).map_err(|hint| self.wrong(A_DURATION, hint))?;
        let Some(now) = now else {
            return Err(QueryError::new(Problem::NoNow, self.span.clone()));
        };
        let since = time::ago(back, now).map_err(|hint| self.wrong(A_DURATION, hint))?;
        Ok(Interval::new(Bound::Included(since), Bound::Unbounded))
    }

    fn choice(&self, words: &'static [&'static str]) -> Result<Pattern, QueryError> {
        let Some(word) = words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(self.text))
        else {
            let problem = Problem::Choice {
                value: self.text.to_owned(),
                words,
            };
            return Err(QueryError::new(problem, self.span.clone()));
        };
        let word = Piece::Literal((*word).to_owned());
        Ok(Pattern::Text(Glob(vec![word])))
    }

    fn protocol_type(&self) -> Result<Pattern, QueryError> {
        if self.text.eq_ignore_ascii_case(UNPARSABLE) {
            let name = Piece::Literal(UNPARSABLE.to_owned());
            return Ok(Pattern::Text(Glob(vec![name])));
        }
        if let Some(number) = protocol_type(self.text) {
            return Ok(Pattern::Number(Interval::exactly(number)));
        }
        self.interval("a protocol type's name or number", |text| {
            integer(text)
                .map_err(|_| Some("for example sip, rtcp, log, unparsable, or a number such as 34"))
        })
        .map(Pattern::Number)
    }

    fn network(&self) -> Result<Network, QueryError> {
        self.network_in(self.text)?
            .ok_or_else(|| self.wrong(A_NETWORK, address_hint(self.text)))
    }

    /// Addresses in a part of the value; `Ok(None)` where it is none.
    fn network_in(&self, text: &str) -> Result<Option<Network>, QueryError> {
        if let Some((low, high)) = text.split_once("..") {
            let (Some(low), Some(high)) = (address(low), address(high)) else {
                return Ok(None);
            };
            if low.is_ipv4() != high.is_ipv4() {
                return Err(self.wrong(A_NETWORK, Some("both ends of a range are of one family")));
            }
            if low > high {
                return Err(self.empty_range());
            }
            return Ok(Some(if low == high {
                Network::Cidr(IpNet::from(low))
            } else {
                Network::Range(low, high)
            }));
        }
        if let Some(address) = address(text) {
            return Ok(Some(Network::Cidr(IpNet::from(address))));
        }
        Ok(text
            .parse::<IpNet>()
            .ok()
            .map(|net| Network::Cidr(net.trunc())))
    }

    /// In this order: `:port`, `port`, an address or network, `[address]:port`, `address:port`. What reads as an IPv6
    /// address is one, so a port after it needs brackets.
    fn endpoint(&self) -> Result<Endpoint, QueryError> {
        let wrong = || self.wrong(AN_ENDPOINT, address_hint(self.text));
        let ports_only = match self.text.strip_prefix(':') {
            Some(rest) if !rest.starts_with(':') => self.ports(rest)?,
            _ => self.ports(self.text)?,
        };
        if ports_only.is_some() {
            return Ok(Endpoint {
                network: None,
                ports: ports_only,
            });
        }
        if let Some(network) = self.network_in(self.text)? {
            return Ok(Endpoint {
                network: Some(network),
                ports: None,
            });
        }
        let (host, port) = match self.text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                if port.is_empty() {
                    (host, None)
                } else {
                    (host, Some(port.strip_prefix(':').ok_or_else(wrong)?))
                }
            }
            None => self
                .text
                .split_once(':')
                .map(|(host, port)| (host, Some(port)))
                .ok_or_else(wrong)?,
        };
        let network = self.network_in(host)?.ok_or_else(wrong)?;
        let ports = match port {
            Some(port) => Some(self.ports(port)?.ok_or_else(wrong)?),
            None => None,
        };
        Ok(Endpoint {
            network: Some(network),
            ports,
        })
    }

    /// `5060` or `5060..5090`; `Ok(None)` where it is neither.
    fn ports(&self, text: &str) -> Result<Option<RangeInclusive<u16>>, QueryError> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (Some(low), Some(high)) = (port(low), port(high)) else {
            return Ok(None);
        };
        if low > high {
            return Err(self.empty_range());
        }
        Ok(Some(low..=high))
    }
}

fn integer(text: &str) -> Result<i64, Hint> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).map_err(|_| None);
    }
    // `+5` would parse, and is a phone number's habit rather than a number's.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(None);
    }
    text.parse().map_err(|_| None)
}

/// `4xx` and `18x`.
fn class(text: &str) -> Option<Interval<i64>> {
    let digits = text.trim_end_matches(['x', 'X']);
    let wild = u32::try_from(text.len() - digits.len()).ok()?;
    if wild == 0 || text.len() != 3 {
        return None;
    }
    let size = 10_i64.pow(wild);
    let low = integer(digits).ok().filter(|_| !digits.is_empty())? * size;
    Some(Interval::new(
        Bound::Included(low),
        Bound::Included(low + size - 1),
    ))
}

/// Digits, perhaps with a fraction, and a unit: `3s`, `1.5h`, `250ms`.
/// Whether this is a duration: `2h`.
pub(super) fn is_duration(text: &str) -> bool {
    duration(text).is_ok()
}

fn duration(text: &str) -> Result<Duration, Hint> {
    const UNIT: Hint = Some("a duration has a unit: 3s, 250ms, 1.5h (ns us ms s m h d)");
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or(UNIT)?;
    let (number, unit) = text.split_at_checked(split).ok_or(UNIT)?;
    let (_, size) = DURATION_UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or(UNIT)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return Err(UNIT);
    }
    let whole: u64 = whole.parse().map_err(|_| None)?;
    let tenths: u64 = fraction.parse().map_err(|_| UNIT)?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(9));
    let below = u64::try_from(u128::from(tenths) * u128::from(size) / scale).map_err(|_| None)?;
    whole
        .checked_mul(size)
        .and_then(|nanos| nanos.checked_add(below))
        .map(Duration::from_nanos)
        .ok_or(Some("that is more than five hundred years"))
}

/// An address; an IPv4 address in IPv6 clothing is given as IPv4, as listeners give their peers.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|a| a.to_canonical())
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn address_hint(text: &str) -> Hint {
    if text.contains('*') || text.contains('?') {
        Some("a network is written with its length: 10.1.0.0/16")
    } else if text.contains(':') && text.contains('.') {
        Some("only src and dst have ports")
    } else {
        None
    }
}
