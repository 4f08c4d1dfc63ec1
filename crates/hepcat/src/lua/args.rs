//! Arguments of functions: in their order, or by name in one table.

use mlua::{Table, Value, Variadic};

use super::{
    chunk_value::text_of,
    names::suggestion,
    refusal::{OrRefuse, refuse},
};

/// What a function was called with.
#[derive(Debug)]
pub(super) struct Args {
    function: &'static str,
    names: &'static [&'static str],
    values: Vec<Value>,
}

impl Args {
    /// The arguments `names` of `function`: `f(a, b)` or `f{name = a, other = b}`.
    ///
    /// # Errors
    /// Names that the function does not have, and too many values.
    pub(super) fn new(
        function: &'static str,
        names: &'static [&'static str],
        mut given: Variadic<Value>,
    ) -> mlua::Result<Self> {
        let values = match given.as_slice() {
            [Value::Table(table)] => by_name(function, names, table)?,
            _ => {
                if given.len() > names.len() {
                    let most = names.len();
                    return Err(refuse(
                        function,
                        format!("{} arguments, {most} at most", given.len()),
                    ));
                }
                given.split_off(0)
            }
        };
        Ok(Self {
            function,
            names,
            values,
        })
    }

    /// An argument; `None` where it is missing or nil.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.values.get(index).filter(|value| !value.is_nil())
    }

    /// A text of UTF-8.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn text(&self, name: &str) -> mlua::Result<Option<String>> {
        let text = self.value(name).map(text_of).transpose();
        text.map_err(|what| refuse(self.function, format!("{name}: {what}")))
    }

    /// A text that may not be missing.
    ///
    /// # Errors
    /// Where it is missing or no text.
    pub(super) fn required_text(&self, name: &str) -> mlua::Result<String> {
        self.text(name)?
            .ok_or_else(|| format!("{name} is missing"))
            .or_refuse(self.function)
    }
}

fn by_name(
    function: &'static str,
    names: &'static [&'static str],
    table: &Table,
) -> mlua::Result<Vec<Value>> {
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        let key = text_of(&key).or_refuse(function)?;
        if !names.contains(&key.as_str()) {
            let near = suggestion(&key, names);
            return Err(refuse(
                function,
                format!("no argument \"{}\"{near}", key.escape_default()),
            ));
        }
    }
    names.iter().map(|name| table.raw_get(*name)).collect()
}
