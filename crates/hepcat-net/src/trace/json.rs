//! The JSON objects of HOMER 6: payload parts and extra correlations.

use serde_json::{Map, Value};

use super::{PackError, request::Part};

/// A JSON object of texts, in the order given. Octets that are no UTF-8 become U+FFFD.
pub(super) fn object(pairs: &[Part<'_>]) -> Result<Vec<u8>, PackError> {
    let mut object = Map::with_capacity(pairs.len());
    for (name, value) in pairs {
        let text = String::from_utf8_lossy(value).into_owned();
        if object
            .insert(name.to_string(), Value::String(text))
            .is_some()
        {
            return Err(PackError::RepeatedName {
                name: name.to_string(),
            });
        }
    }
    Ok(Value::Object(object).to_string().into_bytes())
}

/// The object as OpenSIPS prints it: a line for each entry, tabulators, names that may repeat, texts that end at a
/// NUL, and octets that are no UTF-8 as they are, which then is no JSON.
pub(super) fn opensips_object(pairs: &[Part<'_>]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (position, (name, value)) in pairs.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b"\n\t" } else { b",\n\t" });
        push_text(&mut out, name.as_bytes());
        out.extend_from_slice(b":\t");
        push_text(&mut out, value);
    }
    out.extend_from_slice(b"\n}");
    out
}

fn push_text(out: &mut Vec<u8>, octets: &[u8]) {
    let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    out.push(b'"');
    for piece in text.utf8_chunks() {
        // Escaped by the library, and then without the quotes that it puts around.
        let quoted = Value::from(piece.valid()).to_string();
        let escaped = quoted.as_bytes();
        out.extend_from_slice(escaped.get(1..escaped.len() - 1).unwrap_or_default());
        out.extend_from_slice(piece.invalid());
    }
    out.push(b'"');
}
