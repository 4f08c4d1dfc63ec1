//! Where a password comes from: a prompt, a file, or standard input.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd as _,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

use super::NotDone;
use crate::access::{Hashed, LONGEST, PasswordError};

/// Where the password is taken from; asked for at the terminal without either.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// File with the password.
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Take the password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// The password, hashed. White space at its ends is no part of it where it comes from a file.
    pub(super) fn read(&self, name: &str) -> Result<Hashed, NotDone> {
        let password = match (&self.password_file, self.password_stdin) {
            (Some(file), _) => {
                let shown = file.display();
                let file = File::open(file).with_context(|| format!("cannot read {shown}"))?;
                all_of(file).with_context(|| format!("cannot read {shown}"))?
            }
            (None, true) => all_of(io::stdin().lock()).context("cannot read standard input")?,
            (None, false) => asked_for(name)?,
        };
        Hashed::new(&password).map_err(|error| match error {
            PasswordError::Failed => NotDone::Other(error.into()),
            _ => NotDone::Usage(error.to_string()),
        })
    }
}

fn all_of(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // More than a password has, so that one that is too long is seen to be.
    from.take(LONGEST as u64 + 64).read_to_end(&mut octets)?;
    Ok(octets.trim_ascii().to_vec())
}

/// Asked for twice, and not shown.
fn asked_for(name: &str) -> Result<Vec<u8>, NotDone> {
    if !io::stdin().is_terminal() {
        let why = "there is no terminal to ask at: use --password-file or --password-stdin";
        return Err(NotDone::Usage(why.to_owned()));
    }
    let first = prompt(&format!("password of {name}: "))?;
    if prompt("once more: ")? == first {
        return Ok(first);
    }
    Err(NotDone::Usage("the two are not the same".to_owned()))
}

fn prompt(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .context("cannot ask at the terminal")?;
    // Silent first: whoever sees the prompt may type, and nothing typed before is taken for an answer.
    let silent = Silent::new(terminal.try_clone()?)?;
    terminal.write_all(text.as_bytes())?;
    let read = typed(&terminal);
    drop(silent);
    terminal.write_all(b"\n")?;
    let mut line = read.context("cannot read what was typed")?;
    if line.last() == Some(&INTERRUPT) {
        anyhow::bail!("interrupted");
    }
    while let Some(b'\n' | b'\r') = line.last() {
        line.pop();
    }
    Ok(line)
}

/// What Ctrl-C types.
const INTERRUPT: u8 = 0x03;

/// A line, or what there is of it when somebody interrupts or ends it.
fn typed(mut terminal: &File) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut part = [0; LONGEST + 64];
    while !matches!(line.last(), Some(&(b'\n' | INTERRUPT))) && line.len() <= part.len() {
        match terminal.read(&mut part) {
            Ok(0) => break,
            Ok(length) => line.extend_from_slice(part.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped. Ctrl-C ends a line meanwhile: as a signal it would
/// leave a terminal that stays silent.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> anyhow::Result<Self> {
        let before = tcgetattr(terminal.as_fd()).context("cannot ask without showing")?;
        let mut silent = before.clone();
        silent
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ISIG);
        let end_of_line = silent
            .control_chars
            .get_mut(SpecialCharacterIndices::VEOL as usize);
        if let Some(end_of_line) = end_of_line {
            *end_of_line = INTERRUPT;
        }
        tcsetattr(terminal.as_fd(), SetArg::TCSAFLUSH, &silent)
            .context("cannot ask without showing")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        tcsetattr(self.terminal.as_fd(), SetArg::TCSAFLUSH, &self.before).ok();
    }
}
