//! Conditions, values and arguments: tokens to expressions.

use super::{
    lexer::{Kind, Token},
    number,
    statement::Call,
};

/// Parentheses and negations inside of each other; each costs stack.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Text(String),
    Number(i64),
    /// As written, without the `$`.
    Variable(String),
    /// A bare word: a method, an address, a keyword of the core.
    Word(String),
    Null,
    Call(Call),
    Not(Box<Self>),
    /// Logic, comparison or arithmetic of two.
    Binary(&'static str, Box<Self>, Box<Self>),
}

/// All of the tokens as one expression; `None` where they are not understood.
pub(super) fn parse(tokens: &[Token]) -> Option<Expression> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let expression = parser.binary(0)?;
    (parser.at == tokens.len()).then_some(expression)
}

/// Operators, those that bind least first.
const LEVELS: [&[&str]; 5] = [
    &["||"],
    &["&&"],
    &["==", "!=", "=~", "!~", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(sign));
        self.at += usize::from(found);
        found
    }

    fn operator(&mut self, level: &[&'static str]) -> Option<&'static str> {
        let token = self.peek()?;
        let found = level.iter().find(|sign| {
            token.is(sign)
                || (**sign == "||" && token.is_word("or"))
                || (**sign == "&&" && token.is_word("and"))
        });
        let found = found.copied();
        self.at += usize::from(found.is_some());
        found
    }

    fn binary(&mut self, level: usize) -> Option<Expression> {
        let Some(signs) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        let mut length = 0;
        while let Some(sign) = self.operator(signs) {
            let right = self.binary(level + 1)?;
            left = Expression::Binary(sign, Box::new(left), Box::new(right));
            length += 1;
            // A chain is as deep a tree as it is long.
            if length > MAX_DEPTH {
                return None;
            }
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expression> {
        self.depth += 1;
        let read = if self.depth > MAX_DEPTH {
            None
        } else if self.take("!") || self.take_word("not") {
            self.unary().map(|inner| Expression::Not(Box::new(inner)))
        } else {
            self.primary()
        };
        self.depth -= 1;
        read
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    fn primary(&mut self) -> Option<Expression> {
        if self.take("(") {
            let inner = self.binary(0)?;
            return self.take(")").then_some(inner);
        }
        let negative = self.take("-");
        let kind = self.peek()?.kind.clone();
        self.at += 1;
        match kind {
            Kind::Word(word) if negative => {
                let number = number::parse(&word)?;
                Some(Expression::Number(-number))
            }
            _ if negative => None,
            Kind::Text(mut text) => {
                while let Some(Kind::Text(more)) = self.peek().map(|token| &token.kind) {
                    text.push_str(more);
                    self.at += 1;
                }
                Some(Expression::Text(text))
            }
            Kind::Variable(name) => Some(Expression::Variable(name)),
            Kind::Word(word) if self.take("(") => {
                let arguments = self.arguments()?;
                Some(Expression::Call(Call {
                    name: word,
                    arguments,
                }))
            }
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => Some(Expression::Null),
            Kind::Word(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                number::parse(&word)
                    .map(Expression::Number)
                    .or(Some(Expression::Word(word)))
            }
            Kind::Word(word) => Some(Expression::Word(word)),
            Kind::Sign(_) | Kind::Other(_) => None,
        }
    }

    /// Up to the closing parenthesis; an argument may be left out.
    fn arguments(&mut self) -> Option<Vec<Option<Expression>>> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Some(arguments);
        }
        loop {
            let left_out = self
                .peek()
                .is_some_and(|token| token.is(",") || token.is(")"));
            arguments.push(if left_out {
                None
            } else {
                Some(self.binary(0)?)
            });
            if self.take(")") {
                return Some(arguments);
            }
            if !self.take(",") {
                return None;
            }
        }
    }
}
