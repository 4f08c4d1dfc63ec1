//! Queries and times as words of the command line.

use jiff::{Timestamp, Zoned};

/// A time as queries have it, in the zone of whoever writes it; of a day, its beginning.
pub(super) fn time(text: &str) -> Result<Timestamp, &'static str> {
    crate::query::beginning_of(text, &Zoned::now())
}

/// A word that was meant as an option. A query may begin with `-`, so everything from its first word on belongs to it:
/// an option that is misspelt or comes too late must not become a filter.
pub(super) fn misplaced_option(words: &[String]) -> Option<&str> {
    let words = words.iter().map(String::as_str);
    words.into_iter().find(|word| {
        word.starts_with("--")
            || matches!(word.as_bytes(), [b'-', letter] if letter.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_behind_a_query_are_no_filters() {
        let misplaced = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            misplaced_option(&words).map(str::to_owned)
        };
        assert_eq!(misplaced(&["user:alice", "-n", "5"]).as_deref(), Some("-n"));
        assert_eq!(misplaced(&["busy", "--json"]).as_deref(), Some("--json"));
        for fine in [
            &["-method:OPTIONS"][..],
            &["user:a", "-ua:x"],
            &["-\"n\""],
            &["-", "5"],
            &[],
        ] {
            assert_eq!(misplaced(fine), None, "{fine:?}");
        }
    }
}
