//! From a directory, in whatever state it was left, to a store that goes on.

use std::{
    any::Any,
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    counters::{Counters, add},
    disk::Disk,
    error::OpenError,
    hot::{Generation, HotBatch},
    ingest::MAX_FROZEN,
    log::{End, replay as replay_log},
    manifest::{self, Footer, Found, State, rebuild},
    memory::Use,
    options::Options,
    paths::{Paths, generation_of},
    row::MAX_NODE,
    segment::{SegmentError, footer_of},
    store::Inner,
};

/// What was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// Generations that are in the log and not in segments, the oldest first.
    pub(crate) logs: Vec<u32>,
    pub(crate) next_generation: u32,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        action,
        path: path.into(),
        source,
    }
}

/// Makes the directories, takes the lock, and empties what is temporary.
pub(crate) fn prepare(
    disk: &dyn Disk,
    paths: &Paths,
) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    disk.make_directory(paths.root())
        .map_err(failed("made", paths.root()))?;
    let path = paths.lock();
    let lock = disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { path: path.clone() },
        _ => failed("locked", &path)(error),
    })?;
    for directory in paths.directories() {
        disk.make_directory(&directory)
            .map_err(failed("made", &directory))?;
    }
    let temporary = paths.temporary();
    for entry in disk.list(&temporary).map_err(failed("read", &temporary))? {
        let path = temporary.join(entry.name);
        if !entry.directory {
            disk.remove(&path).map_err(failed("removed", &path))?;
        }
    }
    Ok(lock)
}

/// Reads the manifest and brings the directory into line with it.
pub(crate) fn recover(
    options: &Options,
    paths: &Paths,
    counters: &Counters,
) -> Result<Recovered, OpenError> {
    let disk = options.disk.as_ref();
    let logs = log_generations(disk, paths)?;
    let files = segment_files(disk, paths)?;
    let path = paths.manifest();
    let found = manifest::read(disk, paths).map_err(failed("read", &path))?;
    let mut state = match found {
        Found::Newer(found) => {
            return Err(OpenError::Newer {
                path,
                found,
                known: 1,
            });
        }
        Found::Sound(state) => state,
        Found::Missing if files.is_empty() => State {
            node: options.node.unwrap_or_else(random_node),
            next_generation: logs.last().map_or(0, |last| last + 1),
            ..State::default()
        },
        Found::Missing | Found::Damaged(_) => {
            if let Found::Damaged(line) = found {
                tracing::error!(line, "manifest damaged, made anew from the segments");
                set_aside(disk, paths, &path);
            } else {
                tracing::error!("manifest missing, made anew from the segments");
            }
            add(&counters.rebuilt_manifests, 1);
            rebuild_state(options, paths, counters, &files, &logs)
        }
    };
    if let Some(node) = options.node {
        state.node = if state.segments.is_empty() {
            node
        } else {
            state.node
        };
    }
    remove_unlisted(disk, paths, &state, &files);
    drop_missing(disk, paths, counters, &mut state);
    let next_generation = logs
        .last()
        .map_or(0, |last| last + 1)
        .max(state.next_generation)
        .max(state.done);
    state.next_generation = next_generation;
    let (done, waiting): (Vec<u32>, Vec<u32>) = logs
        .into_iter()
        .partition(|generation| *generation < state.done);
    for generation in done {
        let path = paths.log_file(generation);
        if let Err(error) = disk.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "old log file not removed");
        }
    }
    Ok(Recovered {
        state,
        logs: waiting,
        next_generation,
    })
}

/// Reads back the generations of the log; they are searched from here on, and written as segments.
pub(crate) fn replay(inner: &Arc<Inner>, logs: &[u32]) -> Result<(), OpenError> {
    let disk = inner.options.disk.as_ref();
    for (index, number) in logs.iter().enumerate() {
        let path = inner.paths.log_file(*number);
        let replayed = replay_log(disk, &path, *number).map_err(failed("read", &path))?;
        let newest = index + 1 == logs.len();
        match replayed.end {
            End::Clean => {}
            End::Newer(found) => {
                return Err(OpenError::Newer {
                    path,
                    found: found.into(),
                    known: crate::log::VERSION.into(),
                });
            }
            End::Torn(at) if newest => {
                tracing::info!(path = %path.display(), at, "log file ends in a torn frame");
            }
            End::Torn(at) => {
                tracing::error!(path = %path.display(), at, "log file damaged");
                add(&inner.counters.damaged_logs, 1);
                copy_aside(inner, &path);
            }
            End::Foreign => {
                tracing::error!(path = %path.display(), "no log file of this generation, set aside");
                add(&inner.counters.damaged_logs, 1);
                set_aside(disk, &inner.paths, &path);
                continue;
            }
        }
        if replayed.rows == 0 {
            inner.remove_log(*number);
            continue;
        }
        add(&inner.counters.replayed, replayed.rows.into());
        inner.wait_for_replay_room(MAX_FROZEN);
        let batches = replayed.batches.into_iter().map(|rows| {
            let memory = inner.memory.take(Use::Ingest, rows.memory() as u64);
            Arc::new(HotBatch::new(rows, vec![memory]))
        });
        inner.live.push_frozen(Arc::new(Generation {
            number: *number,
            batches: batches.collect(),
            rows: replayed.rows.into(),
        }));
        inner.frozen_changed.notify();
    }
    Ok(())
}

/// Moves a file to where nobody reads it.
pub(crate) fn set_aside(disk: &dyn Disk, paths: &Paths, path: &Path) {
    let name = path.file_name().unwrap_or_default();
    let to = paths.aside().join(name);
    if let Err(error) = disk.rename(path, &to) {
        tracing::warn!(path = %path.display(), %error, "file not set aside");
    }
}

/// Keeps a second name for what a damaged log file still has behind the damage, before it is deleted.
fn copy_aside(inner: &Inner, path: &Path) {
    let disk = inner.options.disk.as_ref();
    let to = inner
        .paths
        .aside()
        .join(path.file_name().unwrap_or_default());
    let copied = crate::disk::read_file(disk, path, 1 << 30).and_then(|octets| {
        let file = disk.create(&to)?;
        crate::disk::write_all(file.as_ref(), &octets, 0)
    });
    if let Err(error) = copied {
        tracing::warn!(path = %path.display(), %error, "damaged log file not copied aside");
    }
}

fn random_node() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::hash::RandomState::new().build_hasher().finish();
    u16::try_from(random % u64::from(MAX_NODE)).unwrap_or_default() + 1
}

pub(crate) fn log_generations(disk: &dyn Disk, paths: &Paths) -> Result<Vec<u32>, OpenError> {
    let directory = paths.log();
    let entries = disk.list(&directory).map_err(failed("read", &directory))?;
    let mut generations: Vec<u32> = entries
        .iter()
        .filter(|entry| !entry.directory)
        .filter_map(|entry| generation_of(&entry.name))
        .collect();
    generations.sort_unstable();
    Ok(generations)
}

/// Every Parquet file in the partitions.
pub(crate) fn segment_files(disk: &dyn Disk, paths: &Paths) -> Result<Vec<PathBuf>, OpenError> {
    let mut files = Vec::new();
    let mut directories = vec![(paths.segments(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        for entry in disk.list(&directory).map_err(failed("read", &directory))? {
            let path = directory.join(&entry.name);
            if entry.directory && depth < 2 {
                directories.push((path, depth + 1));
            } else if entry.name.ends_with(".parquet") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn rebuild_state(
    options: &Options,
    paths: &Paths,
    counters: &Counters,
    files: &[PathBuf],
    logs: &[u32],
) -> State {
    let disk = options.disk.as_ref();
    let mut footers: Vec<Footer> = Vec::new();
    for path in files {
        match footer_of(disk, path) {
            Ok(footer) => footers.push(footer),
            Err(SegmentError::Damaged(what)) => {
                tracing::error!(path = %path.display(), what, "segment damaged, set aside");
                add(&counters.damaged_segments, 1);
                set_aside(disk, paths, path);
            }
            Err(SegmentError::Io(error)) => {
                tracing::error!(path = %path.display(), %error, "segment not read, set aside");
                add(&counters.damaged_segments, 1);
                set_aside(disk, paths, path);
            }
        }
    }
    let node = footers
        .iter()
        .map(|footer| crate::row::RowId::from_number(footer.entry.ids.0).node())
        .next()
        .or(options.node)
        .unwrap_or_else(random_node);
    rebuild(
        node,
        footers,
        &logs.iter().copied().collect::<BTreeSet<u32>>(),
    )
}

fn remove_unlisted(disk: &dyn Disk, paths: &Paths, state: &State, files: &[PathBuf]) {
    let listed: BTreeSet<PathBuf> = state
        .segments
        .values()
        .map(|entry| paths.segment(state.node, entry))
        .collect();
    for path in files.iter().filter(|path| !listed.contains(*path)) {
        if let Err(error) = disk.remove(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "unlisted segment not removed");
        }
    }
}

/// Segments that are listed and not there are damage: they are reported, and the rest goes on.
fn drop_missing(disk: &dyn Disk, paths: &Paths, counters: &Counters, state: &mut State) {
    let node = state.node;
    state.segments.retain(|_, entry| {
        let path = paths.segment(node, entry);
        let missing = matches!(
            disk.open(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound
        );
        if missing {
            tracing::error!(path = %path.display(), rows = entry.rows, "segment missing");
            add(&counters.damaged_segments, 1);
            add(&counters.damaged_rows, entry.rows);
        }
        !missing
    });
}
