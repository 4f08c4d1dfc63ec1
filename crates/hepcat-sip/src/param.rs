//! `;name=value` parameters, and text that minds quotation marks.

use memchr::{memchr2, memchr3};

use crate::line::trim;

/// The value of the parameter `name` (any case) in `params`, which starts at or before its first semicolon. A
/// parameter without a value, or with an empty one, counts as absent; quotation marks are kept.
pub(crate) fn value<'a>(params: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (_, mut rest) = split(params, b';')?;
    loop {
        let (param, following) = match split(rest, b';') {
            Some((param, following)) => (param, Some(following)),
            None => (rest, None),
        };
        if let Some((key, value)) = split_once(param, b'=')
            && trim(key).eq_ignore_ascii_case(name)
        {
            return Some(trim(value)).filter(|value| !value.is_empty());
        }
        rest = following?;
    }
}

/// Splits at the first `separator` outside quotation marks.
pub(crate) fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(separator, b'"', text.get(from..)?)?;
        if text.get(at) == Some(&separator) {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        // A quotation mark that is never closed is an ordinary octet.
        from = closing_quote(text, at).unwrap_or(at) + 1;
    }
}

/// The first element of a comma-separated list; commas inside `<>` and quotation marks do not count.
pub(crate) fn first_element(list: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(found) = list
        .get(from..)
        .and_then(|rest| memchr3(b',', b'"', b'<', rest))
    {
        let at = from + found;
        let skipped = match list.get(at) {
            Some(b',') => return list.get(..at).unwrap_or(list),
            Some(b'"') => closing_quote(list, at),
            _ => list
                .get(at..)
                .and_then(|rest| memchr::memchr(b'>', rest))
                .map(|found| at + found),
        };
        from = skipped.unwrap_or(at) + 1;
    }
    list
}

/// Offset of the quotation mark that closes the one at `open`, minding backslashes.
pub(crate) fn closing_quote(text: &[u8], open: usize) -> Option<usize> {
    let mut from = open + 1;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// Splits at the first `separator`, quoted or not.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
