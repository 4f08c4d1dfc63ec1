//! The `hepcat` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    hepcat::run()
}
