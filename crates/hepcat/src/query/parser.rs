//! Recursive descent over the grammar of `docs/query.md`: OR binds weakest, then AND (written or not), then NOT.

use std::ops::Range;

use jiff::Zoned;

use super::{
    MAX_DEPTH, MAX_LENGTH, MAX_PATTERNS, MAX_REGEXES,
    ast::{Expr, Pattern, Test},
    error::{Problem, QueryError},
    field::{Field, Kind, Scope, suggestion},
    lexer::{Lexer, Operator, Word},
    literal, matcher,
};

type Result<T, E = QueryError> = std::result::Result<T, E>;

/// Reads a whole query. `now` is where a query is asked once, at this time.
pub(super) fn parse(text: &str, scope: Scope, now: Option<&Zoned>) -> Result<Expr> {
    if text.len() > MAX_LENGTH {
        return Err(QueryError::new(Problem::TooLong, 0..text.len()));
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        scope,
        now,
        depth: 0,
        patterns: 0,
        regexes: 0,
    };
    parser.lexer.skip_space();
    if parser.lexer.peek().is_none() {
        return Ok(Expr::Everything);
    }
    let expr = parser.or()?;
    match parser.lexer.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.lexer.unexpected("a condition")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    scope: Scope,
    now: Option<&'a Zoned>,
    /// Open parentheses and negations: what recursion there is.
    depth: usize,
    patterns: usize,
    regexes: usize,
}

/// The words that combine conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    And,
    Or,
    Not,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Expr> {
        let mut parts = vec![self.and()?];
        while self.eat_keyword(Keyword::Or) {
            parts.push(self.and()?);
        }
        Ok(combine(parts, Expr::Or, |expr| match expr {
            Expr::Or(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn and(&mut self) -> Result<Expr> {
        let mut parts = vec![self.unary()?];
        loop {
            let explicit = self.eat_keyword(Keyword::And);
            if !explicit
                && (matches!(self.lexer.peek(), None | Some(')'))
                    || self.keyword() == Some(Keyword::Or))
            {
                break;
            }
            parts.push(self.unary()?);
        }
        Ok(combine(parts, Expr::And, |expr| match expr {
            Expr::And(inner) => Ok(inner),
            other => Err(other),
        }))
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.eat_keyword(Keyword::Not) || self.lexer.eat_negation() {
            let inner = self.nested(Self::unary)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.lexer.eat('(') {
            self.lexer.skip_space();
            let inner = self.nested(Self::or)?;
            if !self.lexer.eat(')') {
                return Err(self.lexer.unexpected("`)`"));
            }
            self.lexer.skip_space();
            return Ok(inner);
        }
        let test = self.test()?;
        self.lexer.skip_space();
        Ok(test)
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Expr>) -> Result<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let at = self.lexer.at();
            return Err(QueryError::new(Problem::TooDeep, at..at));
        }
        let expr = inner(self)?;
        self.depth -= 1;
        Ok(expr)
    }

    /// A keyword if one comes next, without stepping over it.
    fn keyword(&self) -> Option<Keyword> {
        let mut ahead = self.lexer;
        let word = ahead.word(false).ok()?;
        match ahead.slice(word.span) {
            "AND" => Some(Keyword::And),
            "OR" => Some(Keyword::Or),
            "NOT" => Some(Keyword::Not),
            _ => None,
        }
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.keyword() == Some(keyword);
        if found && self.lexer.word(false).is_ok() {
            self.lexer.skip_space();
        }
        found
    }

    /// `field:value` and its like, or text.
    fn test(&mut self) -> Result<Expr> {
        if let Some((name, operator, operator_span)) = self.lexer.eat_field() {
            return self.field_test(name, operator, operator_span);
        }
        if let Some('<' | '>' | '=' | '~' | ':') = self.lexer.peek() {
            return Err(self.lexer.unexpected("a condition: field:value, or text"));
        }
        if let Some(name) = self.eat_last() {
            // What follows is a value like that behind `last:`.
            return self.field_test(name.clone(), Operator::Is, name);
        }
        let word = self.lexer.word(false)?;
        if word.pieces.is_empty() {
            return Err(self.lexer.unexpected("a condition: field:value, or text"));
        }
        self.refuse_ambiguous(&word)?;
        let pattern = literal::pattern(Kind::Body, word, "", None)?;
        self.count(1)?;
        Ok(Expr::Test(Test {
            field: Field::Payload,
            patterns: vec![pattern],
        }))
    }

    /// `last 2h`, up to the duration: people write it so, and nobody who does is looking for these two words.
    fn eat_last(&mut self) -> Option<Range<usize>> {
        let mut ahead = self.lexer;
        let name = ahead.word(false).ok()?;
        ahead.skip_space();
        let mut behind = ahead;
        let back = behind.word(true).ok()?;
        let is_ours = !name.quoted
            && self
                .lexer
                .slice(name.span.clone())
                .eq_ignore_ascii_case("last")
            && !back.quoted
            && literal::is_duration(self.lexer.slice(back.span));
        is_ours.then(|| {
            self.lexer = ahead;
            name.span
        })
    }

    /// What looks like an operator of some language and is none of ours is never silently text.
    fn refuse_ambiguous(&self, word: &Word) -> Result<()> {
        if word.quoted {
            return Ok(());
        }
        let text = self.lexer.slice(word.span.clone());
        let keyword = match text.to_ascii_lowercase().as_str() {
            "and" | "&&" | "&" => "AND",
            "or" | "||" | "|" => "OR",
            "not" | "!" | "-" => "NOT",
            _ => return Ok(()),
        };
        let word_text = text.to_owned();
        let problem = if text == keyword {
            Problem::Unexpected {
                expected: "a condition: field:value, or text",
                found: super::error::Found::Text(word_text),
            }
        } else {
            Problem::AmbiguousKeyword {
                word: word_text,
                keyword,
            }
        };
        Err(QueryError::new(problem, word.span.clone()))
    }

    fn field_test(
        &mut self,
        name: Range<usize>,
        operator: Operator,
        operator_span: Range<usize>,
    ) -> Result<Expr> {
        let field = self.field(name)?;
        let kind = field.kind();
        let refuse = |applicable| {
            let problem = Problem::Operator {
                field: field.to_string(),
                operator: operator.text(),
                applicable,
            };
            Err(QueryError::new(problem, operator_span.clone()))
        };
        let negated = matches!(operator, Operator::IsNot | Operator::MatchesNot);
        let patterns = match operator {
            Operator::Is | Operator::IsNot => {
                if self.lexer.peek() == Some('(') {
                    self.list(kind)?
                } else {
                    vec![self.value(kind)?]
                }
            }
            Operator::Matches | Operator::MatchesNot => {
                if !kind.is_text() {
                    return refuse(
                        "regular expressions look at text; here write a value, a range or a network after `:`",
                    );
                }
                vec![self.regex(&field)?]
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                if !kind.is_ordered() {
                    return refuse(
                        "comparisons are for numbers, durations and times; here use `:`",
                    );
                }
                vec![self.compared(kind, operator)?]
            }
        };
        self.count(patterns.len())?;
        // What is counted back from now is a time like any other once it is read.
        let field = if field == Field::Last {
            Field::Time
        } else {
            field
        };
        let test = Expr::Test(Test { field, patterns });
        Ok(if negated {
            Expr::Not(Box::new(test))
        } else {
            test
        })
    }

    fn field(&self, span: Range<usize>) -> Result<Field> {
        let name = self.lexer.slice(span.clone());
        let Some(field) = Field::from_name(name) else {
            let problem = Problem::UnknownField {
                name: name.to_owned(),
                suggestion: suggestion(name, self.scope),
            };
            return Err(QueryError::new(problem, span));
        };
        if self.scope.admits(field.scope()) {
            return Ok(field);
        }
        let name = field.to_string();
        let problem = match field {
            Field::Last => Problem::NoNow,
            _ if field.scope() == Scope::Call => Problem::OnlyOfCalls { field: name },
            _ => Problem::OnlyOfStored { field: name },
        };
        Err(QueryError::new(problem, span))
    }

    fn value(&mut self, kind: Kind) -> Result<Pattern> {
        let word = self.value_word("a value")?;
        self.end_of_value()?;
        let text = self.lexer.slice(word.span.clone());
        literal::pattern(kind, word, text, self.now)
    }

    fn compared(&mut self, kind: Kind, operator: Operator) -> Result<Pattern> {
        let word = self.value_word("a value to compare with")?;
        self.end_of_value()?;
        let text = self.lexer.slice(word.span.clone());
        literal::comparison(kind, operator, &word, text, self.now)
    }

    fn value_word(&mut self, expected: &'static str) -> Result<Word> {
        let before = self.lexer;
        let word = self.lexer.word(true)?;
        if word.pieces.is_empty() {
            return Err(before.unexpected(expected));
        }
        Ok(word)
    }

    fn end_of_value(&self) -> Result<()> {
        if self.lexer.is_at_end_of_value() {
            return Ok(());
        }
        let at = self.lexer.at();
        if self.lexer.peek() == Some(',') {
            return Err(QueryError::new(Problem::Comma, at..at + 1));
        }
        Err(self.lexer.unexpected("a space after the value"))
    }

    /// `(a, b, c)`
    fn list(&mut self, kind: Kind) -> Result<Vec<Pattern>> {
        self.lexer.eat('(');
        let mut patterns = Vec::new();
        loop {
            self.lexer.skip_space();
            let word = self.value_word("a value")?;
            let text = self.lexer.slice(word.span.clone());
            patterns.push(literal::pattern(kind, word, text, self.now)?);
            self.lexer.skip_space();
            if self.lexer.eat(')') {
                break;
            }
            if !self.lexer.eat(',') {
                return Err(self.lexer.unexpected("`,` or `)`"));
            }
        }
        self.end_of_value()?;
        Ok(patterns)
    }

    fn regex(&mut self, field: &Field) -> Result<Pattern> {
        let (source, span) = self.lexer.regex()?;
        self.end_of_value()?;
        self.regexes += 1;
        if self.regexes > MAX_REGEXES {
            return Err(QueryError::new(Problem::TooManyRegexes, span));
        }
        // Compiled here for its faults; the matcher compiles it again, which keeps this a tree of plain data.
        matcher::regex(field, &source).map_err(|problem| QueryError::new(problem, span))?;
        Ok(Pattern::Regex(source.into()))
    }

    fn count(&mut self, patterns: usize) -> Result<()> {
        self.patterns += patterns;
        if self.patterns > MAX_PATTERNS {
            let at = self.lexer.at();
            return Err(QueryError::new(Problem::TooManyPatterns, at..at));
        }
        Ok(())
    }
}

/// One condition as it is; several under `outer`, those that are `outer` themselves dissolved into it.
fn combine(
    mut parts: Vec<Expr>,
    outer: fn(Vec<Expr>) -> Expr,
    open: fn(Expr) -> Result<Vec<Expr>, Expr>,
) -> Expr {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match open(part) {
            Ok(inner) => flat.extend(inner),
            Err(part) => flat.push(part),
        }
    }
    outer(flat)
}
