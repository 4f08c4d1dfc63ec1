//! From a frozen generation to segments.

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::interleave,
};

use crate::{
    counters::add,
    hot::Generation,
    manifest::{Edit, SegmentEntry, Why},
    memory::Use,
    paths::hour_of,
    row::{Class, Column, Stamps, combine},
    segment::{Cluster, Keys, Segment, SegmentWriter, written_octets},
    store::Inner,
};

/// Rows that are put in order at a time.
const CHUNK: usize = 2_048;
/// How long a generation that could not be written is left alone, the first time; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(10);
/// And at most so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Times that a generation is tried when the disk is not to blame.
const TRIES: u32 = 3;

/// Runs until the store closes and no generation is left, or none can be written.
pub(crate) fn run(inner: &Arc<Inner>) {
    let mut tries = 0;
    loop {
        let Some(generation) = inner.next_frozen() else {
            return;
        };
        let written = catch_unwind(AssertUnwindSafe(|| flush(inner, &generation)))
            .unwrap_or_else(|_panic| Err(io::ErrorKind::InvalidData.into()));
        match written {
            Ok(()) => {
                tries = 0;
                add(&inner.counters.flushes, 1);
            }
            Err(error) => {
                tries += 1;
                add(&inner.counters.flush_failures, 1);
                tracing::error!(%error, generation = generation.number, "generation not written");
                if error.kind() == io::ErrorKind::InvalidData && tries >= TRIES {
                    give_up(inner, &generation);
                    tries = 0;
                } else if inner.pause_unless_closed(pause(tries)) {
                    // It stays in the log, and is read back at the next start.
                    return;
                }
            }
        }
        // With the generation goes the memory of its rows: those who are woken may want it.
        drop(generation);
        inner.frozen_changed.notify();
        inner.queue.wake();
    }
}

fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE)
}

fn flush(inner: &Arc<Inner>, generation: &Generation) -> io::Result<()> {
    let entries = write(inner, generation)?;
    let segments: Vec<Arc<Segment>> = entries.iter().map(|entry| inner.segment(entry)).collect();
    let edit = Edit {
        add: entries,
        done: Some(generation.number + 1),
        why: Why::Flush,
        ..Edit::default()
    };
    if let Err(error) = inner.manifest.lock().commit(edit) {
        // The files are not listed: they go now, or at the next start.
        for segment in segments {
            segment.doom();
        }
        return Err(error);
    }
    inner.live.exchange(Some(generation.number), segments, &[]);
    inner.remove_log(generation.number);
    Ok(())
}

/// Nothing that happens to the disk explains it: the rows stay in a log file that is set aside.
fn give_up(inner: &Arc<Inner>, generation: &Generation) {
    tracing::error!(
        generation = generation.number,
        rows = generation.rows,
        "generation given up, its log file is set aside"
    );
    add(&inner.counters.lost_unwritable, generation.rows);
    inner.set_log_aside(generation.number);
    inner
        .live
        .exchange(Some(generation.number), Vec::new(), &[]);
}

/// Writes the segments of a generation: one for each class and hour that it has.
fn write(inner: &Inner, generation: &Generation) -> io::Result<Vec<SegmentEntry>> {
    let octets = generation
        .batches
        .iter()
        .map(|batch| batch.rows.memory() as u64)
        .sum::<u64>();
    // Segments have an eighth of what rows have in memory.
    inner.check_free_space(octets / 4)?;
    let _memory = inner.memory.take(
        Use::Flush,
        written_octets(generation.rows) + generation.rows * 80,
    );
    let mut parts: BTreeMap<(i64, Class), Cluster<(u32, u32)>> = BTreeMap::new();
    for (number, batch) in (0..).zip(&generation.batches) {
        let rows = batch.rows.columns();
        let (stamps, keys) = (Stamps::new(rows), Keys::new(rows));
        let classes = rows.column_by_name(Column::Class.name());
        let classes = classes.and_then(|classes| classes.as_string_opt::<i32>());
        for (index, row) in (0..rows.num_rows()).zip(0..) {
            let class = classes.and_then(|classes| Class::from_name(classes.value(index)));
            let part = (hour_of(stamps.received(index)), class.unwrap_or_default());
            parts
                .entry(part)
                .or_default()
                .push(keys.get(index), (number, row));
        }
    }
    let batches: Vec<&RecordBatch> = generation
        .batches
        .iter()
        .map(|batch| batch.rows.columns())
        .collect();
    parts
        .into_iter()
        .map(|((hour, class), cluster)| {
            let number = inner.manifest.lock().next_segment();
            let entry = SegmentEntry::planned(number, class, hour, 0);
            let mut writer = SegmentWriter::begin(
                &inner.options.disk,
                &inner.paths,
                inner.node,
                entry,
                Vec::new(),
            )?;
            for chunk in cluster.into_order().chunks(CHUNK) {
                writer.write(&gather(&batches, chunk)?)?;
            }
            writer.finish()
        })
        .collect()
}

/// The rows at `places`: which batch, and which of its rows.
fn gather(batches: &[&RecordBatch], places: &[(u32, u32)]) -> io::Result<RecordBatch> {
    let places: Vec<(usize, usize)> = places
        .iter()
        .map(|(batch, row)| (*batch as usize, *row as usize))
        .collect();
    combine(batches, places.len(), |columns| {
        interleave(columns, &places)
    })
    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
