//! A store that nobody has open, looked at without changing anything.

use std::{
    any::Any,
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    check::{CheckReport, Damaged, spelled},
    disk::{Disk, SystemDisk},
    error::OpenError,
    inventory::Inventory,
    manifest::{self, Footer, Found, State, rebuild},
    options::Retention,
    paths::Paths,
    recovery::{log_generations, segment_files},
    retention::{self, Expired},
    row::RowId,
    segment::{Segment, footer_of},
};

/// A store's directory, held so that nobody opens it meanwhile. Nothing in it is changed.
#[derive(Debug)]
pub struct Inspection {
    disk: Arc<dyn Disk>,
    paths: Paths,
    state: State,
    /// What was found damaged while it was opened.
    damaged: Vec<Damaged>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl Inspection {
    /// Looks at the store in `directory`.
    ///
    /// # Errors
    /// There is none, it cannot be read, it is of a newer version, or somebody has it open.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        let paths = Paths::new(directory);
        // Before the lock, which would be made: a directory without a store stays as it is.
        let files = segment_files(disk.as_ref(), &paths)?;
        let path = paths.lock();
        let lock = disk.lock(&path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse { path: path.clone() },
            _ => failed("locked", &path, source),
        })?;
        let path = paths.manifest();
        let found = manifest::read(disk.as_ref(), &paths)
            .map_err(|source| failed("read", &path, source))?;
        let mut report = CheckReport::default();
        let state = match found {
            Found::Sound(state) => state,
            Found::Newer(found) => {
                return Err(OpenError::Newer {
                    path,
                    found,
                    known: 1,
                });
            }
            Found::Missing if files.is_empty() => State::default(),
            Found::Missing | Found::Damaged(_) => {
                report.note(&path, 0, found.fault());
                from_footers(disk.as_ref(), &paths, &files, &mut report)?
            }
        };
        Ok(Self {
            disk,
            paths,
            state,
            damaged: report.damaged,
            _lock: lock,
        })
    }

    /// Reads everything whole.
    #[must_use]
    pub fn check(&self) -> CheckReport {
        let mut report = CheckReport {
            damaged: self.damaged.clone(),
            ..CheckReport::default()
        };
        for entry in self.state.segments.values() {
            let path = self.paths.segment(self.state.node, entry);
            let segment = Arc::new(Segment::new(entry.clone(), path, Arc::clone(&self.disk)));
            // What is wrong with it is in the report.
            drop(report.segment(&segment));
        }
        report.logs(self.disk.as_ref(), &self.paths);
        report
    }

    /// What lies there.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let entries = self.state.segments.values();
        Inventory::take(self.disk.as_ref(), &self.paths, entries)
    }

    /// What would go by these rules at `now`, microseconds since 1970, the oldest first.
    #[must_use]
    pub fn retention(&self, retention: &Retention, now: i64) -> Vec<Expired> {
        let free = self.disk.free_space(self.paths.root()).ok();
        let entries = self.state.segments.values();
        retention::plan(entries, retention, Some(now), free)
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        action,
        path: path.into(),
        source,
    }
}

/// The state that opening the store would make of its segments.
fn from_footers(
    disk: &dyn Disk,
    paths: &Paths,
    files: &[PathBuf],
    report: &mut CheckReport,
) -> Result<State, OpenError> {
    let logs: BTreeSet<u32> = log_generations(disk, paths)?.into_iter().collect();
    let mut footers: Vec<Footer> = Vec::new();
    for path in files {
        match footer_of(disk, path) {
            Ok(footer) => footers.push(footer),
            Err(error) => report.note(path, 0, spelled(&error)),
        }
    }
    let first = footers.first().map(|footer| footer.entry.ids.0);
    let node = first.map_or(0, |id| RowId::from_number(id).node());
    Ok(rebuild(node, footers, &logs))
}
