//! Tokens to the statements of a configuration file: settings, sockets, modules, parameters, routes.

use std::{io, path::Path};

use super::{
    lexer::{self, Kind, Token},
    number,
    source::{ReadError, Sources, Span},
    statement::{self, Block},
};

/// Reads a file that is included, or says why it cannot be.
pub(super) type Loader<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

/// Files that one configuration may consist of, and how deep they may include each other (OpenSIPS allows 10).
const MAX_FILES: usize = 256;
const MAX_DEPTH: usize = 10;

/// What one statement of the configuration says.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum What {
    /// `loadmodule "proto_hep.so"`: the name without directory and ending.
    Module(String),
    /// `modparam("module", "name", value)`: the first is a regular expression.
    Parameter {
        module: String,
        name: String,
        value: Value,
    },
    /// `socket = …` or `listen = …`: the words behind the equals sign.
    Socket(Vec<Token>),
    /// `name = value`, a setting of the core. Of several values the first.
    Setting { name: String, value: Value },
    /// A route of any kind.
    Route(Route),
    /// A file that may be missing and is.
    Absent,
    /// A line that only a preprocessor understands.
    Macro,
}

/// A route as written.
#[derive(Debug)]
pub(super) struct Route {
    /// `route`, `onreply_route`, …, in lower case; `request_route` is `route`.
    pub(super) kind: String,
    /// What stands in brackets.
    pub(super) name: Option<String>,
    pub(super) body: Block,
}

/// What a parameter is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(i64),
    Text(String),
}

impl Value {
    /// The number, also of a text that is one: OpenSIPS refuses that, and it is clear what is meant.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => number::parse(text.trim()),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) sources: Sources,
    pub(super) items: Vec<Item>,
}

/// Reads a configuration and what it includes.
///
/// # Errors
/// The first thing that OpenSIPS could not read either, or that shows that this is something else.
pub(super) fn read(name: &Path, text: String, loader: &Loader<'_>) -> Result<Reading, ReadError> {
    let mut reading = Reading {
        sources: Sources::default(),
        items: Vec::new(),
    };
    let file = reading.sources.add(name, text);
    read_file(&mut reading, file, loader, 0)?;
    let telling = |item: &Item| !matches!(item.what, What::Setting { .. } | What::Macro);
    if !reading.items.iter().any(telling) {
        let nothing = Span { file, octets: 0..0 };
        return Err(reading.sources.error(
            &nothing,
            "this is no configuration of OpenSIPS: it has no socket, no module and no route",
        ));
    }
    Ok(reading)
}

fn read_file(
    reading: &mut Reading,
    file: usize,
    loader: &Loader<'_>,
    depth: usize,
) -> Result<(), ReadError> {
    refuse_kamailio(&reading.sources, file)?;
    let tokens = lexer::tokens(&reading.sources, file)?;
    let mut at = 0;
    while at < tokens.len() {
        let mut cursor = Cursor {
            sources: &reading.sources,
            tokens: &tokens,
            at,
        };
        let read = cursor.statement()?;
        at = cursor.at;
        match read {
            None => {}
            Some(Read::Item(item)) => reading.items.push(item),
            Some(Read::Include(include)) => {
                read_include(reading, file, &include, loader, depth)?;
            }
        }
    }
    Ok(())
}

/// A relative: it looks alike and means something else.
fn refuse_kamailio(sources: &Sources, file: usize) -> Result<(), ReadError> {
    let first = sources.text(file).lines().next().unwrap_or_default();
    let marker = first.trim_start_matches('\u{feff}').trim_end();
    if matches!(marker, "#!KAMAILIO" | "#!SER" | "#!ALL" | "#!MAXCOMPAT") {
        let span = Span {
            file,
            octets: 0..first.len(),
        };
        return Err(sources.error(
            &span,
            "this is a configuration of Kamailio, not of OpenSIPS",
        ));
    }
    Ok(())
}

fn read_include(
    reading: &mut Reading,
    from: usize,
    include: &Include,
    loader: &Loader<'_>,
    depth: usize,
) -> Result<(), ReadError> {
    if depth + 1 >= MAX_DEPTH || reading.sources.len() >= MAX_FILES {
        let message = format!(
            "files are included more than {MAX_DEPTH} deep, or there are more than {MAX_FILES} of them"
        );
        return Err(reading.sources.error(&include.span, message));
    }
    let directory = reading
        .sources
        .name(from)
        .parent()
        .unwrap_or_else(|| Path::new(""));
    let path = directory.join(&include.path);
    match loader(&path) {
        Ok(text) => {
            let file = reading.sources.add(&path, text);
            read_file(reading, file, loader, depth + 1)
        }
        Err(error) if include.optional && error.kind() == io::ErrorKind::NotFound => {
            reading.items.push(Item {
                what: What::Absent,
                span: include.span.clone(),
            });
            Ok(())
        }
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(reading.sources.error(&include.span, message))
        }
    }
}

enum Read {
    Item(Item),
    Include(Include),
}

struct Include {
    path: String,
    /// `import_file`: the file may be missing.
    optional: bool,
    span: Span,
}

const ROUTES: [&str; 10] = [
    "route",
    "request_route",
    "onreply_route",
    "reply_route",
    "failure_route",
    "branch_route",
    "local_route",
    "error_route",
    "timer_route",
    "event_route",
];

struct Cursor<'a> {
    sources: &'a Sources,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn peek_is(&self, sign: &str) -> bool {
        self.peek().is_some_and(|token| token.is(sign))
    }

    fn error(&self, token: Option<&Token>, message: impl Into<String>) -> ReadError {
        // Past the end of the file the last token is to blame.
        let span = token
            .or_else(|| self.tokens.last())
            .map(|token| token.span.clone());
        let span = span.unwrap_or(Span {
            file: 0,
            octets: 0..0,
        });
        self.sources.error(&span, message)
    }

    fn expect(&mut self, sign: &str, place: &str) -> Result<&'a Token, ReadError> {
        let found = self.peek();
        match self.next() {
            Some(token) if token.is(sign) => Ok(token),
            _ => Err(self.error(found, format!("`{sign}` is missing {place}"))),
        }
    }

    /// What was read, from `first` to the last token taken.
    fn item(&self, first: &Token, what: What) -> Option<Read> {
        let last = self.tokens.get(self.at.saturating_sub(1)).unwrap_or(first);
        let span = first.span.to(&last.span);
        Some(Read::Item(Item { what, span }))
    }

    fn statement(&mut self) -> Result<Option<Read>, ReadError> {
        let Some(first) = self.next() else {
            return Ok(None);
        };
        if first.is(";") {
            return Ok(None);
        }
        let Some(word) = first.word() else {
            return Err(self.error(Some(first), no_statement(self.sources.slice(&first.span))));
        };
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "loadmodule" => {
                let path = self.text("behind `loadmodule`: the file of the module")?;
                let module = Path::new(&path).file_stem().unwrap_or_default();
                let module = module.to_string_lossy().into_owned();
                Ok(self.item(first, What::Module(module)))
            }
            "include_file" | "import_file" => {
                let path = self.text("that names the file")?;
                let last = self.tokens.get(self.at - 1).unwrap_or(first);
                Ok(Some(Read::Include(Include {
                    path,
                    optional: lower == "import_file",
                    span: first.span.to(&last.span),
                })))
            }
            "modparam" => self.parameter(first),
            "startup_route" => self.route(first, &lower),
            route if ROUTES.contains(&route) => self.route(first, route),
            _ if self.peek_is("=") => {
                self.next();
                self.setting(first, &lower)
            }
            _ if self.peek_is("(") => {
                self.skip_parentheses();
                Ok(self.item(first, What::Macro))
            }
            _ => Err(self.error(Some(first), no_statement(word))),
        }
    }

    /// A string; several that follow each other are one.
    fn text(&mut self, what: &str) -> Result<String, ReadError> {
        let found = self.peek();
        let mut text = match self.next().map(|token| &token.kind) {
            Some(Kind::Text(text)) => text.clone(),
            _ => return Err(self.error(found, format!("a string is missing {what}"))),
        };
        while let Some(Kind::Text(more)) = self.peek().map(|token| &token.kind) {
            text.push_str(more);
            self.at += 1;
        }
        Ok(text)
    }

    fn parameter(&mut self, first: &Token) -> Result<Option<Read>, ReadError> {
        self.expect("(", "behind `modparam`")?;
        let module = self.text("for the module of `modparam`")?;
        self.expect(",", "behind the module of `modparam`")?;
        let name = self.text("for the parameter's name in `modparam`")?;
        self.expect(",", "behind the name of the parameter")?;
        let value = self.value("the parameter")?;
        self.expect(")", "at the end of `modparam`")?;
        let item = self.item(
            first,
            What::Parameter {
                module,
                name,
                value,
            },
        );
        Ok(item)
    }

    fn value(&mut self, of: &str) -> Result<Value, ReadError> {
        let found = self.peek();
        if let Some(Kind::Text(_)) = found.map(|token| &token.kind) {
            return Ok(Value::Text(self.text("")?));
        }
        let negative = self.peek_is("-");
        if negative {
            self.at += 1;
        }
        let word = self.next().and_then(Token::word);
        match word.and_then(number::parse) {
            Some(number) => Ok(Value::Number(if negative { -number } else { number })),
            None => Err(self.error(
                found,
                format!("the value of {of} is neither a string nor a number"),
            )),
        }
    }

    fn route(&mut self, first: &Token, kind: &str) -> Result<Option<Read>, ReadError> {
        let mut name = None;
        if self.peek_is("[") {
            let open = self.next();
            let mut words = String::new();
            loop {
                match self.next().map(|token| (&token.kind, token)) {
                    Some((Kind::Sign("]"), _)) => break,
                    Some((Kind::Text(text), _)) => words.push_str(text),
                    Some((Kind::Sign("{" | "}"), _)) | None => {
                        return Err(
                            self.error(open, "the bracket of the route's name is not closed")
                        );
                    }
                    Some((_, token)) => words.push_str(self.sources.slice(&token.span)),
                }
            }
            name = Some(words);
        }
        let open = self.peek();
        if !self.peek_is("{") {
            return Err(self.error(open, format!("`{{` is missing behind `{kind}`")));
        }
        let (body, end) = statement::block(self.sources, self.tokens, self.at)?;
        self.at = end;
        let kind = match kind {
            "request_route" => "route",
            "reply_route" => "onreply_route",
            other => other,
        };
        let route = Route {
            kind: kind.to_owned(),
            name,
            body,
        };
        Ok(self.item(first, What::Route(route)))
    }

    fn setting(&mut self, first: &Token, name: &str) -> Result<Option<Read>, ReadError> {
        if self.peek().is_none() {
            return Err(self.error(Some(first), format!("`{name}` has no value")));
        }
        // A value ends with its line, or with a semicolon; `scale` goes on with the profile of the line above.
        let (mut words, mut line) = (Vec::new(), None);
        while let Some(token) = self.peek() {
            let (own, _) = self.sources.lines(&token.span);
            if line.is_some_and(|line| own != line) && !token.is_word("scale") {
                break;
            }
            // Another setting on the same line.
            let follower = self.tokens.get(self.at + 1);
            if line.is_some() && token.word().is_some() && follower.is_some_and(|next| next.is("="))
            {
                break;
            }
            self.at += 1;
            if token.is(";") {
                break;
            }
            line = Some(self.sources.lines(&token.span).1);
            words.push(token.clone());
        }
        if matches!(name, "socket" | "listen") {
            if words.is_empty() {
                return Err(self.error(Some(first), format!("`{name}` has no value")));
            }
            return Ok(self.item(first, What::Socket(words)));
        }
        let mut inner = Cursor {
            sources: self.sources,
            tokens: &words,
            at: 0,
        };
        // Values that are neither are none of those that matter here.
        let value = inner.value(name).unwrap_or_else(|_| {
            let text = words.iter().map(|token| self.sources.slice(&token.span));
            Value::Text(text.collect())
        });
        let name = name.to_owned();
        Ok(self.item(first, What::Setting { name, value }))
    }

    /// Everything up to the parenthesis that closes the one ahead.
    fn skip_parentheses(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            if token.is("(") {
                depth += 1;
            } else if token.is(")") {
                depth -= 1;
            }
            if depth == 0 {
                return;
            }
        }
    }
}

fn no_statement(text: &str) -> String {
    let text: String = text.chars().take(40).collect();
    format!(
        "`{}` begins no statement of an OpenSIPS configuration",
        one_line(&text)
    )
}

/// A text without line breaks and control characters.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
