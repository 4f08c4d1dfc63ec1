//! `hepcat convert`: the HEP part of an OpenSIPS configuration as one of hepcat.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstream::{eprintln, print};
use clap::Args;

use super::exit;
use crate::opensips::{self, Conversion, SCRIPT_MARK};

const AFTER_HELP: &str = "\
What has no counterpart stands in the result as a comment with the reason. Routes become a Lua script; without \
--script-out it goes beside the file of --output. See docs/convert.md.";

/// Name of the script where the configuration goes to standard output.
const SCRIPT: &str = "hepcat.lua";

/// `hepcat convert`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConvertArgs {
    /// Configuration of OpenSIPS; `-` is standard input.
    file: PathBuf,
    /// Where the configuration goes; standard output without it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the script goes, if there is one.
    #[arg(long, value_name = "FILE")]
    script_out: Option<PathBuf>,
}

/// Converts the file: 78 where it is no configuration of OpenSIPS, 1 where something cannot be read or written.
pub(crate) fn run(arguments: &ConvertArgs) -> ExitCode {
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            let file = arguments.file.display();
            return exit::failed(format_args!("cannot read {file}: {error}"));
        }
    };
    let script = script_path(arguments);
    let name = script_name(arguments, script.as_deref());
    let converted = opensips::convert(&arguments.file, text, &name, &read);
    let conversion = match converted {
        Ok(conversion) => conversion,
        Err(error) => {
            exit::failed(error);
            return ExitCode::from(exit::CONFIG);
        }
    };
    match write(arguments, script.as_deref(), &conversion) {
        Ok(()) => {
            report(arguments, script.as_deref(), &conversion);
            ExitCode::SUCCESS
        }
        Err(error) => exit::failed(error),
    }
}

/// The text of a file. Comments may be in any encoding, so what is no UTF-8 is replaced.
fn read(file: &Path) -> io::Result<String> {
    /// No configuration is longer; what is was not meant.
    const LONGEST: u64 = 16 << 20;
    let mut octets = Vec::new();
    let length = if file == Path::new("-") {
        io::copy(
            &mut io::Read::take(io::stdin().lock(), LONGEST + 1),
            &mut octets,
        )?
    } else {
        let file = fs::File::open(file)?;
        io::copy(&mut io::Read::take(file, LONGEST + 1), &mut octets)?
    };
    if length > LONGEST {
        return Err(io::Error::other("it is longer than 16 MiB"));
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Where the script goes; `None` where nothing says so.
fn script_path(arguments: &ConvertArgs) -> Option<PathBuf> {
    let beside = || Some(arguments.output.as_ref()?.with_extension("lua"));
    arguments.script_out.clone().or_else(beside)
}

/// What the configuration calls the script: a path relative to its own directory where they share one.
fn script_name(arguments: &ConvertArgs, script: Option<&Path>) -> String {
    let Some(script) = script else {
        return SCRIPT.to_owned();
    };
    let directory = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let together = match &arguments.output {
        Some(output) => directory(output) == directory(script),
        None => true,
    };
    let name = script
        .file_name()
        .filter(|_| together && arguments.output.is_some());
    let name = name.map_or_else(
        || std::path::absolute(script).unwrap_or_else(|_| script.to_owned()),
        PathBuf::from,
    );
    name.to_string_lossy().into_owned()
}

fn write(
    arguments: &ConvertArgs,
    script: Option<&Path>,
    conversion: &Conversion,
) -> Result<(), String> {
    if let (Some(path), Some(text)) = (script, &conversion.script) {
        // A script that was named may be overwritten, one that was guessed only if we wrote it.
        if arguments.script_out.is_none() && !is_ours(path) {
            return Err(format!(
                "{} exists and was not written by this command: name it with --script-out to overwrite it",
                path.display()
            ));
        }
        write_file(path, text)?;
    }
    match &arguments.output {
        Some(path) => write_file(path, &conversion.toml)?,
        None => print!("{}", conversion.toml),
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    match fs::read(path) {
        Ok(octets) => octets.is_empty() || octets.starts_with(SCRIPT_MARK.as_bytes()),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn report(arguments: &ConvertArgs, script: Option<&Path>, conversion: &Conversion) {
    let Conversion {
        converted,
        commented,
        ..
    } = conversion;
    let lines = |n: usize| if n == 1 { "line" } else { "lines" };
    eprintln!(
        "{}: {converted} {} converted, {commented} commented",
        arguments.file.display(),
        lines(*converted)
    );
    match (&conversion.script, script) {
        (None, _) => {}
        (Some(_), Some(path)) => eprintln!("the script is {}", path.display()),
        (Some(_), None) => eprintln!(
            "the configuration names a script, {SCRIPT}, which was not written: say --script-out FILE, or -o FILE"
        ),
    }
}
