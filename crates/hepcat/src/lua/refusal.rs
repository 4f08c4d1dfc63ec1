//! How functions of hepcat refuse what they are given.

/// A function cannot do what it was asked to. The text names the function first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

/// Makes errors of refusals that do not name their function yet.
pub(super) trait OrRefuse<T> {
    /// The value, or an error of Lua: `function: what is wrong`.
    fn or_refuse(self, function: &str) -> mlua::Result<T>;
}

impl<T, E: std::fmt::Display> OrRefuse<T> for Result<T, E> {
    fn or_refuse(self, function: &str) -> mlua::Result<T> {
        self.map_err(|what| refuse(function, what))
    }
}

/// An error of Lua: `function: what is wrong`.
pub(super) fn refuse(function: &str, what: impl std::fmt::Display) -> mlua::Error {
    mlua::Error::external(Refusal(format!("{function}: {what}")))
}
