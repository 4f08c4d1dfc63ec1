//! Which segments are merged next: a decision, nothing else.

use std::{collections::BTreeMap, sync::Arc};

use super::pages;
use crate::{options::Options, paths::end_of_hour, row::Class, segment::Segment};

/// Segments to be merged, and what they become.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    pub(crate) inputs: Vec<Arc<Segment>>,
    pub(crate) class: Class,
    pub(crate) hour: i64,
    pub(crate) level: u8,
}

/// What a merge may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows that a segment is brought to.
    pub(crate) rows: u64,
    /// Octets that decoded rows of all inputs may take,
    pub(crate) decoded: u64,
    /// and the pages that these are read from.
    pub(crate) pages: u64,
}

/// The most urgent merge, if any.
///
/// In an hour that is still open, segments of level 0 are merged when they are many or have enough rows; rows are
/// merged once there. In a closed hour, whatever is smaller than half of the rows is merged with its neighbours.
pub(crate) fn due(
    segments: &[Arc<Segment>],
    now: i64,
    limits: Limits,
    options: &Options,
) -> Option<Merge> {
    let rows = limits.rows;
    let mut parts: BTreeMap<(i64, Class), Vec<&Arc<Segment>>> = BTreeMap::new();
    for segment in segments {
        let entry = &segment.entry;
        parts
            .entry((entry.hour, entry.class))
            .or_default()
            .push(segment);
    }
    let delay = i64::try_from(options.compact_delay.as_micros()).unwrap_or(i64::MAX);
    // The newest hour first: it is searched most.
    parts
        .into_iter()
        .rev()
        .find_map(|((hour, class), mut segments)| {
            segments.sort_by_key(|segment| segment.entry.ids.0);
            let closed = end_of_hour(hour).saturating_add(delay) <= now;
            let (level, inputs) = if closed {
                let small = |segment: &&Arc<Segment>| segment.entry.rows < rows.div_ceil(2);
                let inputs = take(segments.into_iter().filter(small), limits);
                (2, inputs)
            } else {
                let fresh: Vec<&Arc<Segment>> = segments
                    .into_iter()
                    .filter(|segment| segment.entry.level == 0)
                    .collect();
                let total: u64 = fresh.iter().map(|segment| segment.entry.rows).sum();
                let enough = fresh.len() >= options.compact_segments || total >= rows;
                (
                    1,
                    if enough {
                        take(fresh.into_iter(), limits)
                    } else {
                        Vec::new()
                    },
                )
            };
            (inputs.len() >= 2).then_some(Merge {
                inputs,
                class,
                hour,
                level,
            })
        })
}

/// The first segments until they have enough rows, or reading them takes all that there is; two in any case.
fn take<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>, limits: Limits) -> Vec<Arc<Segment>> {
    let (mut count, mut rows, mut octets) = (0, 0, 0);
    segments
        .take_while(|segment| {
            rows += segment.entry.rows;
            octets += pages(segment);
            count += 1;
            count == 1 || (rows <= limits.rows && (count == 2 || octets <= limits.pages))
        })
        .cloned()
        .collect()
}
