//! The programs of others that interop tests talk to, from Debian.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Result;
use hepcat_interop::PACKAGES;

use crate::cargo::succeeds;

/// Installs what is missing, where this is root on Debian; notes on what still is.
pub(super) fn install_missing() -> Result<Vec<String>> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        let note = format!(
            "not installed: {} (with root on Debian they are installed by themselves)",
            missing.join(" ")
        );
        return Ok(vec![note]);
    }
    let installed = apt_get(&["update", "-qq"])?
        && apt_get(
            &[
                &["install", "-qq", "-y", "--no-install-recommends"],
                &missing[..],
            ]
            .concat(),
        )?;
    let still: Vec<&str> = self::missing();
    if installed && still.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!("apt-get did not bring {}", still.join(" "))])
}

fn missing() -> Vec<&'static str> {
    PACKAGES
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|&(package, _)| package)
        .collect()
}

fn apt_get(arguments: &[&str]) -> Result<bool> {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Their services must not start: tests run them with configurations of their own.
        .env("RUNLEVEL", "1")
        .stdout(Stdio::null());
    succeeds(&mut command)
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
