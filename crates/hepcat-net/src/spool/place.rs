//! Where a spool may be: checked before it is needed, without making anything.

use std::{io, path::Path};

use nix::unistd::{AccessFlags, access};

/// Whether a spool could be kept in `directory`: what is there already of its path is a directory that this
/// process may write to.
///
/// # Errors
/// Why not.
pub fn check_directory(directory: &Path) -> io::Result<()> {
    let there = directory.ancestors().find(|path| path.exists());
    let Some(there) = there.filter(|path| !path.as_os_str().is_empty()) else {
        // Relative to the working directory, of which nothing is there yet.
        return Ok(access(".", AccessFlags::W_OK | AccessFlags::X_OK)?);
    };
    if !there.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(there, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// The name of the directory in which the spool of `destination` is kept: its own, with everything but ASCII
/// letters, digits, `-`, `_` and `.` (not at the beginning) written as `%` and two hexadecimal digits an octet.
#[must_use]
pub fn directory_name(destination: &str) -> String {
    let mut name = String::with_capacity(destination.len());
    for octet in destination.bytes() {
        let plain = octet.is_ascii_alphanumeric()
            || octet == b'-'
            || octet == b'_'
            || (octet == b'.' && !name.is_empty());
        if plain {
            name.push(char::from(octet));
        } else {
            name.push_str(&format!("%{octet:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_directory() {
        for (name, expected) in [
            ("homer-1.paris_2", "homer-1.paris_2"),
            ("..", "%2E."),
            ("a/b", "a%2Fb"),
            ("%41", "%2541"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(directory_name(name), expected);
        }
    }

    #[test]
    fn a_file_in_the_way_is_found_before_it_matters() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("spool/homer");
        check_directory(&place).unwrap();
        std::fs::write(directory.path().join("spool"), "").unwrap();
        let error = check_directory(&place).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
