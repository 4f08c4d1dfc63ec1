//! Numbers in text of any kind.

use super::STAR;

/// Digits in a row that are taken for a number where nothing says what they are: the shortest numbers that are dialled
/// from elsewhere have seven, and times, ports and lengths have fewer.
const NUMBER: usize = 7;

/// Hides the last `digits` digits of what looks like a number, and of the user of each `sip:`, `sips:` and `tel:`
/// address. Digits after a point are fractions.
pub(super) fn hide_numbers(text: &mut [u8], digits: u8) {
    if digits == 0 {
        return;
    }
    hide_users(text, digits);
    hide_runs(text, digits, NUMBER);
}

/// Hides the last digits of runs of at least `shortest` digits. What stands within a run to make it readable (`-`, `.`,
/// `(`, `)` and single spaces) does not end it. A star counts as a digit: one that was hidden before, or a key that was
/// dialled; so what is hidden already is not hidden again.
pub(super) fn hide_runs(text: &mut [u8], digits: u8, shortest: usize) {
    let mut at = 0;
    while let Some(start) = text
        .get(at..)
        .and_then(|rest| rest.iter().position(|octet| is_digit(*octet)))
        .map(|start| at + start)
    {
        let before = start.checked_sub(1).and_then(|before| text.get(before));
        let is_fraction = matches!(before, Some(b'.'));
        let end = end_of_dotted(text, start).unwrap_or_else(|| end_of_number(text, start));
        let number = text.get_mut(start..end).unwrap_or_default();
        let count = number.iter().filter(|octet| is_dialled(**octet)).count();
        if count >= shortest && !is_fraction {
            let last = number.iter_mut().rev().filter(|octet| is_dialled(**octet));
            for octet in last.take(digits.into()) {
                *octet = STAR;
            }
        }
        at = end.max(start + 1);
    }
}

/// Hides the last digits of the user of each address.
pub(super) fn hide_users(text: &mut [u8], digits: u8) {
    const SCHEMES: [&[u8]; 3] = [b"sip:", b"sips:", b"tel:"];
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let scheme = SCHEMES.iter().find(|scheme| {
            rest.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let Some(scheme) = scheme else {
            at += 1;
            continue;
        };
        let start = at + scheme.len();
        let user = text.get(start..).unwrap_or_default();
        let is_tel = scheme.eq_ignore_ascii_case(b"tel:");
        let end = user
            .iter()
            .position(|octet| {
                matches!(
                    octet,
                    b'@' | b'>' | b'"' | b'<' | b',' | b'\r' | b'\n' | b' ' | b'\t'
                )
            })
            .unwrap_or(user.len());
        // Without `@` what follows is a host, but for `tel:`.
        if is_tel || user.get(end) == Some(&b'@') {
            hide_user(text.get_mut(start..start + end).unwrap_or_default(), digits);
        }
        at = start + end;
    }
}

/// Hides the last digits of a user. One with escapes hides all that it may spell.
pub(super) fn hide_user(user: &mut [u8], digits: u8) {
    if user.contains(&b'%') {
        for octet in user
            .iter_mut()
            .filter(|octet| octet.is_ascii_alphanumeric())
        {
            *octet = STAR;
        }
        return;
    }
    // Parameters of a user hold numbers of their own: `;phone-context=+33`, `;npdi;rn=+33…`.
    let mut rest = user;
    loop {
        let end = rest.iter().position(|octet| *octet == b';');
        let end = end.unwrap_or(rest.len());
        let (part, more) = rest.split_at_mut(end);
        hide_last(part, digits);
        match more.split_first_mut() {
            Some((_, more)) => rest = more,
            None => return,
        }
    }
}

/// Hides the last digits of a text, wherever they stand in it.
pub(super) fn hide_last(text: &mut [u8], digits: u8) {
    let last = text.iter_mut().rev().filter(|octet| is_digit(**octet));
    for octet in last.take(digits.into()) {
        *octet = STAR;
    }
}

fn is_digit(octet: u8) -> bool {
    octet.is_ascii_digit()
}

fn is_dialled(octet: u8) -> bool {
    is_digit(octet) || octet == STAR
}

/// Where a number ends that is written with points between its parts (`06.12.34.56.78`): an address has four of them, a
/// fraction two.
fn end_of_dotted(text: &[u8], start: usize) -> Option<usize> {
    const PARTS: usize = 5;
    let (mut end, mut parts) = (start, 0);
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let digits = rest.iter().take_while(|octet| is_dialled(**octet)).count();
        end += digits;
        if !(1..=4).contains(&digits) {
            return None;
        }
        parts += 1;
        let more = text.get(end + 1).copied().is_some_and(is_dialled);
        if text.get(end) != Some(&b'.') || !more {
            return (parts >= PARTS).then_some(end);
        }
        end += 1;
    }
}

/// Where the number ends that begins at `start`.
fn end_of_number(text: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(octet) = text.get(end) {
        let next_is_digit = || text.get(end + 1).copied().is_some_and(is_dialled);
        match octet {
            octet if is_dialled(*octet) => end += 1,
            b'-' | b'(' | b')' | b' ' | b'/' if next_is_digit() => end += 1,
            _ => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(text: &str, digits: u8) -> String {
        let mut octets = text.as_bytes().to_vec();
        hide_numbers(&mut octets, digits);
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn numbers_lose_their_last_digits_and_nothing_else_changes() {
        for (text, expected) in [
            ("call of +33123456789 ended", "call of +3312345**** ended"),
            ("<sip:1001@10.0.0.1:5060>", "<sip:****@10.0.0.1:5060>"),
            ("SIPS:+33 1", "SIPS:+33 1"),
            ("sip:alice@example.org", "sip:alice@example.org"),
            ("tel:+1-212-555-0101;x=5", "tel:+1-212-555-****;x=*"),
            ("tel:112", "tel:***"),
            ("sip:%2B331234@h", "sip:%********@h"),
            ("+33 1 23 45 67 89", "+33 1 23 45 ** **"),
            ("10.20.30.40:50600, 123456", "10.20.30.40:50600, 123456"),
            ("*21*0612345678#", "*21*061234****#"),
            ("took 0.123456789 s", "took 0.123456789 s"),
            ("at 06.12.34.56.78, 1.2.3.4", "at 06.12.34.**.**, 1.2.3.4"),
            ("", ""),
        ] {
            assert_eq!(hidden(text, 4), expected, "{text}");
            assert_eq!(hidden(text, 0), text);
            if !text.contains("sip:") && !text.contains("tel:") {
                assert_eq!(hidden(expected, 4), expected);
            }
        }
        assert_eq!(hidden("sip:+331234@h tel:1", 255), "sip:+******@h tel:*");
    }

    proptest! {
        #[test]
        fn length_stays_and_only_alphanumerics_change(text in any::<Vec<u8>>(), digits in any::<u8>()) {
            let mut masked = text.clone();
            hide_numbers(&mut masked, digits);
            prop_assert_eq!(masked.len(), text.len());
            for (masked, octet) in masked.iter().zip(&text) {
                prop_assert!(masked == octet || (*masked == STAR && octet.is_ascii_alphanumeric()));
            }
        }
    }
}
