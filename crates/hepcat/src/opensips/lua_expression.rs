//! Conditions and values of OpenSIPS in Lua.

use super::{expression::Expression, pattern, statement::Call};

/// What a script needs beside its routes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Needs {
    pub(super) matches: bool,
    pub(super) text: bool,
}

/// Why an expression has no counterpart.
pub(super) type Refused = String;

/// A string of Lua.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\{:03}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A variable of OpenSIPS, as written without its `$`.
pub(super) fn variable(name: &str) -> Result<String, Refused> {
    let (head, inner) = match name.split_once('(') {
        Some((head, rest)) => (head, rest.strip_suffix(')').unwrap_or(rest).trim()),
        None => (name, ""),
    };
    let plain = match (head, inner) {
        ("rm", "") => "msg.method",
        ("ru" | "ou", "") => "msg.ruri",
        ("rU" | "oU", "") => "msg.ruri_user",
        ("rd" | "od", "") => "msg.ruri_host",
        ("ci", "") => "msg.call_id",
        ("fU", "") => "msg.from_user",
        ("fd", "") => "msg.from_host",
        ("ft", "") => "msg.from_tag",
        ("tU", "") => "msg.to_user",
        ("td", "") => "msg.to_host",
        ("tt", "") => "msg.to_tag",
        ("rs", "") => "msg.status",
        ("rr", "") => "msg.reason",
        ("cs", "") => "msg.cseq",
        ("ua", "") => "msg.user_agent",
        ("rb", "") => "msg.body",
        ("mb", "") => "msg.payload",
        ("si", "") => "msg.src_ip",
        ("sp", "") => "msg.src_port",
        ("Ri" | "socket_in", "" | "ip") => "msg.dst_ip",
        ("Rp", "") | ("socket_in", "port") => "msg.dst_port",
        ("HEPVERSION", "") => "msg.version",
        ("T_reply_code", "") => "msg.status",
        ("pr" | "proto", "") => "msg.transport",
        ("fu", "") => "msg.from_uri",
        ("tu", "") => "msg.to_uri",
        ("ct", "") => "msg.contact",
        (
            "hep_net",
            "proto_family" | "proto_id" | "src_ip" | "dst_ip" | "src_port" | "dst_port",
        ) => return Ok(format!("hep_net({})", quote(inner))),
        ("hdr", header) if is_header(header) => {
            return Ok(format!("msg:header({})", quote(header)));
        }
        ("var", own) if is_identifier(own) => return Ok(format!("var.{own}")),
        _ => return Err(format!("${name} has no counterpart")),
    };
    Ok(plain.to_owned())
}

/// Where a value can be put: `$var(name)` only.
pub(super) fn target(name: &str) -> Result<String, Refused> {
    match variable(name) {
        Ok(place) if place.starts_with("var.") => Ok(place),
        _ => Err(format!("${name} cannot be set here")),
    }
}

/// Whether a text can be a name of Lua.
pub(super) fn is_identifier(text: &str) -> bool {
    const RESERVED: [&str; 22] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if",
        "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
    ];
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&text)
}

fn is_header(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A value: of an argument, an assignment, a comparison.
pub(super) fn value(expression: &Expression, needs: &mut Needs) -> Result<String, Refused> {
    match expression {
        Expression::Text(text) => interpolated(text, needs),
        Expression::Number(number) => Ok(number.to_string()),
        Expression::Variable(name) => variable(name),
        Expression::Null => Ok("nil".to_owned()),
        Expression::Word(word) => keyword(word),
        Expression::Binary("+", left, right) => sum(left, right, needs),
        Expression::Binary(sign @ ("-" | "*" | "/" | "%"), left, right) => {
            // Integers divide to integers.
            let sign = if *sign == "/" { "//" } else { sign };
            let (left, right) = (number(left, needs)?, number(right, needs)?);
            Ok(format!("({left} {sign} {right})"))
        }
        Expression::Binary(..) | Expression::Not(_) => condition(expression, needs),
        Expression::Call(call) => Err(format!("{}() has no counterpart", call.name)),
    }
}

/// A value to calculate with; what is none counts as 0, as it does there.
fn number(expression: &Expression, needs: &mut Needs) -> Result<String, Refused> {
    Ok(match expression {
        Expression::Number(number) => number.to_string(),
        other => format!("(tonumber({}) or 0)", value(other, needs)?),
    })
}

/// `+` adds numbers and joins texts; which of the two is only known where one of them is written.
fn sum(left: &Expression, right: &Expression, needs: &mut Needs) -> Result<String, Refused> {
    let is_text = |own: &Expression| matches!(own, Expression::Text(_)) || joins(own);
    let is_number = |own: &Expression| matches!(own, Expression::Number(_));
    if is_text(left) || is_text(right) {
        let (left, right) = (part(left, needs)?, part(right, needs)?);
        return Ok(format!("{left} .. {right}"));
    }
    if is_number(left) || is_number(right) {
        let (left, right) = (number(left, needs)?, number(right, needs)?);
        return Ok(format!("({left} + {right})"));
    }
    Err("`+` of two variables may add or join".to_owned())
}

fn joins(expression: &Expression) -> bool {
    match expression {
        Expression::Binary("+", left, right) => {
            matches!(**left, Expression::Text(_))
                || matches!(**right, Expression::Text(_))
                || joins(left)
        }
        _ => false,
    }
}

/// A part of a joined text: an absent value must not end the script.
fn part(expression: &Expression, needs: &mut Needs) -> Result<String, Refused> {
    let value = value(expression, needs)?;
    Ok(match expression {
        Expression::Variable(_) => {
            needs.text = true;
            format!("text({value})")
        }
        _ => value,
    })
}

/// A bare word of the core: where it names a field of the message, else a text.
fn keyword(word: &str) -> Result<String, Refused> {
    let field = match word.to_ascii_lowercase().as_str() {
        "method" => "msg.method",
        "status" => "msg.status",
        "src_ip" => "msg.src_ip",
        "dst_ip" => "msg.dst_ip",
        "src_port" => "msg.src_port",
        "dst_port" => "msg.dst_port",
        "from_uri" | "to_uri" | "uri" | "myself" | "proto" | "af" | "msg" | "retcode" => {
            return Err(format!("`{word}` has no counterpart"));
        }
        _ => return Ok(quote(word)),
    };
    Ok(field.to_owned())
}

/// A text with the variables in it put in their place.
pub(super) fn interpolated(text: &str, needs: &mut Needs) -> Result<String, Refused> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let Some((name, others)) = split_variable(after) else {
            literal.push('$');
            rest = after;
            continue;
        };
        if !literal.is_empty() {
            parts.push(quote(&std::mem::take(&mut literal)));
        }
        needs.text = true;
        parts.push(format!("text({})", variable(name)?));
        rest = others;
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(quote(&literal));
    }
    Ok(parts.join(" .. "))
}

/// The variable that a text begins with, whose `$` is taken already.
fn split_variable(text: &str) -> Option<(&str, &str)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let head = text.find(|c| !word(c)).unwrap_or(text.len());
    let rest = text.get(head..)?;
    let end = if rest.starts_with('(') {
        head + rest.find(')')? + 1
    } else {
        head
    };
    (end > 0).then(|| text.split_at(end))
}

/// A condition.
pub(super) fn condition(expression: &Expression, needs: &mut Needs) -> Result<String, Refused> {
    match expression {
        Expression::Not(inner) => Ok(format!("not ({})", condition(inner, needs)?)),
        Expression::Binary(sign @ ("&&" | "||"), left, right) => {
            let word = if *sign == "&&" { "and" } else { "or" };
            let side = |own: &Expression, needs: &mut Needs| {
                let text = condition(own, needs)?;
                let mixed =
                    matches!(own, Expression::Binary(other @ ("&&" | "||"), ..) if other != sign);
                Ok::<_, Refused>(if mixed { format!("({text})") } else { text })
            };
            let (left, right) = (side(left, needs)?, side(right, needs)?);
            Ok(format!("{left} {word} {right}"))
        }
        Expression::Binary(sign @ ("=~" | "!~"), left, right) => matching(sign, left, right, needs),
        Expression::Binary(sign @ ("==" | "!="), left, right) => equality(sign, left, right, needs),
        Expression::Binary(sign @ ("<" | ">" | "<=" | ">="), left, right) => {
            let (left, right) = (number(left, needs)?, number(right, needs)?);
            Ok(format!("{left} {sign} {right}"))
        }
        Expression::Variable(name) => {
            // Null, an empty text and 0 are false there.
            let name = variable(name)?;
            Ok(format!(
                "({name} ~= nil and {name} ~= 0 and {name} ~= \"\")"
            ))
        }
        Expression::Number(number) => Ok((*number > 0).to_string()),
        Expression::Call(call) => test(call),
        _ => Err("this condition has no counterpart".to_owned()),
    }
}

fn matching(
    sign: &str,
    left: &Expression,
    right: &Expression,
    needs: &mut Needs,
) -> Result<String, Refused> {
    let Expression::Text(regex) = right else {
        return Err("the regular expression is no text".to_owned());
    };
    let patterns = pattern::from_regex(regex)
        .ok_or_else(|| format!("\"{regex}\" cannot be said as a pattern of Lua"))?;
    let left = value(left, needs)?;
    needs.matches = true;
    let patterns: Vec<_> = patterns.iter().map(|pattern| quote(pattern)).collect();
    let found = format!("matches({left}, {})", patterns.join(", "));
    Ok(if sign == "=~" {
        found
    } else {
        format!("not {found}")
    })
}

fn equality(
    sign: &str,
    left: &Expression,
    right: &Expression,
    needs: &mut Needs,
) -> Result<String, Refused> {
    let (left_value, right_value) = (value(left, needs)?, value(right, needs)?);
    let sign = if sign == "==" { "==" } else { "~=" };
    // "200" is 200 there; the fields of `msg` that are numbers stay numbers here.
    let is_digits = |own: &Expression| match own {
        Expression::Text(text) => {
            super::number::parse(text).filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()))
        }
        _ => None,
    };
    let numeric = |own: &str| {
        matches!(
            own,
            "msg.status"
                | "msg.src_port"
                | "msg.dst_port"
                | "msg.version"
                | "msg.cseq"
                | "hep_net(\"src_port\")"
                | "hep_net(\"dst_port\")"
        )
    };
    if let (Some(number), true) = (is_digits(right), numeric(&left_value)) {
        return Ok(format!("{left_value} {sign} {number}"));
    }
    Ok(format!("{left_value} {sign} {right_value}"))
}

/// A function that only tests.
fn test(call: &Call) -> Result<String, Refused> {
    let lower = call.name.to_ascii_lowercase();
    match (lower.as_str(), call.arguments.as_slice()) {
        ("is_method", [Some(Expression::Text(methods))]) => {
            let methods = methods.split('|').map(str::trim);
            let tests: Vec<_> = methods
                .map(|method| format!("msg.cseq_method == {}", quote(&method.to_ascii_uppercase())))
                .collect();
            Ok(match tests.as_slice() {
                [one] => one.clone(),
                several => format!("({})", several.join(" or ")),
            })
        }
        ("has_totag", []) => Ok("msg.to_tag ~= nil".to_owned()),
        _ => Err(format!("{}() has no counterpart", call.name)),
    }
}
