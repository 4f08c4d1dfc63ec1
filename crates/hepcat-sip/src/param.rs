//! `;name=value` parameters, and text that minds quotation marks.

use crate::{
    find::first_of,
    line::{trim, trim_start},
};

/// The value of the parameter `name` (any case) in `params`, which starts at or before its first semicolon and
/// ends at `end` outside quotation marks, if that is given. A parameter without a value, or with an empty one,
/// counts as absent; quotation marks are kept.
pub(crate) fn value<'a>(params: &'a [u8], name: &[u8], end: Option<u8>) -> Option<&'a [u8]> {
    let end = end.unwrap_or(b';');
    let mut rest = params;
    loop {
        let at = separator(rest, end).filter(|at| rest.get(*at) == Some(&b';'))?;
        rest = trim_start(rest.get(at + 1..)?);
        if let Some((key, after)) = rest.split_at_checked(name.len())
            && key.eq_ignore_ascii_case(name)
            && let [b'=', value @ ..] = trim_start(after)
        {
            let value = value.get(..separator(value, end).unwrap_or(value.len()))?;
            return Some(trim(value)).filter(|value| !value.is_empty());
        }
    }
}

/// Offset of the first `;` or `end` outside quotation marks.
fn separator(text: &[u8], end: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + first_of([b';', end, b'"'], text.get(from..)?)?;
        if text.get(at) != Some(&b'"') {
            return Some(at);
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
        .and_then(|rest| first_of([b',', b'"', b'<'], rest))
    {
        let at = from + found;
        let skipped = match list.get(at) {
            Some(b',') => return list.get(..at).unwrap_or(list),
            Some(b'"') => closing_quote(list, at),
            _ => list
                .get(at..)
                .and_then(|rest| first_of([b'>'], rest))
                .map(|found| at + found),
        };
        from = skipped.unwrap_or(at) + 1;
    }
    list
}

/// The elements of a comma-separated list.
pub(crate) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let element = first_element(list);
        rest = list.get(element.len() + 1..);
        Some(element)
    })
}

/// Offset of the quotation mark that closes the one at `open`, minding backslashes.
pub(crate) fn closing_quote(text: &[u8], open: usize) -> Option<usize> {
    let mut from = open + 1;
    loop {
        let at = from + first_of([b'"', b'\\'], text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// Splits at the first `separator`, quoted or not.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = first_of([separator], text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
