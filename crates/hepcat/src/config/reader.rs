//! A typed reader over a parsed TOML document that goes on after a fault.
//!
//! serde stops at the first thing that is wrong; an operator wants all of it. Each getter returns `None` both
//! for a key that is absent and for one whose value is wrong, having noted the fault in the second case, so that
//! the caller goes on with its default. Keys nobody asked for are faults when the table ends.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::Display,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Fault, Mark, Marked, Secret, mark::Source, units};

/// One reading of one document: its faults so far.
pub(super) struct Reader {
    source: Arc<Source>,
    faults: RefCell<Vec<Fault>>,
    asked: RefCell<BTreeSet<String>>,
}

impl Reader {
    pub(super) fn new(text: &str, name: &Path) -> Self {
        Self {
            source: Arc::new(Source::new(name, text.to_owned())),
            faults: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// Reads the whole document with `read`.
    pub(super) fn read<R>(&self, text: &str, read: impl FnOnce(&Table<'_>) -> R) -> R {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let mark = Mark::new(&self.source, error.span().unwrap_or_default());
            let (message, remedy) = explain(error.message());
            self.fault(Fault::at_mark(&mark, message, remedy));
        }
        let guessed = self.guessed_lines();
        let root = Table {
            reader: self,
            path: String::new(),
            entries: document.get_ref(),
            mark: Mark::default(),
            asked: RefCell::default(),
        };
        let result = read(&root);
        root.refuse_unknown_keys();
        let syntax = errors.len();
        let mut index = 0;
        self.faults.borrow_mut().retain(|fault| {
            index += 1;
            let news = fault.line().is_some_and(|line| !guessed.contains(&line));
            syntax == 0 || index <= syntax || news
        });
        result
    }

    /// Lines of which the TOML parser only guessed the meaning, so that ours of it is no news: those with a fault
    /// in their syntax and, where such a line was to begin a table, all that would be in the table.
    fn guessed_lines(&self) -> BTreeSet<usize> {
        let broken: BTreeSet<_> = self
            .faults
            .borrow()
            .iter()
            .filter_map(Fault::line)
            .collect();
        let mut in_broken_table = false;
        let lines = self.source.text().lines().zip(1..);
        let guessed = lines.filter(|(text, number)| {
            let is_broken = broken.contains(number);
            if text.trim_start().starts_with('[') {
                in_broken_table = is_broken;
            }
            is_broken || in_broken_table
        });
        guessed.map(|(_, number)| number).collect()
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// The directory that relative paths start from.
    pub(super) fn directory(&self) -> &Path {
        self.source.name().parent().unwrap_or_else(|| Path::new(""))
    }

    pub(super) fn file_name(&self) -> &Path {
        self.source.name()
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// Every key that was asked for, with the path of its table: `listener.tls.cert`.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

/// The TOML parser's word for what is wrong, and ours for what to do.
fn explain(message: &str) -> (String, &'static str) {
    match message {
        "duplicate key" => (
            "this key or table was written before".to_owned(),
            "keep one of the two, or merge them",
        ),
        other => (
            format!("this is not TOML: {other}"),
            "see https://toml.io for how keys, strings and tables are written",
        ),
    }
}

/// One table of the document.
pub(super) struct Table<'r> {
    reader: &'r Reader,
    /// Names of the tables down to here, joined by dots; empty for the document.
    path: String,
    entries: &'r DeTable<'r>,
    mark: Mark,
    asked: RefCell<Vec<&'static str>>,
}

/// How a number without unit is taken where a duration is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// It is a fault.
    Refused,
    /// As milliseconds.
    Millis,
    /// As seconds.
    Seconds,
}

impl<'r> Table<'r> {
    /// Where the table begins.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(super) fn reader(&self) -> &'r Reader {
        self.reader
    }

    /// Notes a fault of a value in this table.
    pub(super) fn fault<T>(&self, value: &Marked<T>, message: impl Into<String>, remedy: &str) {
        self.reader.fault(Fault::at(value, message, remedy));
    }

    /// Whether the key is written, rightly or wrongly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether the key is written as `true` or `false`.
    pub(super) fn is_boolean(&self, key: &str) -> bool {
        let value = self.entries.get(key).map(Spanned::get_ref);
        matches!(value, Some(DeValue::Boolean(_)))
    }

    /// A string as it stands, without asking for it.
    pub(super) fn peek_text(&self, key: &str) -> Option<&str> {
        self.entries.get(key)?.get_ref().as_str()
    }

    /// Where a key that is written stands.
    pub(super) fn key_mark(&self, key: &str) -> Mark {
        match self.entries.get_key_value(key) {
            Some((written, _)) => Mark::new(&self.reader.source, written.span()),
            None => self.mark.clone(),
        }
    }

    /// Notes a fault when a key that must be there is not.
    pub(super) fn require(&self, key: &str, remedy: &str) {
        if !self.has(key) {
            let message = format!("`{key}` is missing in {}", self.title());
            let fault = Fault::at_mark(&self.mark, message, remedy);
            self.reader.fault(fault);
        }
    }

    /// A string of any content.
    pub(super) fn text(&self, key: &'static str) -> Option<Marked<String>> {
        let (value, mark) = self.take(key)?;
        match value {
            DeValue::String(text) => Some(Marked::new(text.clone().into_owned(), mark)),
            other => self.mistyped(key, other, &mark, "a string in quotes"),
        }
    }

    /// A path, taken from the configuration file's directory when it is relative.
    pub(super) fn path(&self, key: &'static str) -> Option<Marked<PathBuf>> {
        let text = self.text(key)?;
        if text.is_empty() {
            self.fault(
                &text,
                format!("`{key}` is empty"),
                "name a file, or remove the key",
            );
            return None;
        }
        Some(text.map(|text| self.reader.directory().join(text)))
    }

    /// The octets of a file that the key names.
    pub(super) fn secret(&self, key: &'static str) -> Option<Marked<Secret>> {
        let path = self.path(key)?;
        match Secret::read(&path) {
            Ok(secret) => Some(path.map(|_| secret)),
            Err(error) => {
                let message = format!("cannot use `{}`: {error}", path.display());
                let remedy = "write the secret into a file that the user running hepcat can read";
                self.fault(&path, message, remedy);
                None
            }
        }
    }

    /// A true or false.
    pub(super) fn flag(&self, key: &'static str) -> Option<Marked<bool>> {
        let (value, mark) = self.take(key)?;
        match value {
            DeValue::Boolean(flag) => Some(Marked::new(*flag, mark)),
            other => self.mistyped(key, other, &mark, "true or false"),
        }
    }

    /// An OpenSIPS switch: 0 or 1; `true` and `false` do as well.
    pub(super) fn switch(&self, key: &'static str) -> Option<Marked<bool>> {
        Some(self.bool_or_integer(key, 0..=1)?.map(|number| number == 1))
    }

    /// A whole number within `range`; `false` and `true` are 0 and 1.
    pub(super) fn bool_or_integer(
        &self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Marked<i64>> {
        if self.is_boolean(key) {
            return Some(self.flag(key)?.map(i64::from));
        }
        self.integer(key, range)
    }

    /// A whole number within `range`.
    pub(super) fn integer(
        &self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Marked<i64>> {
        let (value, mark) = self.take(key)?;
        let (low, high) = range.clone().into_inner();
        let expected = format!("a whole number from {low} to {high}");
        let DeValue::Integer(written) = value else {
            return self.mistyped(key, value, &mark, &expected);
        };
        let number = i64::from_str_radix(written.as_str(), written.radix()).ok();
        match number.filter(|number| range.contains(number)) {
            Some(number) => Some(Marked::new(number, mark)),
            None => self.out_of_range(key, written, &mark, &expected),
        }
    }

    /// A whole number within `range`, as the narrower type that holds it.
    pub(super) fn number<T: TryFrom<i64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Marked<T>> {
        let number = self.integer(key, range)?;
        let mark = number.mark().clone();
        Some(Marked::new(T::try_from(number.into_inner()).ok()?, mark))
    }

    /// A typed duration within `range`; a number alone is taken as `bare` says.
    pub(super) fn duration(
        &self,
        key: &'static str,
        bare: Bare,
        range: RangeInclusive<Duration>,
    ) -> Option<Marked<Duration>> {
        let (value, mark) = self.take(key)?;
        let (low, high) = (units::show(*range.start()), units::show(*range.end()));
        let typed = format!("a duration from \"{low}\" to \"{high}\", such as \"100ms\" or \"5s\"");
        let expected = match bare {
            Bare::Refused => typed,
            Bare::Millis => format!("{typed}, or that many milliseconds"),
            Bare::Seconds => format!("{typed}, or that many seconds"),
        };
        let duration = match (value, bare) {
            (DeValue::String(text), _) => match units::duration(text) {
                Ok(duration) => duration,
                Err(what) => {
                    let message = format!("`{key}`: {what}");
                    let fault = Fault::at_mark(&mark, message, format!("write {expected}"));
                    self.reader.fault(fault);
                    return None;
                }
            },
            (DeValue::Integer(written), Bare::Millis | Bare::Seconds) => {
                let Ok(number) = u64::from_str_radix(written.as_str(), written.radix()) else {
                    return self.out_of_range(key, written, &mark, &expected);
                };
                match bare {
                    Bare::Seconds => Duration::from_secs(number),
                    Bare::Millis | Bare::Refused => Duration::from_millis(number),
                }
            }
            (other, _) => return self.mistyped(key, other, &mark, &expected),
        };
        if range.contains(&duration) {
            Some(Marked::new(duration, mark))
        } else {
            self.out_of_range(key, units::show(duration), &mark, &expected)
        }
    }

    /// A typed size within `range`.
    pub(super) fn size(
        &self,
        key: &'static str,
        range: RangeInclusive<ByteSize>,
    ) -> Option<Marked<ByteSize>> {
        let (value, mark) = self.take(key)?;
        let (low, high) = (range.start(), range.end());
        let expected = format!("a size from \"{low}\" to \"{high}\", such as \"64KiB\"");
        let DeValue::String(text) = value else {
            return self.mistyped(key, value, &mark, &expected);
        };
        match units::size(text) {
            Ok(size) if range.contains(&size) => Some(Marked::new(size, mark)),
            Ok(size) => self.out_of_range(key, size, &mark, &expected),
            Err(what) => {
                let message = format!("`{key}`: {what}");
                let fault = Fault::at_mark(&mark, message, format!("write {expected}"));
                self.reader.fault(fault);
                None
            }
        }
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<Marked<T>> {
        let word = self.text(key)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word.as_str()) {
            return Some(word.map(|_| *choice));
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let remedy = match closest(&word, names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("write one of \"{}\"", names.join("\", \"")),
        };
        self.fault(&word, format!("`{key}` cannot be \"{}\"", *word), &remedy);
        None
    }

    /// Strings: a single one, or an array of them.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<Marked<String>>> {
        const EXPECTED: &str = "an array of strings";
        let (value, mark) = self.take(key)?;
        let items = match value {
            DeValue::String(text) => {
                return Some(vec![Marked::new(text.clone().into_owned(), mark)]);
            }
            DeValue::Array(items) => items,
            other => return self.mistyped(key, other, &mark, EXPECTED),
        };
        let texts = items.iter().filter_map(|item| {
            let mark = Mark::new(&self.reader.source, item.span());
            match item.get_ref() {
                DeValue::String(text) => Some(Marked::new(text.clone().into_owned(), mark)),
                other => self.mistyped(key, other, &mark, EXPECTED),
            }
        });
        Some(texts.collect())
    }

    /// An array of strings and tables, each read by `of_text` or `of_table`; `None` when it is absent.
    pub(super) fn texts_or_tables<R>(
        &self,
        key: &'static str,
        mut of_text: impl FnMut(Marked<String>) -> R,
        mut of_table: impl FnMut(&Table<'_>) -> R,
    ) -> Option<Vec<R>> {
        const EXPECTED: &str = "an array of names, or of tables with a name: [{ name = \"…\" }]";
        let (value, mark) = self.take(key)?;
        let DeValue::Array(items) = value else {
            return self.mistyped(key, value, &mark, EXPECTED);
        };
        let read = items.iter().filter_map(|item| {
            let mark = Mark::new(&self.reader.source, item.span());
            match item.get_ref() {
                DeValue::String(text) => {
                    Some(of_text(Marked::new(text.clone().into_owned(), mark)))
                }
                DeValue::Table(entries) => Some(self.enter(key, entries, mark, &mut of_table)),
                other => self.mistyped(key, other, &mark, EXPECTED),
            }
        });
        Some(read.collect())
    }

    /// A table within this one, read by `read`; `None` when it is absent.
    pub(super) fn table<R>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Table<'_>) -> R,
    ) -> Option<R> {
        let (value, mark) = self.take(key)?;
        match value {
            DeValue::Table(entries) => Some(self.enter(key, entries, mark, read)),
            other => {
                let example = if self.path.is_empty() {
                    format!("a table: [{key}]")
                } else {
                    "a table in braces".to_owned()
                };
                self.mistyped(key, other, &mark, &example)
            }
        }
    }

    /// An array of tables within this one, each read by `read`; empty when it is absent.
    pub(super) fn tables<R>(
        &self,
        key: &'static str,
        mut read: impl FnMut(&Table<'_>) -> R,
    ) -> Vec<R> {
        let Some((value, mark)) = self.take(key) else {
            return Vec::new();
        };
        let expected = if self.path.is_empty() {
            format!("a list of tables: [[{key}]]")
        } else {
            "an array of tables: [{ … }, { … }]".to_owned()
        };
        let DeValue::Array(items) = value else {
            self.mistyped::<()>(key, value, &mark, &expected);
            return Vec::new();
        };
        let read = items.iter().filter_map(|item| {
            let mark = Mark::new(&self.reader.source, item.span());
            match item.get_ref() {
                DeValue::Table(entries) => Some(self.enter(key, entries, mark, &mut read)),
                other => self.mistyped(key, other, &mark, &expected),
            }
        });
        read.collect()
    }

    fn enter<R>(
        &self,
        key: &str,
        entries: &DeTable<'_>,
        mark: Mark,
        read: impl FnOnce(&Table<'_>) -> R,
    ) -> R {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        let table = Table {
            reader: self.reader,
            path,
            entries,
            mark,
            asked: RefCell::default(),
        };
        let result = read(&table);
        table.refuse_unknown_keys();
        result
    }

    fn refuse_unknown_keys(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries.iter() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let mark = Mark::new(&self.reader.source, key.span());
            let what = if self.path.is_empty() { "table" } else { "key" };
            let message = format!("unknown {what} `{name}` in {}", self.title());
            let remedy = match closest(name, asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            self.reader.fault(Fault::at_mark(&mark, message, remedy));
        }
    }

    fn title(&self) -> String {
        match self.path.as_str() {
            "" => "the configuration".to_owned(),
            path => format!("[{path}]"),
        }
    }

    fn take(&self, key: &'static str) -> Option<(&'r DeValue<'r>, Mark)> {
        self.asked.borrow_mut().push(key);
        let full = format!("{}.{key}", self.path);
        self.reader.asked.borrow_mut().insert(full);
        let value = self.entries.get(key)?;
        let mark = Mark::new(&self.reader.source, value.span());
        Some((value.get_ref(), mark))
    }

    fn mistyped<T>(
        &self,
        key: &str,
        value: &DeValue<'_>,
        mark: &Mark,
        expected: &str,
    ) -> Option<T> {
        let kind = value.type_str();
        let article = if kind.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        let fault = Fault::at_mark(
            mark,
            format!("`{key}` is {article} {kind}"),
            format!("write {expected}"),
        );
        self.reader.fault(fault);
        None
    }

    fn out_of_range<T>(
        &self,
        key: &str,
        value: impl Display,
        mark: &Mark,
        expected: &str,
    ) -> Option<T> {
        let message = format!("`{key}` is out of range at {value}");
        let fault = Fault::at_mark(mark, message, format!("write {expected}"));
        self.reader.fault(fault);
        None
    }
}

/// The known word that was probably meant.
pub(super) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .map(|name| (strsim::osa_distance(&word, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
