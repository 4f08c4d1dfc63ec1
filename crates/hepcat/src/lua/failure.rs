//! What Lua says went wrong, as an error of ours: kind, line, message.

use super::{
    error::{ErrorReason, ScriptError},
    guard::Guard,
    refusal::Refusal,
    vm::CHUNK_NAME,
};

/// The error that a run ended in.
pub(super) fn of(error: &mlua::Error, guard: &Guard) -> ScriptError {
    if let Some(reason) = guard.stopped() {
        return stopped(reason, guard);
    }
    let reason = reason_of(error);
    let mut told = String::new();
    let mut line = None;
    let mut cause = error;
    loop {
        match cause {
            mlua::Error::CallbackError {
                traceback,
                cause: inner,
            } => {
                line = line.or_else(|| line_in_traceback(traceback));
                cause = inner;
            }
            mlua::Error::WithContext { cause: inner, .. } => cause = inner,
            mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => {
                told.push_str(text);
                break;
            }
            mlua::Error::SyntaxError { message, .. } => {
                told.push_str(message);
                break;
            }
            other => {
                told = other.to_string();
                break;
            }
        }
    }
    let (message, traceback) = match told.split_once("\nstack traceback:") {
        Some((message, traceback)) => (message, traceback),
        None => (told.as_str(), ""),
    };
    let (placed, message) = match split_place(message) {
        Some((line, message)) => (Some(line), message),
        None => (None, message),
    };
    let line = placed.or(line).or_else(|| line_in_traceback(traceback));
    ScriptError::new(reason, line, message.trim_end())
}

/// A limit was passed, whatever the script made of the error.
pub(super) fn stopped(reason: ErrorReason, guard: &Guard) -> ScriptError {
    let message = match reason {
        ErrorReason::Instructions => {
            "the script was stopped: too many instructions for one message"
        }
        _ => "the script was stopped: too much time for one message",
    };
    ScriptError::new(reason, guard.line(), message)
}

fn reason_of(error: &mlua::Error) -> ErrorReason {
    use mlua::Error;
    match error {
        Error::MemoryError(_) => ErrorReason::Memory,
        Error::BadArgument { .. } | Error::FromLuaConversionError { .. } => ErrorReason::Argument,
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => reason_of(cause),
        Error::ExternalError(_) if error.downcast_ref::<Refusal>().is_some() => {
            ErrorReason::Argument
        }
        // Lua's own functions tell of a lack of memory in words.
        Error::RuntimeError(text) if text.contains("not enough memory") => ErrorReason::Memory,
        _ => ErrorReason::Runtime,
    }
}

/// `script:12: what` as 12 and `what`.
pub(super) fn split_place(message: &str) -> Option<(u32, &str)> {
    let rest = message.strip_prefix(CHUNK_NAME)?.strip_prefix(':')?;
    let (line, message) = rest.split_once(':')?;
    Some((line.parse().ok()?, message.trim_start()))
}

/// The innermost line of the script in a traceback.
fn line_in_traceback(traceback: &str) -> Option<u32> {
    traceback
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix(CHUNK_NAME)?
                .strip_prefix(':')
        })
        .find_map(|rest| rest.split(':').next()?.parse().ok())
}
