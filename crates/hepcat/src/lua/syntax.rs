//! Where a script is no Lua.

use mlua::{Lua, LuaOptions, StdLib, chunk::ChunkMode};

use super::{
    error::ScriptFault,
    failure::split_place,
    lexer::{Token, place, tokens},
    vm::CHUNK_NAME,
};

/// The syntax error, if there is one: Lua stops at the first.
pub(super) fn fault(source: &str) -> Option<ScriptFault> {
    if source.starts_with('\u{1b}') {
        return Some(ScriptFault::new(
            1,
            1,
            "the script is compiled code, not text",
        ));
    }
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::new()).ok()?;
    let (line, message) = error_of(&lua, source)?;
    let (line, column) = place_of(&lua, source, line, &message).unwrap_or((line, 1));
    Some(ScriptFault::new(line, column, message))
}

fn error_of(lua: &Lua, source: &str) -> Option<(u32, String)> {
    let chunk = lua
        .load(source)
        .set_mode(ChunkMode::Text)
        .set_name(format!("={CHUNK_NAME}"));
    let message = match chunk.into_function() {
        Ok(_) => return None,
        Err(mlua::Error::SyntaxError { message, .. }) => message,
        Err(other) => other.to_string(),
    };
    match split_place(&message) {
        Some((line, what)) => Some((line, what.to_owned())),
        None => Some((1, message)),
    }
}

/// Lua says on which line and near which word it stopped, and a word may stand on a line more than once. The text up to
/// and including a word that Lua still takes is at worst incomplete, so the word at fault is the first that makes it
/// fail otherwise.
fn place_of(lua: &Lua, source: &str, line: u32, message: &str) -> Option<(u32, u32)> {
    let Some((_, near)) = message.rsplit_once(" near ") else {
        return place_of_jump(source, message);
    };
    if near == "<eof>" {
        return Some(place(source, source.trim_end().len()));
    }
    let mut word = near.strip_prefix('\'')?.strip_suffix('\'')?;
    let first = outside_ascii(source, line, word);
    if let Some(first) = &first {
        word = first;
    }
    let tokens = tokens(source);
    let on_line = words_on_line(source, &tokens, line);
    let candidates = || {
        on_line
            .iter()
            .filter(|(token, _)| token.raw.starts_with(word))
    };
    let at_fault = candidates().find(|(token, _)| {
        let until = source.get(..token.end()).unwrap_or(source);
        error_of(lua, until).is_some_and(|(_, message)| !message.ends_with("<eof>"))
    });
    at_fault
        .or_else(|| candidates().next())
        .map(|(_, place)| *place)
}

/// The character that Lua means by `<\195>`, its first octet.
fn outside_ascii(source: &str, line: u32, word: &str) -> Option<String> {
    let octet: u8 = word.strip_prefix("<\\")?.strip_suffix('>')?.parse().ok()?;
    let text = source
        .split('\n')
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let mut characters = text.chars().map(String::from);
    characters.find(|character| character.as_bytes().first() == Some(&octet))
}

/// A `goto` or `break` that leads nowhere is noticed where its block ends, but the message says where it stands.
fn place_of_jump(source: &str, message: &str) -> Option<(u32, u32)> {
    let (what, line) = message.rsplit_once(" at line ")?;
    let line = line.parse().ok()?;
    let word = match what.split('\'').nth(1) {
        Some(label) => label,
        None => what.split(' ').next()?,
    };
    let tokens = tokens(source);
    let on_line = words_on_line(source, &tokens, line);
    let found = on_line.iter().find(|(token, _)| token.raw == word);
    Some(found.map_or((line, 1), |(_, place)| *place))
}

fn words_on_line<'a>(
    source: &str,
    tokens: &[Token<'a>],
    line: u32,
) -> Vec<(Token<'a>, (u32, u32))> {
    let placed = tokens
        .iter()
        .map(|token| (*token, place(source, token.start)));
    placed.filter(|(_, (on, _))| *on == line).collect()
}
