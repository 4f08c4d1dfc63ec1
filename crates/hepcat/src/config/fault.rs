//! What is wrong with a configuration, and how it is shown.

use std::{
    fmt::{self, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};

use super::{Mark, Marked};

/// One thing that is wrong: where, what, and what to do about it.
#[derive(Debug, Clone)]
pub struct Fault {
    mark: Mark,
    /// Set where there is a file but no place in it.
    file: Option<PathBuf>,
    message: String,
    remedy: String,
}

impl Fault {
    /// A fault of a value that stands in the configuration.
    ///
    /// `message` says what was wrong with what, in lower case and without a full stop; `remedy` says what to
    /// write or do instead.
    pub fn at<T>(value: &Marked<T>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::at_mark(value.mark(), message, remedy)
    }

    pub(crate) fn at_mark(
        mark: &Mark,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            mark: mark.clone(),
            file: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A fault of a part of a text that stands in the configuration; `part` counts its octets.
    pub(crate) fn within(
        value: &Marked<String>,
        part: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::at_mark(&value.mark().within_string(part), message, remedy)
    }

    /// A fault of a whole file.
    pub fn of_file(file: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            mark: Mark::default(),
            file: Some(file.to_owned()),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The file that is at fault; `None` for a value that is built in.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        let marked = self.mark.place.as_ref().map(|(source, _)| source.name());
        marked.or(self.file.as_deref())
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.mark.line()
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        let (source, span) = self.mark.place.as_ref()?;
        Some(source.column(span.start))
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// The order in which faults are shown: by file and place, those of no file last.
    fn order(&self) -> (bool, Option<&Path>, usize) {
        let file = self.file();
        (file.is_none(), file, self.offset())
    }

    /// Octet at which the fault begins; those of no place come last.
    fn offset(&self) -> usize {
        let place = self.mark.place.as_ref();
        place.map_or(usize::MAX, |(_, span)| span.start)
    }

    /// The report with colours, for a terminal.
    fn render(&self, out: &mut String) -> fmt::Result {
        const RED: Style = AnsiColor::Red.on_default().bold();
        const BLUE: Style = AnsiColor::Blue.on_default().bold();
        const BOLD: Style = Style::new().bold();

        writeln!(out, "{RED}error{RED:#}{BOLD}: {}{BOLD:#}", self.message)?;
        let mut gutter = 1;
        if let Some((source, span)) = &self.mark.place {
            let line = source.line(span.start);
            gutter = line.to_string().len() + 1;
            let column = source.column(span.start);
            let arrow = gutter + 2;
            let name = source.name().display();
            writeln!(
                out,
                "{BLUE}{:>arrow$}{BLUE:#} {name}:{line}:{column}",
                "-->"
            )?;
            let range = source.line_range(line);
            let text = source.text();
            let shown = text.get(range.clone()).unwrap_or_default();
            let before = text.get(range.start..span.start.min(range.end));
            let marked = text.get(span.start.min(range.end)..span.end.min(range.end));
            // Tabs are copied, so that the carets stand under what they mean however wide a tab is.
            let indent: String = before
                .unwrap_or_default()
                .chars()
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let carets = "^".repeat(marked.unwrap_or_default().chars().count().max(1));
            writeln!(out, "{BLUE}{:gutter$}|{BLUE:#}", "")?;
            let shown = without_secrets(&printable(shown));
            writeln!(out, "{BLUE}{line:<gutter$}|{BLUE:#} {shown}")?;
            writeln!(
                out,
                "{BLUE}{:gutter$}|{BLUE:#} {indent}{RED}{carets}{RED:#}",
                ""
            )?;
        } else if let Some(file) = &self.file {
            writeln!(out, "{BLUE} -->{BLUE:#} {}", file.display())?;
        }
        writeln!(
            out,
            "{BLUE}{:gutter$}={BLUE:#} {BOLD}help{BOLD:#}: {}",
            "", self.remedy
        )
    }
}

/// A line whose keys in place (`secret = "…"`) are asterisks, as many as they had characters.
fn without_secrets(line: &str) -> String {
    const KEY: &str = "secret";
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(KEY) {
        out.push_str(before);
        out.push_str(KEY);
        let unquoted = after.trim_start_matches(['"', '\'']);
        let value = unquoted.trim_start().strip_prefix('=').map(str::trim_start);
        let opening = value.and_then(|value| value.chars().next());
        let (Some(value), Some(quote @ ('"' | '\''))) = (value, opening) else {
            rest = after;
            continue;
        };
        let inside = value.strip_prefix(quote).unwrap_or(value);
        out.push_str(after.strip_suffix(inside).unwrap_or_default());
        // An escaped quote hides a little more than there is: better than a little less.
        let length = inside.rfind(quote).unwrap_or(inside.len());
        let (hidden, after) = inside.split_at(length);
        out.extend(hidden.chars().map(|_| '*'));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A line as a terminal may have it: control characters of the file are not passed on.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' => '\t',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut styled = String::new();
        self.render(&mut styled)?;
        write!(f, "{}", anstream::adapter::strip_str(&styled))
    }
}

/// Everything that is wrong with a configuration, in the order of the file. Never empty.
#[derive(Debug, Clone)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `Err` when there are any faults.
    ///
    /// # Errors
    /// All of `faults`, sorted by their place.
    pub fn check(mut faults: Vec<Fault>) -> Result<(), Self> {
        // Faults of a script stand together, not among those of the configuration.
        faults.sort_by(|a, b| a.order().cmp(&b.order()));
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self(faults))
        }
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// The report with ANSI colours; print it through `anstream`, which takes them out where they do not belong.
    #[must_use]
    pub fn styled(&self) -> String {
        let mut out = String::new();
        for fault in &self.0 {
            // Writing to a `String` does not fail.
            if fault.render(&mut out).is_ok() {
                out.push('\n');
            }
        }
        out.push_str(&self.summary());
        out
    }

    fn summary(&self) -> String {
        match self.len() {
            1 => "1 fault in the configuration\n".to_owned(),
            n => format!("{n} faults in the configuration\n"),
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", anstream::adapter::strip_str(&self.styled()))
    }
}

impl std::error::Error for Faults {}
