//! The project's own commands: `cargo xtask test`, `cargo xtask long NAME`, `cargo xtask bench NAME`.
//!
//! `test` is what a change must pass: a seeded short form of every suite. `long` runs the full form of those that
//! have one. `bench` makes the figures.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for people at a terminal: what it says is its result"
)]

mod bench;
mod cargo;
mod long;
mod table;
mod test;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "hepcat's own commands", long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks everything a change must pass: format, lints, documentation, tests, interop, licences.
    Test(test::TestArgs),
    /// Runs the full form of a suite: property tests with many cases, fuzzing, faults, a soak.
    Long(long::LongArgs),
    /// Makes the figures: relay, ceiling, spool, keep, store, page, rivals, codec.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// The load generator of `bench`, as a process of its own.
    #[command(hide = true)]
    Gen(bench::child::GenArgs),
    /// The generator of calls of `bench`, as a process of its own.
    #[command(hide = true)]
    GenCalls(bench::calls::CallsArgs),
    /// The sink of `bench`, as a process of its own.
    #[command(hide = true)]
    Sink(bench::child::SinkArgs),
    /// The relay of `bench` that does nothing, as a process of its own.
    #[command(hide = true)]
    Forward(bench::child::ForwardArgs),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        None => list(),
        Some(Command::Test(arguments)) => test::run(&arguments),
        Some(Command::Long(arguments)) => long::run(&arguments),
        Some(Command::Bench(command)) => bench::run(&command),
        Some(Command::Gen(arguments)) => bench::child::generate(&arguments),
        Some(Command::GenCalls(arguments)) => bench::calls::generate(&arguments),
        Some(Command::Sink(arguments)) => bench::child::receive(&arguments),
        Some(Command::Forward(arguments)) => bench::child::forward(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What there is to run.
fn list() -> anyhow::Result<bool> {
    Arguments::command().print_help()?;
    println!("\nSuites of test:   {}", test::suite_names().join(", "));
    println!("Suites of long:   {}", long::suite_names().join(", "));
    println!("Figures of bench: relay, ceiling, spool, keep, store, page, rivals, codec");
    Ok(true)
}
