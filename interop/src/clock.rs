//! A program whose wall clock is the test's to set, and whose monotonic clock is not touched.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use hepcat_testkit::{program, skipped};
use tempfile::TempDir;

/// libfaketime between a program and its wall clock.
#[derive(Debug)]
pub struct WallClock {
    directory: TempDir,
    library: PathBuf,
}

impl WallClock {
    /// A clock that is right, or `None` where faketime is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        program("faketime")?;
        let Some(library) = library() else {
            skipped("no libfaketime.so.1 beside faketime");
            return None;
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Self { directory, library };
        clock.set(0);
        Some(clock)
    }

    /// Sets the clock to so many seconds after the true time; before it, where negative.
    pub fn set(&self, seconds: i64) {
        let file = self.file();
        let beside = file.with_extension("new");
        let written = fs::write(&beside, format!("{seconds:+}\n"));
        written
            .and_then(|()| fs::rename(&beside, &file))
            .expect("the clock can be set");
    }

    /// A program that runs `binary` with this clock.
    #[must_use]
    pub fn run_with(&self, binary: &Path) -> PathBuf {
        let script = self.directory.path().join("program");
        let text = format!(
            "#!/bin/sh\nexport LD_PRELOAD='{}' FAKETIME_TIMESTAMP_FILE='{}' FAKETIME_NO_CACHE=1\n\
             export FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\nexec '{}' \"$@\"\n",
            self.library.display(),
            self.file().display(),
            binary.display()
        );
        let executable = fs::Permissions::from_mode(0o755);
        fs::write(&script, text)
            .and_then(|()| fs::set_permissions(&script, executable))
            .expect("a script can be written");
        script
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}

/// Debian puts it into a directory of the architecture.
fn library() -> Option<PathBuf> {
    let found = || -> io::Result<Option<PathBuf>> {
        for directory in fs::read_dir("/usr/lib")? {
            let library = directory?.path().join("faketime/libfaketime.so.1");
            if library.exists() {
                return Ok(Some(library));
            }
        }
        Ok(None)
    };
    found().ok().flatten()
}
