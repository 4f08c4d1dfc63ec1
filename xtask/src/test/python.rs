//! A Python with the programs of others that read the store's segments, from its package index.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::debian;
use crate::cargo::{succeeds, target_directory};

/// Without what they would bring for data frames: 600 MB instead of 1 GB.
const PACKAGES: [&str; 2] = ["duckdb==2.0.0", "chdb-core==26.9.0"];

/// Where it is, made once below the target directory; or a note that says why it is not.
pub(crate) fn install() -> Result<std::result::Result<PathBuf, String>> {
    let place = target_directory()?.join("python");
    let python = place.join("bin/python");
    let complete = place.join("complete");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&complete).is_ok_and(|there| there == wanted) {
        return Ok(Ok(python));
    }
    if place.exists() {
        // Others than these, or what an attempt left behind that was cut short.
        fs::remove_dir_all(&place)?;
    }
    if !make("python3", &place)? {
        // Debian has it apart.
        let installed = debian::install(&["python3-venv"])?;
        if !installed || !make("/usr/bin/python3", &place)? {
            return Ok(Err("not made: a Python 3 with venv".to_owned()));
        }
    }
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--retries=5",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ]);
    if !succeeds(pip.args(PACKAGES))? {
        return Ok(Err(format!(
            "not installed: Python's {}",
            PACKAGES.join(" ")
        )));
    }
    fs::write(&complete, wanted)?;
    Ok(Ok(python))
}

fn make(python: &str, place: &Path) -> Result<bool> {
    if !Path::new(python).is_absolute() && !debian::in_path(python) {
        return Ok(false);
    }
    succeeds(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(place),
    )
}
