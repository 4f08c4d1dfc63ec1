//! Searches for registrations: those that are followed are known to the tracker, how others ended are rows.

use std::{collections::HashSet, time::Duration};

use hepcat_store::{Cancel, Class, Column, Cursor, Filter, Search, SearchError};

use super::Place;
use crate::{
    call::{Moment, RegistrationId, RegistrationRecord, RegistrationState},
    sink::store::{StoreSink, calls::REGISTRATION},
};

/// Which registrations are asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistrationSearch {
    /// Part of the address of record, contact, source or user agent, in any case; all where it is empty.
    pub text: String,
    /// How they stand; any where it says nothing.
    pub state: Option<RegistrationState>,
    /// Only what comes behind this place.
    pub after: Option<Place>,
    /// Registrations that are enough.
    pub limit: usize,
    /// How long it may take.
    pub deadline: Duration,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl Default for RegistrationSearch {
    fn default() -> Self {
        Self {
            text: String::new(),
            state: None,
            after: None,
            limit: 200,
            deadline: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

impl RegistrationSearch {
    /// `text` is that of the search in lower case.
    fn fits(&self, registration: &RegistrationRecord, text: &str) -> bool {
        if self.state.is_some_and(|state| state != registration.state) {
            return false;
        }
        let has = |part: &str| part.to_lowercase().contains(text);
        has(&registration.address_of_record)
            || has(&registration.contact)
            || (registration.user_agent.as_deref()).is_some_and(has)
            || (registration.source).is_some_and(|source| has(&source.to_string()))
    }
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistrationPage {
    /// Those that are followed, heard of last first; then how others stood when they were written, the last first.
    pub registrations: Vec<RegistrationRecord>,
    /// From where a later search goes on; `None` where there is nothing more.
    pub next: Option<Place>,
    /// Why it ended before everything was looked at, other than that it found enough.
    pub ended_by: Option<SearchError>,
}

/// Looks for registrations.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn registrations(
    sink: &StoreSink,
    search: &RegistrationSearch,
) -> Result<RegistrationPage, SearchError> {
    let text = search.text.to_lowercase();
    let mut known: HashSet<RegistrationId> = HashSet::new();
    let mut found: Vec<RegistrationRecord> = Vec::new();
    for registration in sink.tracker().lock().registrations() {
        known.insert(registration.id);
        if is_behind(&registration, search.after) && search.fits(&registration, &text) {
            found.push(registration);
        }
    }
    found.sort_unstable_by_key(|registration| std::cmp::Reverse(rank(registration)));
    if found.len() > search.limit {
        found.truncate(search.limit);
        let last = found.last().map(rank);
        return Ok(RegistrationPage {
            registrations: found,
            next: last.map(|(at, id)| Place::Open(at, id)),
            ended_by: None,
        });
    }
    kept(sink, search, &text, known, found)
}

/// Goes on among rows.
fn kept(
    sink: &StoreSink,
    search: &RegistrationSearch,
    text: &str,
    mut known: HashSet<RegistrationId>,
    mut registrations: Vec<RegistrationRecord>,
) -> Result<RegistrationPage, SearchError> {
    let mut asked = Search::new(Filter::All(vec![
        Filter::Class(vec![Class::Record]),
        Filter::is(Column::Record, REGISTRATION),
    ]));
    asked.after = match search.after {
        Some(Place::Kept(cursor)) => Some(cursor),
        _ => None,
    };
    asked.columns = Some(vec![Column::Payload]);
    asked.deadline = Some(search.deadline);
    asked.cancel = search.cancel.clone();
    let behind_open = registrations.last().map(rank);
    let mut next = (behind_open.map(|(at, id)| Place::Open(at, id))).or(search.after);
    let mut ended_by = None;
    let mut is_whole = true;
    'search: for rows in sink.store().search(asked)? {
        let rows = match rows {
            Ok(rows) => rows,
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            Err(error) => {
                (ended_by, is_whole) = (Some(error), false);
                break;
            }
        };
        for row in rows.rows().iter() {
            if registrations.len() >= search.limit {
                is_whole = false;
                break 'search;
            }
            next = Some(Place::Kept(Cursor::new(row.received_at, row.id())));
            let record: Option<RegistrationRecord> = serde_json::from_slice(row.payload).ok();
            let is_new = |record: &RegistrationRecord| known.insert(record.id);
            if let Some(record) = record.filter(is_new)
                && search.fits(&record, text)
            {
                registrations.push(record);
            }
        }
    }
    Ok(RegistrationPage {
        registrations,
        next: next.filter(|_| !is_whole),
        ended_by,
    })
}

/// What the order goes by.
fn rank(registration: &RegistrationRecord) -> (Moment, u64) {
    (registration.last, registration.id.as_u64())
}

fn is_behind(registration: &RegistrationRecord, after: Option<Place>) -> bool {
    match after {
        None => true,
        Some(Place::Open(at, id)) => rank(registration) < (at, id),
        Some(Place::Kept(_)) => false,
    }
}
