//! The bodies of routes: tokens to statements.

use super::{
    expression::{self, Expression},
    lexer::{Kind, Token},
    source::{ReadError, Sources, Span},
};

/// The statements between two braces.
pub(super) type Block = Vec<Statement>;

/// Blocks inside of each other; nobody writes as many, and each costs stack.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) step: Step,
    pub(super) span: Span,
    /// Every function that is called in it, at any depth, in lower case.
    pub(super) calls: Vec<String>,
    /// Every route that is called in it, at any depth.
    pub(super) routes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A function.
    Call(Call),
    /// `target = value`; the operator may be one like `+=`.
    Assign {
        target: String,
        operator: &'static str,
        value: Expression,
    },
    If {
        /// `None` where it is not understood.
        condition: Option<Expression>,
        head: Span,
        then: Block,
        otherwise: Option<Block>,
    },
    Group(Block),
    /// `exit`, `drop`, `return`.
    End(End),
    /// Loops, switches, asynchronous calls, and what is not understood.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exit,
    Drop,
    /// With the number that is returned, as far as it is one.
    Return(Option<i64>),
}

/// A function and its arguments; those left out are `None`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// As written.
    pub(super) name: String,
    pub(super) arguments: Vec<Option<Expression>>,
}

impl Statement {
    /// Whether one of these functions is called in it.
    pub(super) fn calls_any(&self, names: &dyn Fn(&str) -> bool) -> bool {
        self.calls.iter().any(|call| names(call))
    }
}

/// Reads the block whose brace is `tokens[at]`: its statements, and the index behind the brace that closes it.
///
/// # Errors
/// A brace or parenthesis without its counterpart, or too many inside of each other.
pub(super) fn block(
    sources: &Sources,
    tokens: &[Token],
    at: usize,
) -> Result<(Block, usize), ReadError> {
    let mut parser = Parser {
        sources,
        tokens,
        at,
        depth: 0,
    };
    let block = parser.block()?;
    Ok((block, parser.at))
}

struct Parser<'a> {
    sources: &'a Sources,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn peek_is(&self, sign: &str) -> bool {
        self.peek().is_some_and(|token| token.is(sign))
    }

    fn block(&mut self) -> Result<Block, ReadError> {
        let Some(open) = self.peek() else {
            return Ok(Vec::new());
        };
        if self.depth == MAX_DEPTH {
            return Err(self.sources.error(&open.span, "blocks are nested too deep"));
        }
        self.depth += 1;
        self.at += 1;
        let mut statements = Vec::new();
        loop {
            match self.peek() {
                None => {
                    let message = "this brace is not closed";
                    return Err(self.sources.error(&open.span, message));
                }
                Some(token) if token.is("}") => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(statements);
                }
                Some(token) if token.is(";") => self.at += 1,
                Some(token) => statements.push(self.statement(token)?),
            }
        }
    }

    fn statement(&mut self, first: &'a Token) -> Result<Statement, ReadError> {
        let start = self.at;
        let step = if first.is("{") {
            Step::Group(self.block()?)
        } else if first.is_word("if") && self.follows("(") {
            self.branch()?
        } else if first.word().is_some_and(opens_block) {
            self.other_block()?;
            Step::Other
        } else {
            let words = self.up_to_end(first)?;
            read_simple(words)
        };
        let last = self.tokens.get(self.at - 1).unwrap_or(first);
        let own = self.tokens.get(start..self.at).unwrap_or_default();
        Ok(Statement {
            step,
            span: first.span.to(&last.span),
            calls: calls_in(own),
            routes: routes_in(own),
        })
    }

    fn follows(&self, sign: &str) -> bool {
        self.tokens
            .get(self.at + 1)
            .is_some_and(|token| token.is(sign))
    }

    fn branch(&mut self) -> Result<Step, ReadError> {
        let first = self.at;
        self.at += 1;
        let condition = self.parentheses()?;
        let head = match (self.tokens.get(first), self.tokens.get(self.at - 1)) {
            (Some(first), Some(last)) => first.span.to(&last.span),
            _ => Span {
                file: 0,
                octets: 0..0,
            },
        };
        let then = self.body()?;
        let mut otherwise = None;
        if self.peek().is_some_and(|token| token.is_word("else")) {
            self.at += 1;
            otherwise = Some(self.body()?);
        }
        Ok(Step::If {
            condition: expression::parse(condition),
            head,
            then,
            otherwise,
        })
    }

    /// A block, or the one statement that stands instead.
    fn body(&mut self) -> Result<Block, ReadError> {
        if self.peek_is("{") {
            return self.block();
        }
        let Some(token) = self.peek().filter(|token| !token.is("}")) else {
            let last = self.tokens.get(self.at.saturating_sub(1));
            let span = last.map_or(
                Span {
                    file: 0,
                    octets: 0..0,
                },
                |token| token.span.clone(),
            );
            return Err(self
                .sources
                .error(&span, "a statement is missing behind this"));
        };
        if token.is(";") {
            self.at += 1;
            return Ok(Vec::new());
        }
        if self.depth == MAX_DEPTH {
            return Err(self
                .sources
                .error(&token.span, "blocks are nested too deep"));
        }
        self.depth += 1;
        let statement = self.statement(token);
        self.depth -= 1;
        Ok(vec![statement?])
    }

    /// What stands between the parenthesis ahead and the one that closes it.
    fn parentheses(&mut self) -> Result<&'a [Token], ReadError> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            if token.is("(") {
                depth += 1;
            } else if token.is(")") {
                depth -= 1;
            } else if token.is("{") || token.is("}") || token.is(";") {
                break;
            }
            self.at += 1;
            if depth == 0 {
                return Ok(self.tokens.get(start + 1..self.at - 1).unwrap_or_default());
            }
        }
        Err(self.unclosed(start))
    }

    fn unclosed(&self, at: usize) -> ReadError {
        let token = self.tokens.get(at).or_else(|| self.tokens.last());
        let span = token.map_or(
            Span {
                file: 0,
                octets: 0..0,
            },
            |token| token.span.clone(),
        );
        self.sources.error(&span, "this parenthesis is not closed")
    }

    /// A loop or a switch: head and block are passed over.
    fn other_block(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        if self.peek_is("(") {
            self.parentheses()?;
        }
        if self.peek_is("{") {
            self.skip_braces()?;
        } else {
            self.body()?;
        }
        Ok(())
    }

    fn skip_braces(&mut self) -> Result<(), ReadError> {
        let open = self.peek();
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            self.at += 1;
            if token.is("{") {
                depth += 1;
            } else if token.is("}") {
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            }
        }
        let span = open.map_or(
            Span {
                file: 0,
                octets: 0..0,
            },
            |token| token.span.clone(),
        );
        Err(self.sources.error(&span, "this brace is not closed"))
    }

    /// The tokens of a statement that ends with a semicolon.
    fn up_to_end(&mut self, first: &Token) -> Result<&'a [Token], ReadError> {
        let start = self.at;
        let mut open = Vec::new();
        while let Some(token) = self.peek() {
            if token.is("(") {
                open.push(self.at);
            } else if token.is(")") && open.pop().is_none() {
                return Err(self
                    .sources
                    .error(&token.span, "this parenthesis closes nothing"));
            } else if token.is(";") {
                if let Some(at) = open.pop() {
                    return Err(self.unclosed(at));
                }
                self.at += 1;
                return Ok(self.tokens.get(start..self.at - 1).unwrap_or_default());
            } else if token.is("{") || token.is("}") {
                break;
            }
            self.at += 1;
        }
        if let Some(at) = open.pop() {
            return Err(self.unclosed(at));
        }
        let span = match self.tokens.get(self.at.saturating_sub(1)) {
            Some(last) if self.at > start => first.span.to(&last.span),
            _ => first.span.clone(),
        };
        Err(self
            .sources
            .error(&span, "this statement has no `;` at its end"))
    }
}

/// Words that a block follows and that are not translated.
fn opens_block(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    matches!(word.as_str(), "while" | "for" | "switch")
}

/// The functions called in these tokens: words before a parenthesis.
fn calls_in(tokens: &[Token]) -> Vec<String> {
    let pairs = tokens.windows(2);
    let called = pairs.filter_map(|pair| match pair {
        [name, open] if open.is("(") => name.word(),
        _ => None,
    });
    called.map(str::to_ascii_lowercase).collect()
}

/// The routes called in these tokens: what stands behind `route(`.
fn routes_in(tokens: &[Token]) -> Vec<String> {
    let triples = tokens.windows(3);
    let called = triples.filter_map(|triple| match triple {
        [route, open, name] if route.is_word("route") && open.is("(") => match &name.kind {
            Kind::Word(name) | Kind::Text(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    });
    called.collect()
}

/// The name of the route that a call of `route` is for.
pub(super) fn route_name(call: &Call) -> Option<String> {
    match call.arguments.first() {
        Some(Some(Expression::Word(name) | Expression::Text(name))) => Some(name.clone()),
        Some(Some(Expression::Number(number))) => Some(number.to_string()),
        _ => None,
    }
}

/// A statement without a block.
fn read_simple(tokens: &[Token]) -> Step {
    match tokens {
        [target, operator, value @ ..] => {
            if let (Kind::Variable(target), Kind::Sign(operator)) = (&target.kind, &operator.kind)
                && operator.ends_with('=')
                && let Some(value) = expression::parse(value)
            {
                return Step::Assign {
                    target: target.clone(),
                    operator,
                    value,
                };
            }
        }
        [word] => {
            if let Some(end) = read_end(word, &[]) {
                return Step::End(end);
            }
        }
        [] => {}
    }
    if let [word, open, inner @ .., close] = tokens
        && open.is("(")
        && close.is(")")
        && let Some(end) = read_end(word, inner)
    {
        return Step::End(end);
    }
    match expression::parse(tokens) {
        Some(Expression::Call(call)) => Step::Call(call),
        _ => Step::Other,
    }
}

fn read_end(word: &Token, inner: &[Token]) -> Option<End> {
    let word = word.word()?.to_ascii_lowercase();
    match (word.as_str(), expression::parse(inner)) {
        ("exit", None) if inner.is_empty() => Some(End::Exit),
        ("drop", None) if inner.is_empty() => Some(End::Drop),
        ("return", None) if inner.is_empty() => Some(End::Return(None)),
        ("return", Some(Expression::Number(number))) => Some(End::Return(Some(number))),
        _ => None,
    }
}
