//! All calls that fit, counted.

use hepcat_store::{Cancel, SearchError};

use super::{Asked, CallSearch, calls::each_call};
use crate::{
    overview::{Overview, Tally},
    query::Query,
    sink::store::StoreSink,
};

/// Counts the calls that `query` likes. Gives why it ended early, where it did.
///
/// # Errors
/// Where counting could not begin, and where it was cancelled.
pub fn overview(
    sink: &StoreSink,
    asked: &Asked,
    query: &Query,
    cancel: Cancel,
) -> Result<(Overview, Option<SearchError>), SearchError> {
    let search = CallSearch {
        time: asked.time.clone(),
        cancel,
        ..CallSearch::default()
    };
    let mut tally = Tally::default();
    let looked = each_call(
        sink,
        &search,
        asked.filter.clone(),
        |call| query.matches(call),
        |call| tally.add(call),
    )?;
    Ok((tally.finish(), looked.ended_by))
}
