//! Reading a configuration of OpenSIPS and saying its HEP part as one of hepcat.
//!
//! ```text
//! opensips.cfg ─ lexer ─ reader, statement, expression ─► statements with their places
//!                                                            │
//!             listeners, hep_id, tls, parameters ◄───────────┤───────────► lua, lua_call, lua_expression, pattern
//!                        │                                                              │
//!                  hepcat.toml                                                     hepcat.lua
//! ```
//!
//! [`convert`] does no I/O of its own: what a file includes is asked of the caller. Every line of the HEP part either
//! has a counterpart in the result or stands there as a comment that says why it has none; `docs/convert.md` is the
//! whole list. The result passes `hepcat check`, as long as the certificates that it names are there.

mod destinations;
mod expression;
mod hep_id;
mod hep_table;
mod lexer;
mod listener_tables;
mod listeners;
mod lua;
mod lua_call;
mod lua_expression;
mod number;
mod parameters;
mod pattern;
mod reader;
mod source;
mod statement;
mod tally;
mod tls;
mod toml;
mod traces;
mod translate;

use std::{io, path::Path};

pub use source::ReadError;

/// How a script begins that a conversion wrote: such a file may be written again.
pub const SCRIPT_MARK: &str = lua::MARK;

/// A converted configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conversion {
    /// The configuration, TOML.
    pub toml: String,
    /// The script that it names, Lua; `None` where no route has to do with HEP.
    pub script: Option<String>,
    /// Lines of the source that have a counterpart.
    pub converted: usize,
    /// Lines of the HEP part that are comments now.
    pub commented: usize,
}

/// Converts `text`, the configuration `file`.
///
/// `script_name` is what the result calls the script. `load` reads the files that the text includes, whose paths are
/// given relative to the directory of `file`, as that is.
///
/// # Errors
/// The first place at which the text cannot be read as a configuration of OpenSIPS, or that it has no HEP part.
pub fn convert(
    file: &Path,
    text: String,
    script_name: &str,
    load: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Conversion, ReadError> {
    let reading = reader::read(file, text, load)?;
    translate::translate(&reading, script_name)
}

/// Body of the fuzz target: any octets are converted or refused, and what is converted is read by hepcat.
///
/// # Panics
/// When one of that does not hold.
#[doc(hidden)]
pub fn fuzz(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).into_owned();
    let absent = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    match convert(Path::new("opensips.cfg"), text, "hepcat.lua", &absent) {
        Ok(conversion) => assert!(
            conversion.toml.parse::<::toml::Table>().is_ok(),
            "no TOML: {}",
            conversion.toml
        ),
        Err(error) => assert!(error.line() > 0 && error.column() > 0, "{error:?}"),
    }
}
