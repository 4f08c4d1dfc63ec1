//! Exit codes, the same for every command.

use std::{fmt::Display, process::ExitCode};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};

/// It could not be done.
pub(crate) const FAILED: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// The configuration is faulty (`EX_CONFIG` of sysexits.h).
pub(crate) const CONFIG: u8 = 78;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Says why and gives the code for "failed".
pub(crate) fn failed(why: impl Display) -> ExitCode {
    eprintln!("{ERROR}error{ERROR:#}: {why}");
    ExitCode::from(FAILED)
}

/// Says why a node does not do what it was asked for; the code says whose fault it is.
pub(super) fn refused(refusal: &super::api::Refusal) -> ExitCode {
    match refusal {
        super::api::Refusal::Request(why) => usage(why),
        super::api::Refusal::Other(error) => failed(format_args!("{error:#}")),
    }
}

/// Says why and gives the code for "usage".
pub(crate) fn usage(why: impl Display) -> ExitCode {
    eprintln!("{ERROR}error{ERROR:#}: {why}");
    ExitCode::from(USAGE)
}
