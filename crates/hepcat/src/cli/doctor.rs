//! `hepcat doctor`: why is the page empty?

use std::process::ExitCode;

use anstream::println;
use anstyle::{AnsiColor, Style};
use clap::Args;

use super::{NodeArgs, exit};
use crate::{
    doctor::{Finding, Severity, examine},
    render::json_lines,
};

/// Explains a running node: listeners, buffers, destinations, ledger.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON array of findings instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Asks the node and says what is found; exit code 1 when anything is bad or the node does not answer.
pub(super) async fn run(arguments: DoctorArgs) -> ExitCode {
    let status = match arguments.node.status().await {
        Ok(status) => status,
        Err(error) => {
            return exit::failed(format_args!(
                "{error:#}\nIs the node running? `hepcat run` starts one; `--node URL` names another."
            ));
        }
    };
    let findings = examine(&status);
    if arguments.json {
        match json_lines(&findings) {
            Ok(text) => println!("{text}"),
            Err(error) => return exit::failed(error),
        }
    } else {
        println!("hepcat {} \"{}\"", status.version, status.node);
        findings.iter().for_each(show);
    }
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Bad)
    {
        ExitCode::from(exit::FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

fn show(finding: &Finding) {
    let (mark, colour) = match finding.severity {
        Severity::Good => ("ok  ", AnsiColor::Green),
        Severity::Note => ("note", AnsiColor::Yellow),
        Severity::Bad => ("BAD ", AnsiColor::Red),
    };
    let style = Style::new().fg_color(Some(colour.into())).bold();
    println!(
        "{style}{mark}{style:#} {}: {}",
        finding.subject, finding.sentence
    );
}
