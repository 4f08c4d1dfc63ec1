//! The files of a configuration, places in them, and what is wrong at a place.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// The file that was asked for and all that it includes.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    name: PathBuf,
    text: String,
    /// Octet at which each line begins.
    lines: Vec<usize>,
}

/// Octets of one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) octets: Range<usize>,
}

impl Span {
    /// From the beginning of this one to the end of `last`, where both are of one file.
    pub(super) fn to(&self, last: &Self) -> Self {
        let end = if self.file == last.file {
            last.octets.end.max(self.octets.start)
        } else {
            self.octets.end
        };
        Self {
            file: self.file,
            octets: self.octets.start..end,
        }
    }
}

impl Sources {
    pub(super) fn add(&mut self, name: &Path, text: String) -> usize {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        self.0.push(Source {
            name: name.to_owned(),
            text,
            lines,
        });
        self.0.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn name(&self, file: usize) -> &Path {
        self.0
            .get(file)
            .map_or_else(|| Path::new(""), |source| &source.name)
    }

    pub(super) fn text(&self, file: usize) -> &str {
        self.0.get(file).map_or("", |source| &source.text)
    }

    /// The text of a span.
    pub(super) fn slice(&self, span: &Span) -> &str {
        let text = self.text(span.file);
        text.get(span.octets.clone()).unwrap_or_default()
    }

    /// Line of an octet, from 1.
    pub(super) fn line(&self, file: usize, at: usize) -> usize {
        self.0.get(file).map_or(1, |source| {
            source.lines.partition_point(|start| *start <= at)
        })
    }

    /// Lines that a span touches, the first and the last, from 1.
    pub(super) fn lines(&self, span: &Span) -> (usize, usize) {
        let last = span.octets.end.max(span.octets.start + 1) - 1;
        (
            self.line(span.file, span.octets.start),
            self.line(span.file, last),
        )
    }

    /// `file:line`, or `file:line-line`, of a span; the file without its directories.
    pub(super) fn shown(&self, span: &Span) -> String {
        let name = self.name(span.file);
        let name = name.file_name().map_or(name.as_os_str(), |name| name);
        let (first, last) = self.lines(span);
        if first == last {
            format!("{}:{first}", name.to_string_lossy())
        } else {
            format!("{}:{first}-{last}", name.to_string_lossy())
        }
    }

    /// What is wrong at a span.
    pub(super) fn error(&self, span: &Span, message: impl Into<String>) -> ReadError {
        let text = self.text(span.file);
        let line = self.line(span.file, span.octets.start);
        let start = self
            .0
            .get(span.file)
            .and_then(|source| source.lines.get(line - 1).copied())
            .unwrap_or_default();
        let rest = text.get(start..).unwrap_or_default();
        let shown = rest.lines().next().unwrap_or_default();
        let before = text.get(start..span.octets.start).unwrap_or_default();
        ReadError {
            file: self.name(span.file).to_owned(),
            line,
            column: before.chars().count() + 1,
            text: shown.to_owned(),
            message: message.into(),
        }
    }
}

/// Why a text cannot be read as a configuration of OpenSIPS, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    file: PathBuf,
    line: usize,
    column: usize,
    text: String,
    message: String,
}

impl ReadError {
    /// The file: the one that was asked for or one that it includes.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More of a line than this says nothing to anybody.
        const SHOWN: usize = 160;
        let file = self.file.display();
        write!(f, "{file}:{}:{}: {}", self.line, self.column, self.message)?;
        let from = (self.column - 1).saturating_sub(SHOWN / 2);
        let visible = |c: char| {
            if c.is_control() && c != '\t' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        let shown: String = self
            .text
            .chars()
            .skip(from)
            .take(SHOWN)
            .map(visible)
            .collect();
        if shown.trim().is_empty() {
            return Ok(());
        }
        let indent: String = shown
            .chars()
            .take(self.column - 1 - from)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n  {shown}\n  {indent}^")
    }
}

impl std::error::Error for ReadError {}
