//! `hepcat user`: who may see what. Works on the data directory, whether a node runs there or not; a running node reads
//! users with each request.

mod audit;
mod password;
mod token;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anstream::println;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;

use super::exit;
use crate::{
    access::{Role, check_name},
    config::Config,
    node::spelled,
    state::{
        self,
        audit::{Bounds, Entry},
        users::{self, User},
    },
};

/// Adds, removes and lists users, their tokens, and the audit log.
#[derive(Debug, Args)]
pub(super) struct UserArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    command: UserCommand,
}

/// Which node's users.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// Configuration file of the node; without one, the node without a configuration is meant.
    #[arg(short, long, value_name = "FILE", env = "HEPCAT_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// The data directory itself, whatever a configuration names.
    #[arg(long, value_name = "DIRECTORY", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Adds a user.
    Add {
        /// Name: letters, digits, `.`, `_`, `-`, `@`.
        name: String,
        /// What the user may do.
        #[arg(long, value_parser = role, default_value = "viewer")]
        role: Role,
        #[command(flatten)]
        password: password::PasswordArgs,
    },
    /// Removes a user with all sessions, tokens and links.
    Remove {
        /// Name of the user.
        name: String,
    },
    /// Shows all users.
    List {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Gives a user another password and ends all sessions.
    Passwd {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        password: password::PasswordArgs,
    },
    /// Gives a user another role.
    Role {
        /// Name of the user.
        name: String,
        /// metadata, viewer, operator or admin.
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Tokens of programs.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Shows who signed in, who opened which call, who changed what.
    Audit(audit::AuditArgs),
}

fn role(word: &str) -> Result<Role, String> {
    word.parse()
        .map_err(|_| "write metadata, viewer, operator or admin".to_owned())
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    /// The command line is at fault.
    #[error("{0}")]
    Usage(String),
    /// The configuration is.
    #[error("the configuration is faulty")]
    Config(crate::config::Faults),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Does what is asked: 0 done, 1 failed, 2 the command line makes no sense, 78 the configuration is faulty.
pub(super) fn run(arguments: UserArgs) -> ExitCode {
    match done(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(NotDone::Usage(why)) => exit::usage(why),
        Err(NotDone::Config(faults)) => {
            anstream::eprintln!("{}", faults.styled());
            ExitCode::from(exit::CONFIG)
        }
        Err(NotDone::Other(error)) => exit::failed(format_args!("{error:#}")),
    }
}

fn done(UserArgs { place, command }: UserArgs) -> Result<(), NotDone> {
    let mut place = Place::open(&place)?;
    match command {
        UserCommand::Add {
            name,
            role,
            password,
        } => {
            check_name(&name).map_err(|error| NotDone::Usage(error.to_string()))?;
            let hash = password.read(&name)?;
            let added = users::add(&place.state, &name, role, &hash, SystemTime::now());
            if !added.context("the user cannot be kept")? {
                let why = format!(
                    "there is a user `{name}` already: `hepcat user passwd` and `role` change one"
                );
                return Err(NotDone::Usage(why));
            }
            place.note("user_add", format!("{name} as {role}"))?;
            println!("{name} is {role}");
        }
        UserCommand::Remove { name } => {
            let removed = users::remove(&mut place.state, &name);
            known(removed.context("the user cannot be removed")?, &name)?;
            place.note("user_remove", name.clone())?;
            println!("{name} is removed, with all sessions, tokens and links");
        }
        UserCommand::List { json } => list(&place, json)?,
        UserCommand::Passwd { name, password } => {
            let found = users::find(&place.state, &name).context("users cannot be read")?;
            known(found.is_some(), &name)?;
            let hash = password.read(&name)?;
            let changed = users::set_password(&mut place.state, &name, &hash);
            known(changed.context("the password cannot be kept")?, &name)?;
            place.note("user_passwd", name.clone())?;
            println!("{name} has another password; all sessions ended");
        }
        UserCommand::Role { name, role } => {
            let changed = users::set_role(&place.state, &name, role);
            known(changed.context("the role cannot be kept")?, &name)?;
            place.note("user_role", format!("{name} is {role}"))?;
            println!("{name} is {role}");
        }
        UserCommand::Token(command) => token::run(&mut place, command)?,
        UserCommand::Audit(arguments) => audit::run(&place, &arguments)?,
    }
    Ok(())
}

fn known(is_known: bool, name: &str) -> Result<(), NotDone> {
    if is_known {
        return Ok(());
    }
    let name = crate::render::escape_str(name);
    Err(NotDone::Usage(format!("there is no user `{name}`")))
}

/// The state of the node that is meant.
struct Place {
    state: Connection,
    bounds: Bounds,
}

impl Place {
    fn open(arguments: &PlaceArgs) -> Result<Self, NotDone> {
        let config = match (&arguments.config, &arguments.data_dir) {
            (Some(file), None) => Config::load(file).map_err(NotDone::Config)?,
            _ => Config::builtin(),
        };
        let directory = match &arguments.data_dir {
            Some(directory) => directory.clone(),
            None => match config.data_dir() {
                Some(directory) => directory.into_inner(),
                None => {
                    let why = "the configuration names no `data_dir` in [node]: users would be kept nowhere";
                    return Err(NotDone::Usage(why.to_owned()));
                }
            },
        };
        let state = state::open_beside(&directory).map_err(|error| {
            let remedy = error.remedy();
            anyhow::anyhow!("{}: {remedy}", spelled(&error))
        })?;
        Ok(Self {
            state,
            bounds: config.http.audit,
        })
    }

    /// Writes to the audit log what was done here.
    fn note(&self, action: &str, subject: String) -> Result<()> {
        let entry = Entry {
            id: 0,
            at: Timestamp::now(),
            user: shell_user(),
            role: "shell".to_owned(),
            address: String::new(),
            action: action.to_owned(),
            subject,
        };
        state::audit::write(&self.state, &entry, self.bounds)
            .context("it is done, but the audit log cannot be written")
    }
}

/// Who is at the command line, as the system says.
fn shell_user() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

fn list(place: &Place, as_json: bool) -> Result<()> {
    let users = users::all(&place.state).context("users cannot be read")?;
    let role = |user: &User| user.role.map_or("unknown", Role::name);
    if as_json {
        let users = users.iter().map(|user| {
            json!({ "name": user.name, "role": role(user), "created_at": shown(user.created_at) })
        });
        println!("{}", json!({ "users": users.collect::<Vec<_>>() }));
        return Ok(());
    }
    if users.is_empty() {
        println!("there are no users: whoever reaches the node from this host may do everything");
    }
    for user in &users {
        println!(
            "{:<24} {:<9} since {}",
            user.name,
            role(user),
            shown(user.created_at)
        );
    }
    Ok(())
}

fn shown(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or_default();
    format!("{time:.0}")
}
