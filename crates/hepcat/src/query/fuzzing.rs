//! Body of the fuzz target `query`, kept here so that plain tests run it too.

use super::{Field, Query, Scope, Subject, Value};

/// Whatever the text, parsing ends without panic; what was read is written in the form that reads back to the same,
/// and can be asked of anything; what was refused can be shown.
///
/// # Panics
/// When one of those does not hold.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    for (scope, is_asked_once) in [
        (Scope::Message, false),
        (Scope::Stored, true),
        (Scope::Call, false),
        (Scope::Call, true),
    ] {
        let query = if is_asked_once {
            Query::parse_at(scope, &text, &now)
        } else {
            Query::parse_in(scope, &text)
        };
        match query {
            Ok(query) => {
                let written = query.to_string();
                let again = Query::parse_in(scope, &written);
                assert_eq!(again.as_ref(), Ok(&query), "{written}");
                let opposite = Query::parse_in(scope, &format!("NOT ({written})"));
                if let Ok(opposite) = opposite {
                    let subject = Octets(data);
                    assert_ne!(query.matches(&subject), opposite.matches(&subject));
                }
            }
            Err(error) => {
                let span = error.span();
                assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
                assert!(error.render(&text).contains(&error.to_string()));
            }
        }
    }
}

/// A subject whose every text is the same.
struct Octets<'a>(&'a [u8]);

impl Subject for Octets<'_> {
    fn any(&self, _: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        fits(Value::Text(self.0))
    }
}
