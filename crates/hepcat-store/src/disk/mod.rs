//! The file layer: the few things that the store asks of a file system, so that tests can make each of them fail.

mod faulty;
mod system;

use std::{any::Any, fmt::Debug, io, path::Path, sync::Arc};

pub use faulty::{FaultyDisk, Step};
pub use system::SystemDisk;

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskEntry {
    /// Name in the directory; entries whose name is no UTF-8 are not the store's and are not listed.
    pub name: String,
    /// Octets of a file; 0 for a directory.
    pub octets: u64,
    /// Whether it is a directory.
    pub directory: bool,
}

/// What the store needs of a file system. All calls block; the store makes them on threads of its own.
pub trait Disk: Debug + Send + Sync {
    /// Makes `directory` with everything above it; no error where it stands already.
    ///
    /// # Errors
    /// What the operating system says.
    fn make_directory(&self, directory: &Path) -> io::Result<()>;

    /// What is in `directory`.
    ///
    /// # Errors
    /// What the operating system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>>;

    /// A new file; one that is there is emptied.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// A file that is there, to read.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// A file that is there, to write over.
    ///
    /// # Errors
    /// What the operating system says.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// What the operating system says, among others that it is not empty.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in `directory` survive a loss of power.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Octets that may still be written to the file system of `directory`.
    ///
    /// # Errors
    /// What the operating system says.
    fn free_space(&self, directory: &Path) -> io::Result<u64>;

    /// Takes the lock file at `path`, making it where it is missing; held until the value is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// An open file, read and written at given places.
pub trait DiskFile: Debug + Send + Sync {
    /// Octets in it.
    ///
    /// # Errors
    /// What the operating system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads at `offset`, perhaps less than asked for; 0 is the end.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`, perhaps less than asked for.
    ///
    /// # Errors
    /// What the operating system says.
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file at `length`.
    ///
    /// # Errors
    /// What the operating system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes what was written survive a loss of power.
    ///
    /// # Errors
    /// What the operating system says; what was written before may then be lost although a later call succeeds.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `octets`, however short single writes are.
pub(crate) fn write_all(file: &dyn DiskFile, mut octets: &[u8], mut offset: u64) -> io::Result<()> {
    while !octets.is_empty() {
        match file.write_at(octets, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(wrote) => {
                octets = octets.get(wrote..).unwrap_or_default();
                offset += wrote as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `octets` from `offset` on; an error where the file is shorter.
pub(crate) fn read_exact(file: &dyn DiskFile, octets: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = octets.get_mut(filled..)
        && !rest.is_empty()
    {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// All of the file at `path`, at most `limit` octets.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = file.length()?;
    if length > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let length = usize::try_from(length).map_err(|_huge| io::ErrorKind::FileTooLarge)?;
    let mut octets = vec![0; length];
    read_exact(file.as_ref(), &mut octets, 0)?;
    Ok(octets)
}
