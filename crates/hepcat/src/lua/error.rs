//! What can be wrong with a script, before it runs and while it does.

use std::fmt;

/// Why a script was stopped: a fixed label for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorReason {
    /// It raised an error, its own or one of Lua's.
    Runtime,
    /// It called a function of hepcat with something that the function cannot take.
    Argument,
    /// It executed too many instructions.
    Instructions,
    /// It took too long.
    Deadline,
    /// It wanted too much memory.
    Memory,
}

impl ErrorReason {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Runtime,
        Self::Argument,
        Self::Instructions,
        Self::Deadline,
        Self::Memory,
    ];

    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Argument => "argument",
            Self::Instructions => "instructions",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
        }
    }
}

/// Why a script did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScriptError {
    reason: ErrorReason,
    line: Option<u32>,
    message: String,
}

impl ScriptError {
    pub(super) fn new(reason: ErrorReason, line: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            reason,
            line,
            message: message.into(),
        }
    }

    /// The kind of error.
    #[must_use]
    pub const fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// Line of the script, from 1, where it is known.
    #[must_use]
    pub const fn line(&self) -> Option<u32> {
        self.line
    }

    /// What went wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// One thing that is wrong with the text of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFault {
    line: u32,
    column: u32,
    message: String,
}

impl ScriptFault {
    pub(super) fn new(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
        }
    }

    /// Line, from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }

    /// Column in characters, from 1; 1 also where only the line is known.
    #[must_use]
    pub const fn column(&self) -> u32 {
        self.column
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Everything that is wrong with the text of a script, in the order of the text. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScriptFaults {
    name: String,
    faults: Vec<ScriptFault>,
}

impl ScriptFaults {
    /// `Ok` where `faults` is empty.
    pub(super) fn check(name: &str, mut faults: Vec<ScriptFault>) -> Result<(), Self> {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if faults.is_empty() {
            return Ok(());
        }
        let name = name.to_owned();
        Err(Self { name, faults })
    }

    /// Name of the script, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, ScriptFault> {
        self.faults.iter()
    }
}

impl<'a> IntoIterator for &'a ScriptFaults {
    type Item = &'a ScriptFault;
    type IntoIter = std::slice::Iter<'a, ScriptFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ScriptFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let ScriptFault {
                line,
                column,
                message,
            } = fault;
            write!(f, "{}:{line}:{column}: {message}", self.name)?;
        }
        Ok(())
    }
}
