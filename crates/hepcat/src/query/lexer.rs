//! Cuts a query into names, operators and values. What comes next depends on where we are (a Call-ID may hold nearly
//! any character), so the parser asks for what it needs instead of reading a list of tokens.

use std::ops::Range;

use super::{
    ast::Piece,
    error::{Found, Problem, QueryError},
    field::URI_SCHEMES,
};

/// An operator between a field and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `:` or `=`
    Is,
    /// `!=`
    IsNot,
    /// `~`
    Matches,
    /// `!~`
    MatchesNot,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Is => ":",
            Self::IsNot => "!=",
            Self::Matches => "~",
            Self::MatchesNot => "!~",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Longest first.
const OPERATORS: [(&str, Operator); 9] = [
    ("!=", Operator::IsNot),
    ("!~", Operator::MatchesNot),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Matches),
    ("=", Operator::Is),
    (":", Operator::Is),
];

/// A value or a piece of free text, with its quotes and wildcards taken apart.
#[derive(Debug)]
pub(super) struct Word {
    /// Normalised as [`Glob`](super::ast::Glob) promises; empty only where nothing stood.
    pub(super) pieces: Vec<Piece>,
    pub(super) span: Range<usize>,
    /// Whether any of it was quoted or escaped, so that it cannot be a keyword.
    pub(super) quoted: bool,
}

/// A position in the text of a query. Copying it is looking ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn slice(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Steps over `c` if it comes next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
    }

    /// Steps over `-` or `!` where it negates: directly before what it negates.
    pub(super) fn eat_negation(&mut self) -> bool {
        let negates = matches!(self.peek(), Some('-' | '!'))
            && self
                .peek_second()
                .is_some_and(|c| !c.is_whitespace() && !matches!(c, ')' | '=' | '~'));
        if negates {
            self.bump();
        }
        negates
    }

    /// Steps over a field's name and its operator; leaves everything as it was if there is none.
    pub(super) fn eat_field(&mut self) -> Option<(Range<usize>, Operator, Range<usize>)> {
        let mut ahead = *self;
        let name = ahead.eat_name()?;
        let direct = ahead.at;
        ahead.skip_space();
        let start = ahead.at;
        let (text, operator) = OPERATORS
            .into_iter()
            .find(|(text, _)| ahead.rest().starts_with(text))?;
        // `a : b` is two words with a colon between them; the other operators may stand free.
        if text == ":"
            && (start != direct
                || URI_SCHEMES.contains(&self.slice(name.clone()).to_ascii_lowercase().as_str()))
        {
            return None;
        }
        ahead.at += text.len();
        let span = start..ahead.at;
        if text != ":" {
            ahead.skip_space();
        }
        *self = ahead;
        Some((name, operator, span))
    }

    fn eat_name(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if !self.peek()?.is_ascii_alphabetic() {
            return None;
        }
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        {
            self.bump();
        }
        Some(start..self.at)
    }

    /// Text up to the next space, parenthesis or, where a value stands, comma.
    pub(super) fn word(&mut self, ends_at_comma: bool) -> Result<Word, QueryError> {
        let start = self.at;
        let mut pieces = Pieces::default();
        let mut quoted = false;
        while let Some(c) = self.peek() {
            match c {
                '(' | ')' => break,
                ',' if ends_at_comma => break,
                c if c.is_whitespace() => break,
                '"' => {
                    quoted = true;
                    self.quoted(&mut pieces)?;
                }
                '\\' => {
                    quoted = true;
                    self.bump();
                    let Some(escaped) = self.bump() else {
                        return Err(self.unexpected("a character after the backslash"));
                    };
                    pieces.push_char(escaped);
                }
                '*' | '?' => {
                    self.bump();
                    pieces.push_wildcard(if c == '*' { Piece::Many } else { Piece::One });
                }
                c => {
                    self.bump();
                    pieces.push_char(c);
                }
            }
        }
        Ok(Word {
            pieces: pieces.finish(quoted),
            span: start..self.at,
            quoted,
        })
    }

    /// A quoted part of a word: no wildcards in it.
    fn quoted(&mut self, pieces: &mut Pieces) -> Result<(), QueryError> {
        let open = self.at;
        self.bump();
        loop {
            let here = self.at;
            match self.bump() {
                Some('"') => return Ok(()),
                Some('\\') => {
                    let c = match self.bump() {
                        Some(c @ ('"' | '\\')) => c,
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some(c) => {
                            return Err(QueryError::new(Problem::Escape(c), here..self.at));
                        }
                        None => return Err(QueryError::new(Problem::OpenQuote, open..open + 1)),
                    };
                    pieces.push_char(c);
                }
                Some(c) => pieces.push_char(c),
                None => return Err(QueryError::new(Problem::OpenQuote, open..open + 1)),
            }
        }
    }

    /// A regular expression: in quotes, where only `\"` is not its own business, or without them up to the next space.
    pub(super) fn regex(&mut self) -> Result<(String, Range<usize>), QueryError> {
        let start = self.at;
        if self.peek() != Some('"') {
            while self
                .peek()
                .is_some_and(|c| !c.is_whitespace() && !matches!(c, '"' | '(' | ')' | ','))
            {
                self.bump();
            }
            let span = start..self.at;
            if span.is_empty() || matches!(self.peek(), Some('"' | '(' | ',')) {
                return Err(self.unexpected("a regular expression in quotes"));
            }
            return Ok((self.slice(span.clone()).to_owned(), span));
        }
        self.bump();
        let mut source = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok((source, start..self.at)),
                Some('\\') => match self.bump() {
                    Some('"') => source.push('"'),
                    Some(c) => source.extend(['\\', c]),
                    None => return Err(QueryError::new(Problem::OpenQuote, start..start + 1)),
                },
                Some(c) => source.push(c),
                None => return Err(QueryError::new(Problem::OpenQuote, start..start + 1)),
            }
        }
    }

    /// Whether what comes next may follow a value.
    pub(super) fn is_at_end_of_value(&self) -> bool {
        self.peek().is_none_or(|c| c.is_whitespace() || c == ')')
    }

    /// The fault that `expected` does not come next.
    pub(super) fn unexpected(&self, expected: &'static str) -> QueryError {
        let (found, width) = match self.peek() {
            None => (Found::End, 0),
            Some(c) if c.is_whitespace() => (Found::Space, c.len_utf8()),
            Some(c) => (Found::Text(c.to_string()), c.len_utf8()),
        };
        QueryError::new(
            Problem::Unexpected { expected, found },
            self.at..self.at + width,
        )
    }
}

/// Joins neighbours while a word is read.
#[derive(Debug, Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push_char(&mut self, c: char) {
        if let Some(Piece::Literal(text)) = self.0.last_mut() {
            text.push(c);
        } else {
            self.0.push(Piece::Literal(c.to_string()));
        }
    }

    fn push_wildcard(&mut self, piece: Piece) {
        if piece != Piece::Many || self.0.last() != Some(&Piece::Many) {
            self.0.push(piece);
        }
    }

    fn finish(mut self, quoted: bool) -> Vec<Piece> {
        if self.0.is_empty() && quoted {
            self.0.push(Piece::Literal(String::new()));
        }
        self.0
    }
}
