//! What can be said about a script without running it: names and chunks that stand in it literally.
//!
//! Only calls with literal arguments are looked at, so nothing is claimed that does not hold; what a script puts
//! together at run time it learns at run time.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    chunk_key::{self, ChunkKey},
    chunk_value::DataType,
    error::ScriptFault,
    lexer::{Kind, Token, place, tokens},
    names::{ScriptNames, suggestion},
};

/// Faults of what stands in the script literally. `globals` are the names that every script finds.
pub(super) fn literals(
    source: &str,
    names: &ScriptNames,
    globals: &BTreeSet<String>,
) -> Vec<ScriptFault> {
    let tokens = tokens(source);
    let mut faults = Vec::new();
    for index in 0..tokens.len() {
        if let Some(call) = Call::at(&tokens, index) {
            check(&call, names, &mut |token, message| {
                let (line, column) = place(source, token.start);
                faults.push(ScriptFault::new(line, column, message));
            });
        }
    }
    for token in unknown_functions(&tokens, globals) {
        let (line, column) = place(source, token.start);
        let near = suggestion(token.raw, globals);
        faults.push(ScriptFault::new(
            line,
            column,
            format!("unknown function {}{near}", token.raw),
        ));
    }
    faults
}

/// A call of a global function.
struct Call<'a> {
    function: Token<'a>,
    /// By position: a literal that is the whole argument, else `None`.
    arguments: Vec<Option<Token<'a>>>,
    /// Where it is `f{name = literal}` or `f({…})`: by name.
    named: BTreeMap<&'a str, Token<'a>>,
}

impl<'a> Call<'a> {
    /// The call of a name that stands at `index`, if one does.
    fn at(tokens: &[Token<'a>], index: usize) -> Option<Self> {
        let function = *tokens.get(index)?;
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        let called_otherwise =
            before.is_some_and(|token| token.is(".") || token.is(":") || token.is("function"));
        if function.kind != Kind::Name || called_otherwise {
            return None;
        }
        let mut call = Self {
            function,
            arguments: Vec::new(),
            named: BTreeMap::new(),
        };
        let next = *tokens.get(index + 1)?;
        if next.kind == Kind::Text {
            call.arguments.push(Some(next));
        } else if next.is("{") {
            call.named = fields(tokens.get(index + 2..)?);
        } else if next.is("(") {
            let rest = tokens.get(index + 2..)?;
            match rest.first() {
                Some(brace) if brace.is("{") => call.named = fields(rest.get(1..)?),
                _ => call.arguments = positions(rest),
            }
        } else {
            return None;
        }
        Some(call)
    }

    /// The literal text of an argument.
    fn text(&self, position: usize, name: &str) -> Option<(Token<'a>, &'a str)> {
        let token = self
            .arguments
            .get(position)
            .copied()
            .flatten()
            .or_else(|| self.named.get(name).copied())?;
        Some((token, token.text()?))
    }
}

/// The literals among the arguments, up to the closing parenthesis.
fn positions<'a>(tokens: &[Token<'a>]) -> Vec<Option<Token<'a>>> {
    let mut arguments = Vec::new();
    let mut depth = 0_usize;
    let mut argument: Vec<Token<'a>> = Vec::new();
    let literal = |argument: &[Token<'a>]| match argument {
        [only] if matches!(only.kind, Kind::Text | Kind::Number) => Some(*only),
        _ => None,
    };
    for token in tokens {
        if depth == 0 && (token.is(",") || token.is(")")) {
            if token.is(",") || !argument.is_empty() {
                arguments.push(literal(&argument));
            }
            argument.clear();
            if token.is(")") {
                break;
            }
            continue;
        }
        depth = nested(depth, *token);
        argument.push(*token);
    }
    arguments
}

/// The literals among the fields of a table, up to its closing brace.
fn fields<'a>(tokens: &[Token<'a>]) -> BTreeMap<&'a str, Token<'a>> {
    let mut fields = BTreeMap::new();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        if depth == 0 && token.is("}") {
            break;
        }
        depth = nested(depth, *token);
        let following = (
            tokens.get(index + 1),
            tokens.get(index + 2),
            tokens.get(index + 3),
        );
        if let (Some(equals), Some(value), Some(end)) = following
            && depth == 0
            && token.kind == Kind::Name
            && equals.is("=")
            && matches!(value.kind, Kind::Text | Kind::Number)
            && (end.is(",") || end.is(";") || end.is("}"))
        {
            fields.insert(token.raw, *value);
        }
    }
    fields
}

fn nested(depth: usize, token: Token<'_>) -> usize {
    const OPEN: [&str; 4] = ["(", "{", "[", "function"];
    const CLOSE: [&str; 4] = [")", "}", "]", "end"];
    if OPEN.iter().any(|open| token.is(open)) {
        depth + 1
    } else if CLOSE.iter().any(|close| token.is(close)) {
        depth.saturating_sub(1)
    } else {
        depth
    }
}

/// Holds the literals of a call against what its function takes.
fn check<'a>(call: &Call<'a>, names: &ScriptNames, fault: &mut dyn FnMut(Token<'a>, String)) {
    let function = call.function.raw;
    let mut say = |token, what: String| fault(token, format!("{function}: {what}"));
    match function {
        "hep_relay" => {
            if let Some((token, name)) = call.text(0, "destination")
                && let Err(what) = names.known_relay_target(name)
            {
                say(token, what);
            }
        }
        "correlate" => {
            if let Some((token, name)) = call.text(0, "hep_id")
                && let Err(what) = names.correlation_target(name)
            {
                say(token, what);
            }
            if let (Some((_, first)), Some((token, second))) =
                (call.text(1, "type1"), call.text(3, "type2"))
                && first == second
            {
                say(
                    token,
                    format!("both correlations have the type \"{first}\"; they must differ"),
                );
            }
        }
        "trace" => {
            if let Some((token, name)) = call.text(0, "trace_id")
                && let Err(what) = names.known_trace_id(name)
            {
                say(token, what);
            }
        }
        "hep_get" | "hep_set" | "hep_del" => {
            let first = call.text(0, "chunk");
            let type_first =
                first.is_some_and(|(_, text)| DataType::parse(text.as_bytes()).is_some());
            let chunk = if type_first {
                call.text(1, "chunk")
            } else {
                first
            };
            if let Some((token, text)) = chunk
                && let Err(what) = ChunkKey::parse(text.trim())
            {
                say(token, what);
            }
            // A third argument of the documented form is a type or a vendor.
            let rest = if function == "hep_set" { 2 } else { 1 };
            if !type_first {
                for position in rest..call.arguments.len() {
                    check_type_or_vendor(call.text(position, "type"), &mut say);
                }
                if call.arguments.is_empty() {
                    check_type_or_vendor(call.text(usize::MAX, "type"), &mut say);
                }
            }
        }
        _ => {}
    }
}

fn check_type_or_vendor<'a>(
    argument: Option<(Token<'a>, &'a str)>,
    say: &mut dyn FnMut(Token<'a>, String),
) {
    let Some((token, text)) = argument else {
        return;
    };
    if DataType::parse(text.as_bytes()).is_none() && chunk_key::parse_number(text).is_none() {
        let near = suggestion(text, DataType::NAMES.map(|(name, _)| name));
        say(
            token,
            format!("unknown data type \"{}\"{near}", text.escape_default()),
        );
    }
}

/// Functions that are called but neither defined nor mentioned in any other way.
fn unknown_functions<'a>(tokens: &[Token<'a>], globals: &BTreeSet<String>) -> Vec<Token<'a>> {
    let mut only_called: BTreeMap<&str, Token<'a>> = BTreeMap::new();
    let mut otherwise: BTreeSet<&str> = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Name {
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        if before.is_some_and(|before| before.is(":")) {
            continue;
        }
        let calls = tokens
            .get(index + 1)
            .is_some_and(|next| next.is("(") || next.is("{") || next.kind == Kind::Text);
        let member = before.is_some_and(|before| before.is(".") || before.is("function"));
        if calls && !member {
            only_called.entry(token.raw).or_insert(*token);
        } else {
            otherwise.insert(token.raw);
        }
    }
    only_called
        .into_values()
        .filter(|token| {
            !otherwise.contains(token.raw) && !globals.contains(token.raw) && !is_keyword(token.raw)
        })
        .collect()
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 22] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if",
        "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
    ];
    KEYWORDS.contains(&name)
}
