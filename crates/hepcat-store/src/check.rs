//! Reading everything to see whether it holds.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use crate::{
    disk::Disk,
    log::{End, verify},
    memory::Use,
    paths::Paths,
    recovery::log_generations,
    row::Column,
    segment::{Segment, SegmentError, read_rows},
    store::Inner,
};

/// Octets that reading takes: pages of a row group, and the rows of a batch.
const READING: u64 = 8 << 20;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Segments that hold.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// Log files that hold.
    pub logs: u64,
    /// Rows in log files, as far as these hold.
    pub log_rows: u64,
    /// Files that do not hold. Of a store that is open, segments among them were set aside.
    pub damaged: Vec<Damaged>,
    /// It ended early, because the store is about to be closed.
    pub unfinished: bool,
}

/// A file that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// Where it was.
    pub path: PathBuf,
    /// Rows that it should have; 0 where that is not known.
    pub rows: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Reads every octet of the manifest, of every segment and of every log file. Segments that are merged or removed
/// meanwhile are passed over.
pub(crate) fn run(inner: &Arc<Inner>) -> CheckReport {
    let mut report = CheckReport::default();
    let _memory = inner.memory.take(Use::Compaction, READING);
    if let Err(what) = inner.manifest.lock().check() {
        report.note(&inner.paths.manifest(), 0, what);
    }
    let view = inner.live.view();
    let segments: Vec<Weak<Segment>> = view.segments.iter().map(Arc::downgrade).collect();
    drop(view);
    for segment in segments {
        if inner.is_to_end() {
            report.unfinished = true;
            return report;
        }
        let Some(segment) = segment.upgrade() else {
            continue;
        };
        if let Err(error) = report.segment(&segment) {
            inner.report_unreadable(&segment, &error);
        }
    }
    report.logs(inner.options.disk.as_ref(), &inner.paths);
    report
}

impl CheckReport {
    /// Notes that the file at `path` does not hold.
    pub(crate) fn note(&mut self, path: &Path, rows: u64, what: String) {
        self.damaged.push(Damaged {
            path: path.into(),
            rows,
            what,
        });
    }

    /// Reads a segment whole.
    pub(crate) fn segment(&mut self, segment: &Arc<Segment>) -> Result<(), SegmentError> {
        let entry = &segment.entry;
        let read = read_whole(segment);
        match &read {
            Ok(()) => {
                self.segments += 1;
                self.rows += entry.rows;
                self.octets += entry.octets;
            }
            Err(error) => self.note(&segment.path, entry.rows, spelled(error)),
        }
        read
    }

    /// Reads every log file. The newest may end in a torn frame: it is being written, or was when its process ended.
    pub(crate) fn logs(&mut self, disk: &dyn Disk, paths: &Paths) {
        let generations = match log_generations(disk, paths) {
            Ok(generations) => generations,
            Err(error) => return self.note(&paths.log(), 0, error.to_string()),
        };
        let newest = generations.last().copied();
        for generation in generations {
            let path = paths.log_file(generation);
            let (rows, what) = match verify(disk, &path, generation) {
                Ok((rows, End::Clean)) => (rows, None),
                Ok((rows, End::Torn(_))) if newest == Some(generation) => (rows, None),
                Ok((rows, End::Torn(at))) => {
                    let what = format!("the frame at octet {at} does not hold");
                    (rows, Some(what))
                }
                Ok((rows, End::Foreign)) => {
                    (rows, Some("it is no log file of its generation".to_owned()))
                }
                Ok((rows, End::Newer(version))) => {
                    let what = format!("it has version {version}, which is not known here");
                    (rows, Some(what))
                }
                // Its rows were written as segments while we looked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => (0, Some(format!("it cannot be read: {error}"))),
            };
            self.log_rows += u64::from(rows);
            match what {
                None => self.logs += 1,
                Some(what) => self.note(&path, 0, what),
            }
        }
    }
}

/// The same words for whoever reads them alone.
pub(crate) fn spelled(error: &SegmentError) -> String {
    match error {
        SegmentError::Damaged(what) => what.clone(),
        SegmentError::Io(error) => format!("it cannot be read: {error}"),
    }
}

fn read_whole(segment: &Arc<Segment>) -> Result<(), SegmentError> {
    // What is held may be of before the damage.
    segment.forget();
    let opened = segment.open(0)?;
    let mut rows = 0;
    for group in 0..opened.row_groups().len() {
        let mut reader = opened.read(group, Column::ALL, None, false)?;
        while let Some(batch) = read_rows(&mut reader, Column::ALL, false)? {
            rows += batch.num_rows() as u64;
        }
        for column in crate::segment::FILTERED {
            opened.filter(group, *column)?;
        }
    }
    if rows == segment.entry.rows {
        Ok(())
    } else {
        Err(SegmentError::Damaged(format!(
            "it has {rows} rows, not {}",
            segment.entry.rows
        )))
    }
}
