//! Calls that an operator parts or joins: open ones in the tracker, closed ones as new rows.

use std::sync::Arc;

use hepcat_store::{AppendError, RowId, SearchError};

use super::Node;
use crate::{
    call::{CallId, CallRecord, LegId, Link, LinkStatus},
    search,
    sink::store::StoreSink,
    state::{StateError, superseded},
};

/// Why calls were neither parted nor joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelinkError {
    /// The node keeps nothing.
    #[error("this node has no store")]
    NoStore,
    /// There is no such call.
    #[error("no call that is kept has the id or a leg with the Call-ID `{0}`")]
    NoCall(String),
    /// Its legs are not held together by that.
    #[error("the call has no such link")]
    NoLink,
    /// One of two calls goes on, and the other one is over.
    #[error("one of the calls is still open: join them when it is over")]
    HalfOpen,
    /// They are one already.
    #[error("both are the same call")]
    Same,
    /// The store could not be asked.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The store does not take the new rows.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It could not be written down which rows hold no more.
    #[error("the state cannot be written")]
    State(#[from] StateError),
    /// The work ended by a defect of ours.
    #[error("not finished, by a defect of hepcat")]
    Defect,
}

/// What came of looking for calls: done in the tracker, or rows to be replaced by these calls.
enum Outcome {
    Open(Vec<CallRecord>),
    Closed(Vec<RowId>, Vec<CallRecord>),
}

impl Node {
    /// Takes up which rows of calls hold no more.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) async fn recall_superseded(&self) -> Result<(), StateError> {
        if let Some(store) = &self.store {
            let rows = self.state.call(|state| superseded::read_all(state)).await?;
            store.supersede(rows);
        }
        Ok(())
    }

    /// Takes the links of `leg` by `key` away from the call of that id or Call-ID. Gives the calls that there are
    /// instead.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub async fn unlink_call(
        &self,
        name: String,
        leg: LegId,
        key: u64,
    ) -> Result<Vec<CallRecord>, RelinkError> {
        self.relink(move |sink| {
            let open = search::open_call(sink, &name);
            if let Some(call) = open {
                return part_open(sink, &call, leg, key);
            }
            let (row, call) = search::closed_call(sink, &name)?.ok_or(RelinkError::NoCall(name))?;
            let is_meant = |link: &Link| {
                let is_of_leg = link.from == leg || link.to == leg;
                link.key == key && is_of_leg && link.status != LinkStatus::Unlinked
            };
            let has_link = call.links.iter().any(is_meant);
            if !has_link {
                return Err(RelinkError::NoLink);
            }
            Ok(Outcome::Closed(vec![row], call.unlink(leg, key)))
        })
        .await
    }

    /// Joins the calls of these ids or Call-IDs. Gives the one that there is instead.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub async fn link_calls(
        &self,
        name: String,
        with: String,
    ) -> Result<Vec<CallRecord>, RelinkError> {
        self.relink(move |sink| {
            match (
                search::open_call(sink, &name),
                search::open_call(sink, &with),
            ) {
                (Some(one), Some(other)) => join_open(sink, &one, &other),
                (None, None) => {
                    let one = search::closed_call(sink, &name)?.ok_or(RelinkError::NoCall(name))?;
                    let other =
                        search::closed_call(sink, &with)?.ok_or(RelinkError::NoCall(with))?;
                    if one.1.id == other.1.id {
                        return Err(RelinkError::Same);
                    }
                    let rows = vec![one.0, other.0];
                    Ok(Outcome::Closed(rows, vec![one.1.link(other.1)]))
                }
                (one, _) => {
                    let other = if one.is_some() { &with } else { &name };
                    Err(match search::closed_call(sink, other)? {
                        Some(_) => RelinkError::HalfOpen,
                        None => RelinkError::NoCall(other.clone()),
                    })
                }
            }
        })
        .await
    }

    async fn relink(
        &self,
        decide: impl FnOnce(&StoreSink) -> Result<Outcome, RelinkError> + Send + 'static,
    ) -> Result<Vec<CallRecord>, RelinkError> {
        let store = Arc::clone(self.store.as_ref().ok_or(RelinkError::NoStore)?);
        let worker = Arc::clone(&store);
        let work = move || match decide(&worker)? {
            Outcome::Open(calls) => Ok((Vec::new(), calls)),
            Outcome::Closed(rows, calls) => {
                worker.keep_calls(&calls)?;
                Ok((
                    rows.into_iter().map(RowId::get).collect::<Vec<i64>>(),
                    calls,
                ))
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (rows, calls) = done.unwrap_or(Err(RelinkError::Defect))?;
        if !rows.is_empty() {
            // The new rows are there: until this is written, both are shown, and nothing is lost.
            let written = rows.clone();
            self.state
                .call(move |state| superseded::add(state, &written))
                .await?;
            store.supersede(rows);
        }
        Ok(calls)
    }
}

fn part_open(
    sink: &StoreSink,
    call: &CallRecord,
    leg: LegId,
    key: u64,
) -> Result<Outcome, RelinkError> {
    let mut tracker = sink.tracker().lock();
    if !call.legs.iter().any(|known| known.id == leg) || !tracker.unlink(leg, key) {
        return Err(RelinkError::NoLink);
    }
    let mut calls: Vec<CallRecord> = Vec::new();
    for leg in &call.legs {
        let now = tracker.call_with(&leg.call_id);
        calls.extend(now.filter(|now| calls.iter().all(|known| known.id != now.id)));
    }
    Ok(Outcome::Open(calls))
}

fn join_open(
    sink: &StoreSink,
    one: &CallRecord,
    other: &CallRecord,
) -> Result<Outcome, RelinkError> {
    if one.id == other.id {
        return Err(RelinkError::Same);
    }
    let first = |call: &CallRecord| call.legs.first().map(|leg| leg.id).unwrap_or_default();
    let mut tracker = sink.tracker().lock();
    if !tracker.link(first(one), first(other)) {
        return Err(RelinkError::NoLink);
    }
    let by_leg = one
        .legs
        .first()
        .and_then(|leg| tracker.call_with(&leg.call_id));
    let by_id = |id: CallId| tracker.call(id);
    Ok(Outcome::Open(
        by_leg.or_else(|| by_id(one.id)).into_iter().collect(),
    ))
}
