//! `hepcat route test`: a script run over a capture, message by message.

mod show;
mod trial;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use hepcat_wire::Message;
use serde_json::{Value, json};

use self::trial::{Decided, Trial};
use super::exit;
use crate::{
    capfile::{Content, Input, Item},
    config::{Config, Faults, ScriptFile},
    render,
};

const AFTER_HELP: &str = "\
Reads what `hepcat decode` reads. Without a configuration the script is asked about every message and no \
destination has a name; with one its routes are asked first. Nothing is sent. What the script logs goes to \
standard error. Ends with 1 if the script failed for a message or a frame did not decode, with 78 if the \
script has a fault.";

/// Tries routes.
#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    #[command(subcommand)]
    command: RouteCommand,
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    /// Runs a script over a capture and says what it decided, message by message.
    #[command(after_help = AFTER_HELP)]
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct TestArgs {
    /// The script.
    #[arg(value_name = "FILE.lua")]
    script: PathBuf,
    /// Messages: HEP as hexadecimal text, as frames, or in a capture; `-` is standard input.
    frames: PathBuf,
    /// Configuration whose routes, destinations and limits count; its script is replaced by FILE.lua.
    #[arg(short, long, value_name = "FILE", env = "HEPCAT_CONFIG")]
    config: Option<PathBuf>,
    /// One JSON object a line, one for each frame.
    #[arg(long)]
    json: bool,
}

/// Does what the sub-command says.
pub(crate) fn run(args: &RouteArgs) -> ExitCode {
    let RouteCommand::Test(args) = &args.command;
    let trial = match prepare(args) {
        Ok(trial) => trial,
        Err(faults) => {
            anstream::eprint!("{}", faults.styled());
            return ExitCode::from(exit::CONFIG);
        }
    };
    let shown = args.frames.display();
    let input = match Input::open(&args.frames) {
        Ok(input) => input,
        Err(error) => return exit::failed(format_args!("cannot read {shown}: {error}")),
    };
    let mut testing = Testing {
        input,
        trial,
        json: args.json,
        frames: 0,
        undecodable: 0,
        failed: 0,
    };
    let mut to = BufWriter::new(io::stdout().lock());
    let written = testing.write(&mut to).and_then(|()| to.flush());
    match written {
        Ok(()) => {}
        // Whoever reads us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(error) => return exit::failed(format_args!("cannot write: {error}")),
    }
    if let Some(fault) = testing.input.fault() {
        return exit::failed(format_args!("{shown}: {fault}"));
    }
    if testing.frames == 0 {
        anstream::eprintln!("{shown}: no HEP in it");
    }
    if testing.failed + testing.undecodable > 0 {
        return ExitCode::from(exit::FAILED);
    }
    ExitCode::SUCCESS
}

fn prepare(args: &TestArgs) -> Result<Trial, Faults> {
    let mut config = match &args.config {
        Some(file) => Config::load(file)?,
        None => Config::builtin(),
    };
    let script = ScriptFile::read(&args.script).map_err(|message| {
        let remedy = "name a Lua script that you can read";
        crate::config::Fault::of_file(&args.script, message, remedy)
    })?;
    config.set_script(script);
    Trial::new(config)
}

struct Testing {
    input: Input,
    trial: Trial,
    json: bool,
    frames: u64,
    undecodable: u64,
    failed: u64,
}

impl Testing {
    fn write(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(item) = self.input.next() {
            if item.content != Content::Hep {
                continue;
            }
            self.frames += 1;
            self.write_one(&item, to)?;
        }
        if !self.json {
            for counter in self.trial.counters() {
                writeln!(to, "counter {}", show::counter(&counter))?;
            }
        }
        Ok(())
    }

    fn write_one(&mut self, item: &Item, to: &mut impl Write) -> io::Result<()> {
        let number = self.frames;
        let octets = bytes::Bytes::from(item.octets.clone());
        let message = Message::parse_lax(octets).and_then(|message| {
            message.check_capture()?;
            Ok(message)
        });
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                self.undecodable += 1;
                return if self.json {
                    let mut object = render::json_fault(&error, &item.octets, None);
                    put_number(&mut object, number);
                    render::json_line(&object, to)
                } else {
                    writeln!(to, "{number}  not asked about: {error}")
                };
            }
        };
        let decided = self.trial.decide(message, item.seen.as_ref());
        if decided.error().is_some() {
            self.failed += 1;
        }
        self.show(number, &decided, to)
    }

    fn show(&self, number: u64, decided: &Decided, to: &mut impl Write) -> io::Result<()> {
        if self.json {
            let mut object = show::json(decided);
            put_number(&mut object, number);
            render::json_line(&object, to)
        } else {
            to.write_all(show::text(number, decided).as_bytes())
        }
    }
}

fn put_number(object: &mut Value, number: u64) {
    if let Value::Object(object) = object {
        object.insert("frame".to_owned(), json!(number));
    }
}
