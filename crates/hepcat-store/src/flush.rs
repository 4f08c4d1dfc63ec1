//! From a frozen generation to segments.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use arrow::array::{AsArray, RecordBatch};

use crate::{
    counters::add,
    hot::Generation,
    manifest::{Edit, SegmentEntry, Why},
    memory::Use,
    paths::hour_of,
    row::{Class, Column, Stamps},
    segment::{Begun, Keys, Segment, SegmentWriter, held, written_octets},
    store::Inner,
};

/// Octets of the memory budget for each call whose beginning is remembered: at 256 MiB these are 229,000 calls, as many
/// as a merged segment has, and 9 MiB.
const BUDGET_OF_CALL: u64 = 1_172;
/// How long a generation that could not be written is left alone, the first time; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(10);
/// And at most so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Times that a generation is tried when the disk is not to blame.
const TRIES: u32 = 3;

/// Runs until the store closes and no generation is left, or none can be written.
pub(crate) fn run(inner: &Arc<Inner>) {
    let calls = inner.memory.budget() / BUDGET_OF_CALL;
    let mut begun = Begun::new(usize::try_from(calls).unwrap_or(usize::MAX));
    let mut begun_memory = inner.memory.take(Use::Flush, 0);
    let mut tries = 0;
    loop {
        let Some(generation) = inner.next_frozen() else {
            return;
        };
        let written = catch_unwind(AssertUnwindSafe(|| flush(inner, &generation, &mut begun)))
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
        if !begun_memory.resize(begun.octets()) {
            begun_memory = inner.memory.take(Use::Flush, begun.octets());
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

fn flush(inner: &Arc<Inner>, generation: &Generation, begun: &mut Begun) -> io::Result<()> {
    let entries = write(inner, generation, begun)?;
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

/// A row of a generation: where its call began, then which batch and which row of it.
type Place = (i64, u32, u32);

/// Writes the segments of a generation: one for each class and hour that it has.
fn write(
    inner: &Inner,
    generation: &Generation,
    begun: &mut Begun,
) -> io::Result<Vec<SegmentEntry>> {
    let octets = generation
        .batches
        .iter()
        .map(|batch| batch.rows.memory() as u64)
        .sum::<u64>();
    // Segments have less than half of what rows have in memory.
    inner.check_free_space(octets / 2)?;
    let _memory = inner.memory.take(
        Use::Flush,
        written_octets(generation.rows) + generation.rows * 80,
    );
    // There are few parts.
    let mut parts: Vec<((i64, Class), Vec<Place>)> = Vec::new();
    for (number, batch) in (0..).zip(&generation.batches) {
        let rows = batch.rows.columns();
        let (stamps, keys) = (Stamps::new(rows), Keys::new(rows));
        let classes = rows.column_by_name(Column::Class.name());
        let classes = classes.and_then(|classes| classes.as_string_opt::<i32>());
        for (index, row) in (0..rows.num_rows()).zip(0..) {
            let class = classes.and_then(|classes| Class::from_name(classes.value(index)));
            let part = (hour_of(stamps.received(index)), class.unwrap_or_default());
            let first = begun.first_of(keys.get(index));
            let place = (first, number, row);
            match parts.iter_mut().find(|(other, _)| *other == part) {
                Some((_, places)) => places.push(place),
                None => parts.push((part, vec![place])),
            }
        }
    }
    parts.sort_unstable_by_key(|(part, _)| *part);
    let batches = (generation.batches.iter())
        .map(|batch| held(batch.rows.columns()))
        .collect::<Result<Vec<RecordBatch>, _>>()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    parts
        .into_iter()
        .map(|((hour, class), mut places)| {
            // Batches and their rows have the order of identities.
            places.sort_unstable();
            let places: Vec<(usize, usize)> = places
                .into_iter()
                .map(|(_, batch, row)| (batch as usize, row as usize))
                .collect();
            let number = inner.manifest.lock().next_segment();
            let entry = SegmentEntry::planned(number, class, hour, 0);
            let mut writer = SegmentWriter::begin(
                &inner.options.disk,
                &inner.paths,
                inner.node,
                entry,
                Vec::new(),
            )?;
            writer.write(&batches, &places)?;
            writer.finish()
        })
        .collect()
}
