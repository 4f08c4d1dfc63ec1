//! `hepcat user token`: what programs show instead of a password.

use std::time::{Duration, SystemTime};

use anstream::{eprintln, println};
use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::{NotDone, Place, known, shown};
use crate::{
    access::{PassKind, Right, Rights, check_name},
    config,
    state::{
        passes::{self, Pass},
        users,
    },
};

/// The longest that a token is good: what nobody has looked at for longer is forgotten somewhere.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it, this once.
    Add {
        /// Name of the user whose token it is: it may never more than the user.
        user: String,
        /// What the token is called.
        #[arg(long)]
        name: String,
        /// What it may do, with commas between: see, payload, operate, administer, metrics.
        #[arg(long, value_delimiter = ',', value_parser = right, required = true)]
        scopes: Vec<Right>,
        /// How long it is good: 30d, 12h.
        #[arg(long, value_name = "TIME", default_value = "90d", value_parser = lifetime)]
        expires: Duration,
    },
    /// Shows tokens, without what they are.
    List {
        /// Of this user only.
        user: Option<String>,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token.
    Revoke {
        /// Name of the user whose token it is.
        user: String,
        /// Its id or name.
        token: String,
    },
}

fn right(word: &str) -> Result<Right, String> {
    word.parse().map_err(|_| {
        let words: Vec<&str> = Right::ALL.into_iter().map(Right::name).collect();
        format!("write some of {}", words.join(", "))
    })
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = config::duration(text).map_err(|why| why.to_string())?;
    if lifetime.is_zero() || lifetime > LONGEST {
        return Err("write a time up to 3650d".to_owned());
    }
    Ok(lifetime)
}

pub(super) fn run(place: &mut Place, command: TokenCommand) -> Result<(), NotDone> {
    match command {
        TokenCommand::Add {
            user,
            name,
            scopes,
            expires,
        } => add(place, &user, &name, Rights::of(&scopes), expires),
        TokenCommand::List { user, json } => list(place, user.as_deref(), json),
        TokenCommand::Revoke { user, token } => {
            let gone = passes::revoke_named(&place.state, PassKind::Token, Some(&user), &token);
            if gone.context("tokens cannot be written")? == 0 {
                let token = crate::render::escape_str(&token);
                let why = format!("{user} has no token `{token}`");
                return Err(NotDone::Usage(why));
            }
            place.note("token_revoke", format!("{token} of {user}"))?;
            println!("{token} of {user} is revoked");
            Ok(())
        }
    }
}

fn add(
    place: &mut Place,
    user: &str,
    name: &str,
    rights: Rights,
    expires: Duration,
) -> Result<(), NotDone> {
    check_name(name).map_err(|error| NotDone::Usage(error.to_string()))?;
    let found = users::find(&place.state, user).context("users cannot be read")?;
    known(found.is_some(), user)?;
    let now = SystemTime::now();
    let expires_at = now + expires;
    let key = users::key(&place.state).context("the node's key cannot be read")?;
    let issued = key.and_then(|key| key.issue(PassKind::Token, expires_at));
    let (text, digest) = issued.context("the system has no random octets")?;
    let taken = passes::list(&place.state, PassKind::Token, Some(user), now);
    let mut taken = taken.context("tokens cannot be read")?.into_iter();
    if taken.any(|token| token.name == name) {
        let why =
            format!("{user} has a token `{name}` already: choose another name, or revoke that one");
        return Err(NotDone::Usage(why));
    }
    let pass = Pass {
        id: digest.id(),
        kind: PassKind::Token,
        user: user.to_owned(),
        name: name.to_owned(),
        rights,
        call: None,
        created_at: now,
        expires_at,
    };
    passes::add(&mut place.state, &digest, &pass, now).context("the token cannot be kept")?;
    place.note(
        "token_add",
        format!("{name} of {user}: {}", rights.to_text()),
    )?;
    // The token alone on standard output, so that it can go into a file.
    eprintln!("{name} of {user}, good until {}:", shown(expires_at));
    println!("{text}");
    Ok(())
}

fn list(place: &Place, user: Option<&str>, as_json: bool) -> Result<(), NotDone> {
    let tokens = passes::list(&place.state, PassKind::Token, user, SystemTime::now());
    let tokens = tokens.context("tokens cannot be read")?;
    if as_json {
        let tokens = tokens.iter().map(|token| {
            json!({
                "id": token.id,
                "name": token.name,
                "user": token.user,
                "scopes": token.rights.iter().collect::<Vec<_>>(),
                "created_at": shown(token.created_at),
                "expires_at": shown(token.expires_at),
            })
        });
        println!("{}", json!({ "tokens": tokens.collect::<Vec<_>>() }));
        return Ok(());
    }
    for token in &tokens {
        println!(
            "{} {:<20} {:<20} {:<34} until {}",
            token.id,
            token.user,
            token.name,
            token.rights.to_text(),
            shown(token.expires_at)
        );
    }
    Ok(())
}
