//! `hepcat check`: everything that is wrong with a configuration, before anything is started.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstream::{eprint, print, println};
use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Value, json};

use super::exit;
use crate::{
    config::{Config, Fault, Faults, HepRoute, Trace},
    lua::EntryPoint,
    state,
};

/// Says everything that is wrong with a configuration.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", env = "HEPCAT_CONFIG")]
    config: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Checks the file: 0 when it is good, 78 when it is not.
pub(crate) fn run(arguments: &CheckArgs) -> ExitCode {
    let checked = Config::load(&arguments.config).and_then(with_users);
    match (&checked, arguments.json) {
        (Ok(config), true) => println!("{}", accepted(config)),
        (Err(faults), true) => println!("{}", refused(faults)),
        (Ok(config), false) => print!("{}", summary(&arguments.config, config)),
        (Err(faults), false) => eprint!("{}", faults.styled()),
    }
    match checked {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(exit::CONFIG),
    }
}

/// Finds that nobody could sign in where that would keep the node from starting. A directory that is not there yet, or
/// that whoever checks may not read, says nothing.
fn with_users(config: Config) -> Result<Config, Faults> {
    let directory = config.data_dir().filter(|_| config.http.is_public());
    let nobody = match directory {
        Some(directory) => {
            !directory.join(state::FILE_NAME).exists()
                || state::users_in(&directory).is_ok_and(|users| users == 0)
        }
        None => false,
    };
    let faults = nobody.then(|| config.http.nobody()).into_iter();
    Faults::check(faults.collect())?;
    Ok(config)
}

fn data_dir(config: &Config) -> Option<String> {
    Some(config.data_dir()?.display().to_string())
}

fn summary(file: &Path, config: &Config) -> String {
    const OK: Style = AnsiColor::Green.on_default().bold();
    const NOTE: Style = AnsiColor::Yellow.on_default().bold();

    let mut text = format!("{}: {OK}ok{OK:#}\n", file.display());
    let mut line = |title: &str, item: String| {
        // Writing to a `String` does not fail.
        let _infallible = writeln!(text, "  {title:<13}{item}");
    };
    line("node", config.node.name.clone());
    line(
        "data",
        data_dir(config).unwrap_or_else(|| "nothing is kept".to_owned()),
    );
    for listener in &config.listeners {
        line(
            "listener",
            named(&listener.name, &listener.socket.to_string()),
        );
    }
    for destination in &config.destinations {
        let socket = format!("{}, version {}", *destination.socket, *destination.version);
        line("destination", named(&destination.name, &socket));
    }
    for group in &config.groups {
        let members: Vec<_> = group.names().collect();
        let members = format!("{}, {}", group.kind.label(), members.join(", "));
        line("group", named(&group.name, &members));
    }
    line("routes", config.routes.len().to_string());
    if let Some((file, entry_points)) = script(config) {
        let called = match entry_points.is_empty() {
            true => "nothing".to_owned(),
            false => entry_points.join(", "),
        };
        line("script", format!("{file}: {called}"));
    }
    for trace in &config.traces {
        let switch = if trace.on { "" } else { ", off" };
        let to = sinks_of(trace).join(", ");
        line("trace", format!("{} to {to}{switch}", *trace.trace_id));
    }
    let http = &config.http;
    line("page", format!("{}://{}", http.scheme(), *http.listen));
    if let Some(metrics) = &config.http.metrics {
        line(
            "metrics",
            format!("http://{}, with a token", *metrics.listen),
        );
    }
    for note in config.notes() {
        line(&format!("{NOTE}note{NOTE:#}         "), note);
    }
    text
}

/// The file of the script and the functions that are called, where there is a script.
fn script(config: &Config) -> Option<(String, Vec<&'static str>)> {
    let file = config.lua.script.as_ref()?.path().display().to_string();
    let script = config.compile_script(&[]).ok()??;
    // With `hep_route = "none"` nothing is ever called.
    let is_asked = config.hep.first_route() != HepRoute::None;
    let entries = script.entries().iter().filter(|_| is_asked);
    Some((file, entries.map(EntryPoint::name).collect()))
}

fn sinks_of(trace: &Trace) -> Vec<&str> {
    trace.to.iter().map(|name| name.as_str()).collect()
}

/// Name and socket; one of them where they are the same.
fn named(name: &str, socket: &str) -> String {
    if name == socket {
        socket.to_owned()
    } else {
        format!("{name} {socket}")
    }
}

fn accepted(config: &Config) -> Value {
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| json!({ "name": *listener.name, "socket": listener.socket.to_string() }))
        .collect();
    let destinations: Vec<_> = config
        .destinations
        .iter()
        .map(|destination| {
            json!({
                "name": *destination.name,
                "socket": destination.socket.to_string(),
                "version": destination.version.number(),
            })
        })
        .collect();
    let groups: Vec<_> = config
        .groups
        .iter()
        .map(|group| {
            json!({
                "name": *group.name,
                "kind": group.kind.label(),
                "members": group.names().collect::<Vec<_>>(),
            })
        })
        .collect();
    let traces: Vec<_> = (config.traces.iter())
        .map(|trace| json!({ "id": *trace.trace_id, "to": sinks_of(trace), "on": trace.on }))
        .collect();
    json!({
        "ok": true,
        "node": config.node.name,
        "data_dir": data_dir(config),
        "listeners": listeners,
        "destinations": destinations,
        "groups": groups,
        "routes": config.routes.len(),
        "script": script(config).map(|(file, entry_points)| {
            json!({ "file": file, "entry_points": entry_points })
        }),
        "traces": traces,
        "http": config.http.listen.to_string(),
        "metrics": config.http.metrics.as_ref().map(|metrics| metrics.listen.to_string()),
        "notes": config.notes(),
    })
}

fn refused(faults: &Faults) -> Value {
    let fault = |fault: &Fault| {
        json!({
            "file": fault.file().map(|file| file.display().to_string()),
            "line": fault.line(),
            "column": fault.column(),
            "message": fault.message(),
            "remedy": fault.remedy(),
        })
    };
    json!({ "ok": false, "faults": faults.iter().map(fault).collect::<Vec<_>>() })
}
