//! A disk that fails as told, for tests of whatever keeps a store.

use std::{any::Any, io, ops::Range, path::Path, sync::Arc};

use parking_lot::Mutex;

use super::{Disk, DiskEntry, DiskFile, SystemDisk};

/// One thing that was done to the disk: a fault point.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// `create`, `write`, `truncate`, `sync`, `rename`, `remove`, `remove_directory`, `make_directory`,
    /// `sync_directory`.
    pub action: &'static str,
    /// Name of the file or directory.
    pub name: String,
}

/// The file system of the operating system, with faults. A clone has the same faults.
///
/// Everything that changes something is a step, and steps are counted. A test counts those of an undisturbed run,
/// and then repeats the run with a fault at each.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    inner: SystemDisk,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    steps: u64,
    crash_at: Option<u64>,
    crashed: bool,
    full: Option<Range<u64>>,
    failing_syncs: bool,
    free: Option<u64>,
    history: Option<Vec<Step>>,
}

enum Ruling {
    Go,
    /// Half of a write, then nothing any more.
    Half,
}

impl FaultyDisk {
    /// At step `step` (0 is the first) and ever after, nothing is changed any more: what a kill leaves behind. A
    /// write at that step is done by half.
    pub fn crash_at(&self, step: u64) {
        self.faults.lock().crash_at = Some(step);
    }

    /// At each of `steps` the disk is full: nothing is created or written.
    pub fn full_at(&self, steps: Range<u64>) {
        self.faults.lock().full = Some(steps);
    }

    /// Whether syncs fail.
    pub fn set_failing_syncs(&self, failing: bool) {
        self.faults.lock().failing_syncs = failing;
    }

    /// What [`Disk::free_space`] says, instead of the truth.
    pub fn set_free_space(&self, octets: Option<u64>) {
        self.faults.lock().free = octets;
    }

    /// Whether the crash has happened.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.faults.lock().crashed
    }

    /// How many steps there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.faults.lock().steps
    }

    /// Remembers steps from here on.
    pub fn record(&self) {
        self.faults.lock().history = Some(Vec::new());
    }

    /// The steps that were remembered.
    #[must_use]
    pub fn history(&self) -> Vec<Step> {
        self.faults.lock().history.clone().unwrap_or_default()
    }

    fn step(&self, action: &'static str, path: &Path) -> io::Result<Ruling> {
        let mut faults = self.faults.lock();
        let step = faults.steps;
        faults.steps += 1;
        if let Some(history) = &mut faults.history {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            history.push(Step {
                action,
                name: name.into_owned(),
            });
        }
        if faults.crashed {
            return Err(io::Error::other("the test's disk has crashed"));
        }
        if faults.crash_at.is_some_and(|at| step >= at) {
            faults.crashed = true;
            if action == "write" {
                return Ok(Ruling::Half);
            }
            return Err(io::Error::other("the test's disk crashes here"));
        }
        let grows = matches!(action, "create" | "write" | "make_directory");
        if grows
            && faults
                .full
                .as_ref()
                .is_some_and(|full| full.contains(&step))
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if action == "sync" && faults.failing_syncs {
            return Err(io::Error::other("this sync fails, as the test wants it"));
        }
        Ok(Ruling::Go)
    }

    fn wrap(&self, file: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile {
            file,
            path: path.into(),
            disk: self.clone(),
        })
    }
}

impl Disk for FaultyDisk {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        if !directory.is_dir() {
            self.step("make_directory", directory)?;
        }
        self.inner.make_directory(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>> {
        self.inner.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.step("create", path)?;
        Ok(self.wrap(self.inner.create(path)?, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.open(path)?, path))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.open_to_write(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove", path)?;
        self.inner.remove(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.step("remove_directory", path)?;
        self.inner.remove_directory(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.step("sync_directory", directory)?;
        self.inner.sync_directory(directory)
    }

    fn free_space(&self, directory: &Path) -> io::Result<u64> {
        let free = self.faults.lock().free;
        free.map_or_else(|| self.inner.free_space(directory), Ok)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    path: Box<Path>,
    disk: FaultyDisk,
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(octets, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        match self.disk.step("write", &self.path)? {
            Ruling::Go => self.file.write_at(octets, offset),
            Ruling::Half => {
                let half = octets.get(..octets.len() / 2).unwrap_or_default();
                self.file.write_at(half, offset)?;
                Err(io::Error::other("the test's disk crashes in this write"))
            }
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.step("truncate", &self.path)?;
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.step("sync", &self.path)?;
        self.file.sync()
    }
}
