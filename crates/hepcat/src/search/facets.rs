//! Which values a field has, and how often.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use hepcat_store::{Cancel, Column, CountBy, Counted, MAX_COUNTS, SearchError};
use jiff::Timestamp;
use serde::Serialize;

use super::{Asked, CallSearch, Searched, calls::each_call};
use crate::{
    call::Kind,
    query::{
        FIELDS, Field, Query, Subject as _, UNPARSABLE, Value, net_protocol_named,
        protocol_type_name,
    },
    sink::store::StoreSink,
};

/// What values are counted of.
#[derive(Debug, Clone)]
pub enum FacetOf {
    /// Messages like this.
    Messages(Asked),
    /// Calls like this, by what has columns and by the whole, of this kind.
    Calls(Asked, Query, Option<Kind>),
}

/// What is counted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FacetSearch {
    /// Of what.
    pub of: FacetOf,
    /// Whose values.
    pub field: Field,
    /// Values that are enough, the most frequent.
    pub limit: usize,
    /// How long it may take.
    pub deadline: Duration,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl FacetSearch {
    /// The 20 most frequent values, within ten seconds.
    #[must_use]
    pub fn new(of: FacetOf, field: Field) -> Self {
        Self {
            of,
            field,
            limit: 20,
            deadline: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

/// A field whose values are not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("values of `{field}` are not counted of {of}; these are: {}", known.join(", "))]
pub struct UnknownFacet {
    /// As it was asked for.
    pub field: String,
    /// `messages` or `calls`.
    pub of: &'static str,
    /// What can be asked for.
    pub known: Vec<&'static str>,
}

/// Values of a field.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Facet {
    /// Name of the field.
    pub field: String,
    /// What was counted: `messages` or `calls`.
    pub of: &'static str,
    /// The most frequent ones first.
    pub values: Vec<FacetValue>,
    /// How many different ones there are; at least, where `is_exact` is false.
    pub different: u64,
    /// Messages or calls that have other values than these.
    pub others: u64,
    /// Messages or calls that have no value.
    pub missing: u64,
    /// False where there were too many different values to count each, so that counts may be too small.
    pub is_exact: bool,
    /// What was looked through.
    pub searched: Searched,
    /// Why it ended before everything was looked at.
    pub ended_by: Option<String>,
    /// Where it ended early: what was received later than this is counted, what was received before may be.
    pub counted_since: Option<Timestamp>,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// How often a value is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct FacetValue {
    /// The value, as a query says it.
    pub value: String,
    /// In how many messages or calls.
    pub count: u64,
}

/// Counts the values of a field. What was counted before an end by time or memory is given all the same.
///
/// # Errors
/// Where counting could not begin, and where it was cancelled; inside, where the field is none whose values are counted.
pub fn facet(
    sink: &StoreSink,
    search: &FacetSearch,
) -> Result<Result<Facet, UnknownFacet>, SearchError> {
    match &search.of {
        FacetOf::Messages(asked) => of_messages(sink, search, asked),
        FacetOf::Calls(asked, query, kind) => of_calls(sink, search, asked, query, *kind),
    }
}

fn of_messages(
    sink: &StoreSink,
    search: &FacetSearch,
    asked: &Asked,
) -> Result<Result<Facet, UnknownFacet>, SearchError> {
    let Some(columns) = columns(&search.field) else {
        return Ok(Err(unknown(&search.field, "messages", |field| {
            columns(field).is_some()
        })));
    };
    let searched = asked.searched();
    let mut rows = asked.clone().search();
    rows.deadline = Some(search.deadline);
    rows.cancel = search.cancel.clone();
    let mut by = CountBy::default();
    by.values = columns;
    let counted = sink.store().count(rows, &by)?;
    if counted.ended_by == Some(SearchError::Cancelled) {
        return Err(SearchError::Cancelled);
    }
    let mut tally = Tally {
        beyond: counted.beyond,
        ..Tally::default()
    };
    for count in counted.counts {
        match count.value {
            Some(value) => tally.add(name(&search.field, value), count.rows),
            None => tally.missing += count.rows,
        }
    }
    let mut facet = tally.finish(search, "messages", searched);
    facet.ended_by = counted.ended_by.map(|error| error.to_string());
    facet.counted_since = time(counted.counted_since);
    facet.unreadable = counted.report.unreadable;
    Ok(Ok(facet))
}

fn of_calls(
    sink: &StoreSink,
    search: &FacetSearch,
    asked: &Asked,
    query: &Query,
    kind: Option<Kind>,
) -> Result<Result<Facet, UnknownFacet>, SearchError> {
    if !is_counted_of_calls(&search.field) {
        return Ok(Err(unknown(&search.field, "calls", is_counted_of_calls)));
    }
    let calls = CallSearch {
        kind,
        time: asked.time.clone(),
        deadline: search.deadline,
        cancel: search.cancel.clone(),
        ..CallSearch::default()
    };
    let mut tally = Tally::default();
    let looked = each_call(
        sink,
        &calls,
        asked.filter.clone(),
        |call| query.matches(call),
        |call| {
            // A call has each of its values once, however many legs have it.
            let mut values = BTreeSet::new();
            call.any(&search.field, &mut |value| {
                values.extend(text(&search.field, value));
                false
            });
            if values.is_empty() {
                tally.missing += 1;
            }
            for value in values {
                tally.add(value, 1);
            }
        },
    )?;
    let mut facet = tally.finish(search, "calls", asked.searched());
    facet.ended_by = looked.ended_by.map(|error| error.to_string());
    facet.counted_since = time(looked.since);
    facet.unreadable = looked.unreadable;
    Ok(Ok(facet))
}

/// The columns of which the first that has a value says what a message has in a field. `None` where that takes more.
fn columns(field: &Field) -> Option<Vec<Column>> {
    Some(match field {
        Field::Listener => vec![Column::Listener],
        Field::Agent => vec![Column::Agent],
        Field::NetProtocol => vec![Column::HepTransport],
        Field::Type => vec![Column::ProtocolType, Column::ErrorReason],
        Field::Error => vec![Column::ErrorReason],
        Field::Class => vec![Column::Class],
        Field::Version => vec![Column::HepVersion],
        Field::CaptureId => vec![Column::CaptureId],
        Field::Node => vec![Column::NodeName],
        Field::Method => vec![Column::Method, Column::CseqMethod],
        Field::Status => vec![Column::Status],
        Field::CallId => vec![Column::CallId, Column::CorrelationId],
        Field::From => vec![Column::FromUser],
        Field::To => vec![Column::ToUser],
        Field::RequestUri => vec![Column::RuriUser],
        Field::Domain => vec![Column::RuriHost, Column::ToHost, Column::FromHost],
        Field::UserAgent => vec![Column::UserAgent],
        Field::Source => vec![Column::SrcIp],
        Field::Destination => vec![Column::DstIp],
        Field::LabelTable => vec![Column::LabelTable],
        Field::LabelField(0) => vec![Column::LabelF1],
        Field::LabelField(1) => vec![Column::LabelF2],
        Field::LabelField(2) => vec![Column::LabelF3],
        _ => return None,
    })
}

/// A value of a column as a query says it.
fn name(field: &Field, value: Counted) -> String {
    match (field, value) {
        (Field::Type, Counted::Number(number)) => {
            protocol_type_name(number).map_or_else(|| number.to_string(), str::to_owned)
        }
        (Field::Type, Counted::Text(_reason)) => UNPARSABLE.to_owned(),
        (Field::NetProtocol, Counted::Text(transport)) => net_protocol_named(&transport).to_owned(),
        (_, Counted::Number(number)) => number.to_string(),
        (_, Counted::Text(text)) => text.into(),
    }
}

fn is_counted_of_calls(field: &Field) -> bool {
    field.is_of_calls()
        && !matches!(
            field,
            Field::Time
                | Field::Last
                | Field::Setup
                | Field::Ring
                | Field::Talk
                | Field::Duration
                | Field::Media
        )
}

/// A value of a call as a query says it.
fn text(field: &Field, value: Value<'_>) -> Option<String> {
    match value {
        // The user stands beside the user with the host.
        Value::Text(text) => {
            let is_user = matches!(
                field,
                Field::From | Field::To | Field::RequestUri | Field::User
            );
            let text = String::from_utf8_lossy(text);
            (!is_user || !text.contains('@')).then(|| text.into_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Address(address) => Some(address.to_string()),
        Value::Endpoint(address, _) => address.map(|address| address.to_string()),
        _ => None,
    }
}

fn unknown(field: &Field, of: &'static str, is_known: impl Fn(&Field) -> bool) -> UnknownFacet {
    let known = FIELDS.iter().filter(|entry| is_known(&entry.field));
    UnknownFacet {
        field: field.to_string(),
        of,
        known: known.map(|entry| entry.name).collect(),
    }
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros?).ok()
}

#[derive(Default)]
struct Tally {
    counts: HashMap<String, u64>,
    missing: u64,
    /// Values that there were too many of.
    beyond: u64,
}

impl Tally {
    fn add(&mut self, value: String, count: u64) {
        if let Some(so_far) = self.counts.get_mut(&value) {
            *so_far += count;
        } else if self.counts.len() < MAX_COUNTS {
            self.counts.insert(value, count);
        } else {
            self.beyond += count;
        }
    }

    fn finish(self, search: &FacetSearch, of: &'static str, searched: Searched) -> Facet {
        let different = self.counts.len() as u64;
        let counts = self.counts.into_iter();
        let mut values: Vec<_> = counts
            .map(|(value, count)| FacetValue { value, count })
            .collect();
        values.sort_unstable_by(|one, other| {
            (other.count, &one.value).cmp(&(one.count, &other.value))
        });
        let others = values.iter().skip(search.limit).map(|value| value.count);
        let others = others.sum::<u64>() + self.beyond;
        values.truncate(search.limit);
        Facet {
            field: search.field.to_string(),
            of,
            values,
            different,
            others,
            missing: self.missing,
            is_exact: self.beyond == 0,
            searched,
            ended_by: None,
            counted_since: None,
            unreadable: 0,
        }
    }
}
