//! Reading what HOMER 6 wraps: `{"payload": "INVITE …"}`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The captured text inside a payload of HOMER 6, unescaped: the value of `payload`, where the octets are a JSON object
/// that has one. `None` for everything else, decided at the first octet where that is no `{`.
///
/// Receives what senders really write: octets that are no UTF-8, zero octets behind the object, and an object that
/// breaks off inside the text (a sender whose length field wrapped), of which what is there is returned.
///
/// ```
/// use hepcat_net::trace::unwrap_homer6;
/// assert_eq!(unwrap_homer6(b"{\n\t\"payload\":\t\"BYE sip:a SIP/2.0\\r\\n\"\n}").as_deref(), Some(&b"BYE sip:a SIP/2.0\r\n"[..]));
/// assert_eq!(unwrap_homer6(b"BYE sip:a SIP/2.0\r\n"), None);
/// ```
#[must_use]
pub fn unwrap_homer6(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.first() != Some(&b'{') {
        return None;
    }
    let payload = hepcat_wire::trim_nul(payload);
    let mut found = None;
    match read(payload, &mut found) {
        Ok(()) => found,
        // It breaks off behind the text, or inside it.
        Err(error) if error.is_eof() => found.or_else(|| {
            let mut found = None;
            read(&closed(payload), &mut found).ok()?;
            found
        }),
        Err(_) => None,
    }
}

fn read(text: &[u8], found: &mut Option<Vec<u8>>) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.deserialize_map(Entries(found))?;
    reader.end()
}

/// A text that broke off inside its last value, mended: an escape that is not whole goes.
fn closed(cut: &[u8]) -> Vec<u8> {
    /// `\u` and four digits, less one octet.
    const LONGEST_HALF_ESCAPE: usize = 5;
    let from = cut.len().saturating_sub(LONGEST_HALF_ESCAPE);
    let tail = cut.get(from..).unwrap_or_default();
    let end = match tail.iter().rposition(|octet| *octet == b'\\') {
        Some(at) if !is_whole_escape(cut, from + at) => from + at,
        _ => cut.len(),
    };
    let mut mended = cut.get(..end).unwrap_or_default().to_vec();
    mended.extend_from_slice(b"\"}");
    mended
}

/// Whether the backslash at `at`, the last of the text, ends an escape or begins one that is whole.
fn is_whole_escape(cut: &[u8], at: usize) -> bool {
    let before = cut.get(..at).unwrap_or_default();
    let run = before
        .iter()
        .rev()
        .take_while(|octet| **octet == b'\\')
        .count();
    let escaped = cut.get(at + 1..).unwrap_or_default();
    // Behind an odd run this backslash is itself what was escaped.
    run % 2 == 1 || !(escaped.is_empty() || escaped.first() == Some(&b'u') && escaped.len() < 5)
}

/// The entries of the object, of which one counts.
struct Entries<'f>(&'f mut Option<Vec<u8>>);

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while let Some(name) = entries.next_key_seed(Text)? {
            if name == b"payload" {
                *self.0 = Some(entries.next_value_seed(Text)?);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A text as octets, so that it need not be UTF-8.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Text {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Self::Value, E> {
        Ok(octets.to_vec())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.as_bytes().to_vec())
    }
}
