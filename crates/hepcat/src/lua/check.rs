//! What can be said about a script without running it.

use super::{error::ScriptFault, names::ScriptNames};

/// Faults of names that stand in the script literally.
pub(super) fn literals(_source: &str, _names: &ScriptNames) -> Vec<ScriptFault> {
    Vec::new()
}
