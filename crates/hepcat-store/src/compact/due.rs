//! Which segments are merged next: a decision, nothing else.

use std::{collections::BTreeMap, sync::Arc};

use crate::{options::Options, paths::end_of_hour, row::Class, segment::Segment};

/// Segments to be merged, and what they become.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    pub(crate) inputs: Vec<Arc<Segment>>,
    pub(crate) class: Class,
    pub(crate) hour: i64,
    pub(crate) level: u8,
}

/// The most urgent merge, if any. `rows` is what a segment is brought to.
///
/// In an hour that is still open, segments of level 0 are merged when they are many or have enough rows; rows are
/// merged once there. In a closed hour, whatever is smaller than half of `rows` is merged with its neighbours.
pub(crate) fn due(
    segments: &[Arc<Segment>],
    now: i64,
    rows: u64,
    options: &Options,
) -> Option<Merge> {
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
                let inputs = take(segments.into_iter().filter(small), rows);
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
                        take(fresh.into_iter(), rows)
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

/// The first segments until they have enough rows.
fn take<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>, rows: u64) -> Vec<Arc<Segment>> {
    let mut total = 0;
    segments
        .take_while(|segment| {
            let before = total;
            total += segment.entry.rows;
            before == 0 || total <= rows
        })
        .cloned()
        .collect()
}
