//! The programs of others that interop tests talk to, from Debian.

use std::{
    env,
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
    if !can_install() {
        let note = format!(
            "not installed: {} (with root on Debian they are installed by themselves)",
            missing.join(" ")
        );
        return Ok(vec![note]);
    }
    let installed = install(&missing)?;
    let still: Vec<&str> = self::missing();
    if installed && still.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!("apt-get did not bring {}", still.join(" "))])
}

/// Installs packages where this is root on Debian; whether it did.
pub(super) fn install(packages: &[&str]) -> Result<bool> {
    if !can_install() {
        return Ok(false);
    }
    let install: &[&str] = &["install", "-qq", "-y", "--no-install-recommends"];
    Ok(apt_get(&["update", "-qq"])? && apt_get(&[install, packages].concat())?)
}

/// Whether the shell finds a program of this name.
pub(super) fn in_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").exists()
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
