//! Queries as the store answers them: by columns where columns say it, by the payload where none does. A row fits when,
//! and only when, the message fitted that it was made of; a property test holds the two together.

use std::{
    ops::{Bound, Range, RangeInclusive},
    sync::Arc,
};

use hepcat_store::{Class, Column, Filter, Row, RowTest, Search, TextTest};

use super::Searched;
use crate::{
    agents::ClockFault,
    query::{
        Endpoint, Expr, Field, Interval, Matcher, Network, Node, Pattern, Query, UNPARSABLE, Value,
        any_user_at_host, net_protocol_named,
    },
    sink::store::class::class_of_method,
};

/// What payloads are searched of where nobody says since when, in microseconds: a whole day of them takes minutes.
const HOUR: i64 = 3_600_000_000;
/// Every microsecond there is.
const ALWAYS: Range<i64> = i64::MIN..i64::MAX;

/// What a query asks the store for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// Which rows.
    pub filter: Filter,
    /// Outside of this no row fits: `coalesce(sent_at, received_at)`, microseconds since 1970, the end not included.
    pub time: Range<i64>,
    /// The same of `received_at`.
    pub received: Range<i64>,
    /// Whether rows may have to be judged by their payload, which costs much more than columns do.
    pub reads_payload: bool,
    /// Whether `time` begins where it does because nobody said where.
    pub is_cut: bool,
}

impl Asked {
    /// What a query about messages asks for. Records are none.
    #[must_use]
    pub fn of_messages(query: &Query) -> Self {
        let messages = Class::ALL.iter().copied();
        let messages = messages.filter(|class| *class != Class::Record).collect();
        let filter = of_node(query.node());
        Self {
            filter: Filter::All(vec![Filter::Class(messages), filter]),
            time: hull(query.expr(), &Field::Time),
            received: hull(query.expr(), &Field::Received),
            reads_payload: reads_payload(query.expr()),
            is_cut: false,
        }
    }

    /// What a query about calls asks for of their records, each beside the other conditions: what every record of a call
    /// that fits has in its columns and its content, and others may have too. Hold those that are found against the
    /// query itself.
    #[must_use]
    pub fn of_calls(query: &Query) -> Self {
        let mut parts = Vec::new();
        of_record(query.node(), &mut parts);
        Self {
            filter: Filter::All(parts),
            time: hull(query.expr(), &Field::Time),
            received: ALWAYS,
            // Content is what finds are made of in any case.
            reads_payload: false,
            is_cut: false,
        }
    }

    /// Whether it goes back without end, because the query does not say since when.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.time.start == i64::MIN && self.received.start == i64::MIN
    }

    /// The same, not further back than `since` where the query itself sets no bound; microseconds since 1970.
    #[must_use]
    pub fn since_unless_bounded(mut self, since: i64) -> Self {
        if self.is_unbounded() {
            self.time.start = since.min(self.time.end);
            self.is_cut = true;
        }
        self
    }

    /// The same, of one hour only where it reads payloads and nothing says since when: the last one before `now`
    /// (microseconds since 1970), or before the end that is set.
    #[must_use]
    pub fn of_an_hour_where_payloads_are_read(self, now: i64) -> Self {
        if !self.reads_payload {
            return self;
        }
        let end = self.time.end.min(self.received.end).min(now);
        self.since_unless_bounded(end.saturating_sub(HOUR))
    }

    /// What it looks through, for whoever asked.
    #[must_use]
    pub fn searched(&self) -> Searched {
        Searched::of(&self.time, self.is_cut)
    }

    /// The same, of what lies in `time` only.
    #[must_use]
    pub fn within(mut self, time: &Range<i64>) -> Self {
        let start = self.time.start.max(time.start);
        self.time = start..self.time.end.min(time.end).max(start);
        self
    }

    /// A search for it.
    #[must_use]
    pub fn search(self) -> Search {
        let mut search = Search::new(self.filter);
        search.time = self.time;
        search.received = self.received;
        search
    }
}

fn reads_payload(expr: &Expr) -> bool {
    let mut found = false;
    expr.for_each_test(&mut |test| {
        found |= matches!(test.field, Field::Payload | Field::Header(_));
    });
    found
}

/// The least range of time outside of which nothing fits, as far as conditions on `field` tell.
fn hull(expr: &Expr, field: &Field) -> Range<i64> {
    match expr {
        Expr::And(parts) => {
            let all = parts.iter().map(|part| hull(part, field));
            let all = all.reduce(|a, b| a.start.max(b.start)..a.end.min(b.end));
            let both = all.unwrap_or(ALWAYS);
            both.start..both.end.max(both.start)
        }
        Expr::Or(parts) => {
            let any = parts.iter().map(|part| hull(part, field));
            any.reduce(cover).unwrap_or(ALWAYS)
        }
        Expr::Test(test) if test.field == *field => {
            let any = test.patterns.iter().map(|pattern| match pattern {
                Pattern::Time(interval) => {
                    let range = closed(&interval.map(|moment| moment.as_microsecond()));
                    range.map_or(0..0, |range| *range.start()..range.end().saturating_add(1))
                }
                _ => ALWAYS,
            });
            any.reduce(cover).unwrap_or(ALWAYS)
        }
        _ => ALWAYS,
    }
}

fn cover(one: Range<i64>, other: Range<i64>) -> Range<i64> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other,
        (_, true) => one,
        _ => one.start.min(other.start)..one.end.max(other.end),
    }
}

/// The values of an interval, both ends included; `None` where there are none.
fn closed(interval: &Interval<i64>) -> Option<RangeInclusive<i64>> {
    let low = match interval.low {
        Bound::Included(low) => low,
        Bound::Excluded(low) => low.checked_add(1)?,
        Bound::Unbounded => i64::MIN,
    };
    let high = match interval.high {
        Bound::Included(high) => high,
        Bound::Excluded(high) => high.checked_sub(1)?,
        Bound::Unbounded => i64::MAX,
    };
    Some(low..=high)
}

fn of_node(node: &Node) -> Filter {
    match node {
        Node::Everything => every_row(),
        Node::And(parts) => Filter::All(parts.iter().map(of_node).collect()),
        Node::Or(parts) => Filter::Any(parts.iter().map(of_node).collect()),
        Node::Not(inner) => of_node(inner).negated(),
        Node::Test { field, matchers } => Condition(matchers).on(field),
    }
}

/// Conditions that the record of every call fits that the whole fits.
fn of_record(node: &Node, into: &mut Vec<Filter>) {
    let (field, matchers) = match node {
        Node::And(parts) => return parts.iter().for_each(|part| of_record(part, into)),
        Node::Test { field, matchers } => (field, matchers),
        _ => return,
    };
    let condition = Condition(matchers);
    match field {
        Field::Status => into.push(condition.number(Column::Status)),
        Field::Setup => into.push(condition.micros(Column::SetupUs, Edge::Both)),
        // The column has the time from the answer on, where there was one, else the whole.
        Field::Talk => into.push(condition.micros(Column::DurationUs, Edge::Both)),
        Field::Duration => into.push(condition.micros(Column::DurationUs, Edge::High)),
        // Other legs are in the content only.
        Field::CallId
        | Field::From
        | Field::To
        | Field::RequestUri
        | Field::User
        | Field::Domain
        | Field::UserAgent
        | Field::Flag
        | Field::State
        | Field::Reason
        | Field::Codec => into.extend(condition.content()),
        _ => {}
    }
}

/// Which ends of a range count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Both,
    High,
}

fn every_row() -> Filter {
    Filter::All(Vec::new())
}

fn no_row() -> Filter {
    Filter::Any(Vec::new())
}

/// Some value of a field fits some of these.
#[derive(Debug, Clone, Copy)]
struct Condition<'a>(&'a [Matcher]);

impl Condition<'_> {
    fn on(self, field: &Field) -> Filter {
        match field {
            Field::Listener => self.text(Column::Listener),
            Field::Agent => self.address(Column::Agent),
            Field::NetProtocol => self.text_made(Column::HepTransport, net_protocol_named),
            Field::NetSource => self.endpoint(Column::Agent, Column::AgentPort),
            Field::NetDestination => self.endpoint(Column::LocalIp, Column::LocalPort),
            Field::Time => Filter::Any(vec![
                self.number(Column::SentAt),
                either_or(Column::SentAt, self.number(Column::ReceivedAt)),
            ]),
            Field::Received => self.number(Column::ReceivedAt),
            Field::Type => self.protocol_type(),
            Field::Error => self.text(Column::ErrorReason),
            Field::Class => self.class(),
            Field::Version => self.number(Column::HepVersion),
            Field::CaptureId => self.number(Column::CaptureId),
            Field::Node => self.text(Column::NodeName),
            Field::Clock => self.clock(),
            Field::Method => self.method(),
            Field::Status => self.number(Column::Status),
            Field::CSeq => self.number(Column::CseqNumber),
            Field::CallId => Filter::Any(vec![
                self.text(Column::CallId),
                either_or(Column::CallId, self.text(Column::CorrelationId)),
            ]),
            Field::CorrelationId => self.text(Column::CorrelationId),
            Field::XCallId => self.text(Column::XCallId),
            Field::SessionId => self.text(Column::SessionId),
            Field::Branch => self.text(Column::ViaBranch),
            Field::FromTag => self.text(Column::FromTag),
            Field::ToTag => self.text(Column::ToTag),
            Field::From => self.user(FROM),
            Field::To => self.user(TO),
            Field::RequestUri => self.user(REQUEST_URI),
            Field::User => Filter::Any([FROM, TO, REQUEST_URI].map(|uri| self.user(uri)).into()),
            Field::Domain => Filter::Any(
                [FROM, TO, REQUEST_URI]
                    .map(|uri| self.text(uri.host))
                    .into(),
            ),
            Field::UserAgent => self.text(Column::UserAgent),
            Field::Source => self.endpoint(Column::SrcIp, Column::SrcPort),
            Field::Destination => self.endpoint(Column::DstIp, Column::DstPort),
            Field::Payload => self.payload(|octets, fits| fits(octets)),
            Field::Header(name) => {
                let name = name.clone();
                self.payload(move |octets, fits| {
                    let sip = hepcat_sip::scan(octets);
                    let header = sip.and_then(|sip| sip.header(name.as_bytes()));
                    header.is_some_and(|header| fits(header.value()))
                })
            }
            Field::LabelTable => self.label(Column::LabelTable, "table"),
            Field::LabelField(0) => self.label(Column::LabelF1, "f1"),
            Field::LabelField(1) => self.label(Column::LabelF2, "f2"),
            Field::LabelField(_) => self.label(Column::LabelF3, "f3"),
            Field::AttachedTo => self.text(Column::AttachedTo),
            Field::Last
            | Field::State
            | Field::Flag
            | Field::ReleasedBy
            | Field::Reason
            | Field::Codec
            | Field::Media
            | Field::Legs
            | Field::Messages
            | Field::Setup
            | Field::Ring
            | Field::Talk
            | Field::Duration => no_row(),
        }
    }

    fn fits_present(self) -> bool {
        self.0.iter().any(|one| matches!(one, Matcher::Present))
    }

    fn fits(self, value: Value<'_>) -> bool {
        self.0.iter().any(|one| one.matches(value))
    }

    /// The same, to be taken along.
    fn shared(self) -> Arc<[Matcher]> {
        self.0.into()
    }

    fn text(self, column: Column) -> Filter {
        if self.fits_present() {
            return Filter::Present(column);
        }
        Filter::Text(column, self.text_test())
    }

    fn text_test(self) -> TextTest {
        let whole = self.0.iter().map(|one| match one {
            Matcher::Exact(text) => Some(text),
            _ => None,
        });
        // Whole texts are a question that filters of segments can answer.
        if let Some(texts) = whole.collect::<Option<Vec<_>>>() {
            let all = texts.iter().map(|text| text.as_str());
            return if texts.iter().any(|text| text.ignores_case()) {
                TextTest::is_one_of_ignoring_case(all)
            } else {
                TextTest::is_one_of(all)
            };
        }
        let matchers = self.shared();
        TextTest::fits(move |text| Condition(&matchers).fits(Value::Text(text)))
    }

    /// What `make` makes of the text fits.
    fn text_made(self, column: Column, make: fn(&str) -> &'static str) -> Filter {
        let matchers = self.shared();
        let test = TextTest::fits(move |text| {
            let text = make(&String::from_utf8_lossy(text));
            Condition(&matchers).fits(Value::Text(text.as_bytes()))
        });
        Filter::Text(column, test)
    }

    fn number(self, column: Column) -> Filter {
        if self.fits_present() {
            return Filter::Present(column);
        }
        let range = |one: &Matcher| match one {
            Matcher::Number(interval) | Matcher::Time(interval) => closed(interval),
            _ => None,
        };
        Filter::Number(column, self.0.iter().filter_map(range).collect())
    }

    /// A span of time in microseconds. A range is taken a little wider, to whole ones.
    fn micros(self, column: Column, edge: Edge) -> Filter {
        if self.fits_present() {
            return Filter::Present(column);
        }
        let micros =
            |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let range = |one: &Matcher| match one {
            Matcher::Duration(interval) => {
                let low = match interval.low {
                    Bound::Included(low) | Bound::Excluded(low) if edge == Edge::Both => {
                        micros(low)
                    }
                    _ => i64::MIN,
                };
                let high = match interval.high {
                    Bound::Included(high) | Bound::Excluded(high) => micros(high).saturating_add(1),
                    Bound::Unbounded => i64::MAX,
                };
                Some(low..=high)
            }
            _ => None,
        };
        Filter::Number(column, self.0.iter().filter_map(range).collect())
    }

    /// A text stands in the content of a record, which is JSON, wherever else it may belong. `None` where a pattern says
    /// too little to look for.
    fn content(self) -> Option<Filter> {
        let part = |one: &Matcher| {
            let (Matcher::Exact(text)
            | Matcher::Prefix(text)
            | Matcher::Suffix(text)
            | Matcher::Inside(text, _)) = one
            else {
                return None;
            };
            // User and host stand apart.
            let longest = text.as_str().split('@').max_by_key(|part| part.len())?;
            let json = serde_json::to_string(longest).ok()?;
            let inside = json.strip_prefix('"')?.strip_suffix('"')?;
            let test = TextTest::contains(inside, text.ignores_case()).ok()?;
            Some(Filter::Text(Column::Payload, test))
        };
        self.0
            .iter()
            .map(part)
            .collect::<Option<_>>()
            .map(Filter::Any)
    }

    fn address(self, column: Column) -> Filter {
        if self.fits_present() {
            return Filter::Present(column);
        }
        let range = |one: &Matcher| match one {
            Matcher::Network(network) => Some(addresses(network)),
            _ => None,
        };
        let ranges = self.0.iter().filter_map(range).collect();
        Filter::Text(column, TextTest::addresses(ranges))
    }

    fn endpoint(self, ip: Column, port: Column) -> Filter {
        let one = |one: &Matcher| match one {
            Matcher::Present => Filter::Any(vec![Filter::Present(ip), Filter::Present(port)]),
            Matcher::Endpoint(endpoint) => end(endpoint, ip, port),
            _ => no_row(),
        };
        Filter::Any(self.0.iter().map(one).collect())
    }

    fn protocol_type(self) -> Filter {
        let mut any = vec![self.number(Column::ProtocolType)];
        if self.fits(Value::Text(UNPARSABLE.as_bytes())) {
            any.push(Filter::Present(Column::ErrorReason));
        }
        Filter::Any(any)
    }

    fn class(self) -> Filter {
        let fits = |class: &Class| self.fits(Value::Text(class.name().as_bytes()));
        Filter::Class(Class::ALL.iter().copied().filter(fits).collect())
    }

    /// A time that is not believed stands apart, and on one side or the other of that of reception.
    fn clock(self) -> Filter {
        let matchers = self.shared();
        let side = move |row: &Row<'_>| {
            row.claimed_at.is_some_and(|claimed| {
                let fault = if claimed > row.received_at {
                    ClockFault::Ahead
                } else {
                    ClockFault::Behind
                };
                Condition(&matchers).fits(Value::Text(fault.label().as_bytes()))
            })
        };
        let columns = vec![Column::ClaimedAt, Column::ReceivedAt];
        Filter::Rows(RowTest::new(columns, side))
    }

    /// The method of a request, else that in the CSeq. It also decides about the class, by which segments are told apart.
    fn method(self) -> Filter {
        let method = Filter::Any(vec![
            self.text(Column::Method),
            either_or(Column::Method, self.text(Column::CseqMethod)),
        ]);
        let class = |one: &Matcher| match one {
            Matcher::Exact(text) => Some(class_of_method(
                text.as_str().to_ascii_uppercase().as_bytes(),
            )),
            _ => None,
        };
        let Some(mut classes) = self.0.iter().map(class).collect::<Option<Vec<_>>>() else {
            return method;
        };
        // Written in another case, a method is one that we do not know.
        classes.push(Class::Sip);
        Filter::All(vec![Filter::Class(classes), method])
    }

    /// The user of a URI, and `user@host`, of which each column has a half.
    fn user(self, uri: UriColumns) -> Filter {
        if self.fits_present() {
            return Filter::Present(uri.user);
        }
        let is_whole = |one: &&Matcher| matches!(one, Matcher::Exact(_));
        let whole: Vec<Matcher> = self.0.iter().filter(is_whole).cloned().collect();
        let mut any = Vec::new();
        if !whole.is_empty() {
            any.push(Condition(&whole).text(uri.user));
        }
        for one in self.0 {
            let alone = Condition(std::slice::from_ref(one));
            match one {
                Matcher::Exact(text) => {
                    // No host has an `@` in it.
                    if let Some((user, host)) = text.as_str().rsplit_once('@') {
                        any.push(Filter::All(vec![
                            Filter::Text(uri.user, TextTest::is_one_of_ignoring_case([user])),
                            Filter::Text(uri.host, TextTest::is_one_of_ignoring_case([host])),
                        ]));
                    }
                }
                Matcher::Prefix(text) if !text.as_str().contains('@') => {
                    any.push(alone.text(uri.user));
                }
                Matcher::Suffix(text) | Matcher::Inside(text, _)
                    if !text.as_str().contains('@') =>
                {
                    any.push(alone.text(uri.user));
                    any.push(Filter::All(vec![
                        Filter::Present(uri.user),
                        alone.text(uri.host),
                    ]));
                }
                _ => any.push(alone.user_at_host(uri)),
            }
        }
        Filter::Any(any)
    }

    fn user_at_host(self, uri: UriColumns) -> Filter {
        let matchers = self.shared();
        let fits = move |row: &Row<'_>| {
            let (user, host) = (uri.of)(row);
            user.is_some_and(|user| {
                any_user_at_host(user.as_bytes(), host.map(str::as_bytes), &mut |value| {
                    Condition(&matchers).fits(value)
                })
            })
        };
        Filter::Rows(RowTest::new(vec![uri.user, uri.host], fits))
    }

    /// Something that `look` finds in the payload fits. What did not decode has none, whatever octets its row holds.
    fn payload(
        self,
        look: impl Fn(&[u8], &mut dyn FnMut(&[u8]) -> bool) -> bool + Send + Sync + 'static,
    ) -> Filter {
        let matchers = self.shared();
        let test = TextTest::fits(move |octets| {
            !octets.is_empty()
                && look(octets, &mut |text| {
                    Condition(&matchers).fits(Value::Text(text))
                })
        });
        Filter::All(vec![
            Filter::Present(Column::ErrorReason).negated(),
            Filter::Text(Column::Payload, test),
        ])
    }

    /// The first label has columns; where there are more, all of them are JSON.
    fn label(self, column: Column, name: &'static str) -> Filter {
        let matchers = self.shared();
        let any_of_all = TextTest::fits(move |json| {
            let labels: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap_or_default();
            labels.iter().any(|label| {
                let text = label.get(name).and_then(serde_json::Value::as_str);
                text.is_some_and(|text| Condition(&matchers).fits(Value::Text(text.as_bytes())))
            })
        });
        Filter::Any(vec![
            self.text(column),
            Filter::Text(Column::Labels, any_of_all),
        ])
    }
}

/// The columns of a URI.
#[derive(Debug, Clone, Copy)]
struct UriColumns {
    user: Column,
    host: Column,
    of: for<'r, 'a> fn(&'r Row<'a>) -> (Option<&'a str>, Option<&'a str>),
}

const FROM: UriColumns = UriColumns {
    user: Column::FromUser,
    host: Column::FromHost,
    of: |row| (row.from_user, row.from_host),
};
const TO: UriColumns = UriColumns {
    user: Column::ToUser,
    host: Column::ToHost,
    of: |row| (row.to_user, row.to_host),
};
const REQUEST_URI: UriColumns = UriColumns {
    user: Column::RuriUser,
    host: Column::RuriHost,
    of: |row| (row.ruri_user, row.ruri_host),
};

/// What takes the place of a column where that has no value.
fn either_or(column: Column, instead: Filter) -> Filter {
    Filter::All(vec![Filter::Present(column).negated(), instead])
}

fn end(endpoint: &Endpoint, ip: Column, port: Column) -> Filter {
    let mut all = Vec::new();
    if let Some(network) = &endpoint.network {
        let ranges = vec![addresses(network)];
        all.push(Filter::Text(ip, TextTest::addresses(ranges)));
    }
    if let Some(ports) = &endpoint.ports {
        let ports = i64::from(*ports.start())..=i64::from(*ports.end());
        all.push(Filter::Number(port, vec![ports]));
    }
    Filter::All(all)
}

fn addresses(network: &Network) -> RangeInclusive<std::net::IpAddr> {
    match network {
        Network::Cidr(net) => net.network()..=net.broadcast(),
        Network::Range(low, high) => *low..=*high,
    }
}
