//! The manifest made anew from what segments say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{SegmentEntry, State};
use crate::row::RowId;

/// What the footer of a readable segment says.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub(crate) entry: SegmentEntry,
    /// The segments from which it was made.
    pub(crate) replaces: Vec<u64>,
}

/// The state that the segments with these footers were in, while the log has `generations`.
///
/// A flush is complete before its log file is deleted: segments of level 0 whose generation is still in the log may
/// be a part of one, and are made again from there.
pub(crate) fn rebuild(node: u16, footers: Vec<Footer>, generations: &BTreeSet<u32>) -> State {
    let replaced: BTreeSet<u64> = footers
        .iter()
        .flat_map(|footer| footer.replaces.iter().copied())
        .collect();
    let next_segment = footers
        .iter()
        .map(|footer| footer.entry.number + 1)
        .chain(replaced.iter().map(|number| number + 1))
        .max()
        .unwrap_or_default();
    let newest = |entry: &SegmentEntry| RowId::from_number(entry.ids.1).generation();
    let next_generation = footers
        .iter()
        .map(|footer| newest(&footer.entry) + 1)
        .chain(generations.iter().map(|generation| generation + 1))
        .max()
        .unwrap_or_default();
    let segments: BTreeMap<u64, SegmentEntry> = footers
        .into_iter()
        .map(|footer| footer.entry)
        .filter(|entry| !replaced.contains(&entry.number))
        .filter(|entry| entry.level > 0 || !generations.contains(&newest(entry)))
        .map(|entry| (entry.number, entry))
        .collect();
    let merged = segments.values().filter(|entry| entry.level > 0);
    let done = merged
        .map(|entry| newest(entry) + 1)
        .max()
        .unwrap_or_default()
        .max(generations.first().copied().unwrap_or(next_generation));
    State {
        node,
        next_segment,
        next_generation,
        done,
        segments,
        // Segments do not say what there was beside them.
        expired: BTreeMap::new(),
    }
}
