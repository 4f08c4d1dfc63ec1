//! A disk that fails as told, for tests of whatever keeps a spool.

use std::{
    any::Any,
    ffi::OsString,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::disk::{Disk, DiskFile, SystemDisk};

/// The file system of the operating system, with faults. A clone has the same faults.
///
/// ```
/// use std::sync::Arc;
/// use hepcat_net::spool::{FaultyDisk, SpoolConfig};
///
/// let disk = FaultyDisk::default();
/// let spool = SpoolConfig::new("/var/lib/hepcat/spool/homer").disk(Arc::new(disk.clone()));
/// disk.set_room(Some(0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    inner: SystemDisk,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    state: Mutex<State>,
    changed: Condvar,
    read_only: AtomicBool,
    failing_syncs: AtomicBool,
    syncs: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Octets that may still be written.
    room: Option<u64>,
    longest_write: Option<usize>,
    delay: Duration,
    held: bool,
}

impl FaultyDisk {
    /// Octets that may still be written before the disk is full; `None` is no limit. Removing a file frees
    /// nothing here: only another call does.
    pub fn set_room(&self, octets: Option<u64>) {
        self.faults.state.lock().room = octets;
    }

    /// Whether everything that changes something fails with "read-only file system".
    pub fn set_read_only(&self, read_only: bool) {
        self.faults.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Most octets that one write takes.
    pub fn set_longest_write(&self, octets: Option<usize>) {
        self.faults.state.lock().longest_write = octets;
    }

    /// How long each write and each sync takes on top.
    pub fn set_delay(&self, delay: Duration) {
        self.faults.state.lock().delay = delay;
    }

    /// Holds every write and sync until it is let go.
    pub fn hold(&self, held: bool) {
        self.faults.state.lock().held = held;
        self.faults.changed.notify_all();
    }

    /// Whether syncs fail.
    pub fn set_failing_syncs(&self, failing: bool) {
        self.faults.failing_syncs.store(failing, Ordering::Relaxed);
    }

    /// How many syncs of files were asked for.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.faults.syncs.load(Ordering::Relaxed)
    }
}

impl Faults {
    fn may_change(&self) -> io::Result<()> {
        if self.read_only.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    /// Waits as long as it is told to.
    fn pass(&self) {
        let mut state = self.state.lock();
        let delay = state.delay;
        while state.held {
            self.changed.wait(&mut state);
        }
        drop(state);
        if !delay.is_zero() {
            thread::sleep(delay);
        }
    }

    /// How many of `octets` may be written.
    fn admit(&self, octets: usize) -> io::Result<usize> {
        self.may_change()?;
        self.pass();
        let mut state = self.state.lock();
        let admitted = octets.min(state.longest_write.unwrap_or(usize::MAX));
        let Some(room) = &mut state.room else {
            return Ok(admitted);
        };
        let admitted = admitted.min(usize::try_from(*room).unwrap_or(usize::MAX));
        if admitted == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *room -= admitted as u64;
        Ok(admitted)
    }
}

impl Disk for FaultyDisk {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        if directory.is_dir() {
            return Ok(());
        }
        self.faults.may_change()?;
        self.inner.make_directory(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(OsString, u64)>> {
        self.inner.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.faults.may_change()?;
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.may_change()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.faults.may_change()?;
        self.inner.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.inner.sync_directory(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.inner.lock(path)
    }
}

impl FaultyDisk {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile {
            file,
            faults: Arc::clone(&self.faults),
        })
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(octets, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize> {
        let admitted = self.faults.admit(octets.len())?;
        self.file
            .write_at(octets.get(..admitted).unwrap_or(octets), offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.faults.may_change()?;
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        self.faults.pass();
        if self.faults.failing_syncs.load(Ordering::Relaxed) {
            return Err(io::Error::other("this sync fails, as the test wants it"));
        }
        self.file.sync()
    }
}
