//! Programs that a test needs and a machine may lack.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

/// Set: a missing program fails the test instead of skipping it.
const REQUIRE: &str = "HEPCAT_REQUIRE_INTEROP";
/// Names a file to which each skip is written, one line each, for the summary of `cargo xtask test`.
const SKIPS: &str = "HEPCAT_SKIPS";

/// Where the program `name` is (in `PATH`, or where Debian keeps daemons); `None` where it is not installed: the
/// test should then return, and counts as skipped.
///
/// # Panics
/// When it is not installed and `HEPCAT_REQUIRE_INTEROP` is set.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Notes that the running test is skipped, and why; the test should then return.
///
/// # Panics
/// When `HEPCAT_REQUIRE_INTEROP` is set.
pub fn skipped(why: &str) {
    assert!(
        env::var_os(REQUIRE).is_none(),
        "{why}, and {REQUIRE} is set"
    );
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let line = format!("{test}: {why}\n");
    if let Some(file) = env::var_os(SKIPS) {
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the file of skips takes a line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_the_shell_finds_it() {
        assert!(program("sh").is_some_and(|path| path.ends_with("sh")));
    }
}
