//! A call as its row keeps it: what follows from the legs is left out, and what is nothing.

use serde::{Deserialize, Serialize};

use super::{
    compose::compose,
    correlation::Link,
    record::{CallId, CallRecord, Closed, LegRecord},
};

/// What does not follow from anything else.
#[derive(Serialize)]
struct Short<'c> {
    id: CallId,
    legs: &'c [LegRecord],
    links: &'c [Link],
    closed: Option<Closed>,
}

/// The same, read: of a record that was written whole, the rest is passed over.
#[derive(Deserialize)]
struct Read {
    id: CallId,
    legs: Vec<LegRecord>,
    #[serde(default)]
    links: Vec<Link>,
    closed: Option<Closed>,
}

impl CallRecord {
    /// Adds its shortest form to `to`: JSON with its id, legs and links and why it was closed, without members that are
    /// null or an empty array. `scratch` is room to work in.
    ///
    /// # Errors
    /// Never, as far as anybody knows: it is plain data.
    pub fn shorten(&self, to: &mut Vec<u8>, scratch: &mut Vec<u8>) -> serde_json::Result<()> {
        scratch.clear();
        let short = Short {
            id: self.id,
            legs: &self.legs,
            links: &self.links,
            closed: self.closed,
        };
        serde_json::to_writer(&mut *scratch, &short)?;
        add_without_nothing(scratch, to);
        Ok(())
    }

    /// The call that [`Self::shorten`] wrote, or that was written whole.
    ///
    /// # Errors
    /// When it is neither.
    pub fn lengthen(json: &[u8]) -> serde_json::Result<Self> {
        let Read {
            id,
            legs,
            links,
            closed,
        } = serde_json::from_slice(json)?;
        Ok(compose(id, legs, links, closed))
    }
}

/// Adds `json` to `to` without members that are `null` or `[]`. Names of members must have no quotation marks and no
/// backslashes in them, as is so for those of types.
fn add_without_nothing(json: &[u8], to: &mut Vec<u8>) {
    let mut rest = json;
    // A quotation mark before a colon ends a name: in a text it would have a backslash, and no text is followed by a
    // colon.
    while let Some(at) = memchr::memmem::find(rest, b"\":") {
        let (before, value) = rest.split_at(at);
        let is_name = !before.ends_with(b"\\");
        let value = value.get(2..).unwrap_or_default();
        let nothing = [&b"null"[..], b"[]"]
            .into_iter()
            .find(|nothing| value.starts_with(nothing));
        let (Some(nothing), true) = (nothing, is_name) else {
            to.extend_from_slice(before);
            to.extend_from_slice(b"\":");
            rest = value;
            continue;
        };
        let start = memchr::memrchr(b'"', before).unwrap_or(before.len());
        to.extend_from_slice(before.get(..start).unwrap_or_default());
        rest = value.get(nothing.len()..).unwrap_or_default();
        match rest.strip_prefix(b",") {
            Some(after) => rest = after,
            None if to.last() == Some(&b',') => {
                to.pop();
            }
            None => {}
        }
    }
    to.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_nothing(json: &str) -> String {
        let mut short = Vec::new();
        add_without_nothing(json.as_bytes(), &mut short);
        String::from_utf8(short).unwrap()
    }

    #[test]
    fn members_that_are_nothing_go_and_texts_stay() {
        for (whole, short) in [
            (r#"{"a":null,"b":1,"c":[],"d":null}"#, r#"{"b":1}"#),
            (r#"{"a":null}"#, "{}"),
            (
                r#"{"a":{"b":null},"c":[{"d":[]},{"e":2}]}"#,
                r#"{"a":{},"c":[{},{"e":2}]}"#,
            ),
            (
                r#"{"a":"\":null,","b":"\\","c":null}"#,
                r#"{"a":"\":null,","b":"\\"}"#,
            ),
            (
                r#"{"a":"x:null","b":"[]","c":[null]}"#,
                r#"{"a":"x:null","b":"[]","c":[null]}"#,
            ),
            (r#"{"a":[],"b":[1],"c":"null"}"#, r#"{"b":[1],"c":"null"}"#),
            ("[]", "[]"),
            ("", ""),
        ] {
            assert_eq!(without_nothing(whole), short, "{whole}");
        }
    }
}
