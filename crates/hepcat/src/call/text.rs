//! Texts that are kept: bounded, valid UTF-8, and written again only when they change.

/// More of a header value is not kept: what is longer is an attack or an accident.
pub(super) const MAX_TEXT: usize = 256;

/// `octets` as text, cut at [`MAX_TEXT`], what is no UTF-8 replaced.
pub(super) fn kept(octets: &[u8]) -> Box<str> {
    let cut = octets.get(..MAX_TEXT).unwrap_or(octets);
    String::from_utf8_lossy(cut).into_owned().into_boxed_str()
}

/// [`kept`], in place of `slot`; allocates only where it is another text.
pub(super) fn keep(slot: &mut Option<Box<str>>, octets: Option<&[u8]>) {
    match (octets, slot.as_deref()) {
        (Some(new), Some(old)) if old.as_bytes() == new => {}
        (new, _) => *slot = new.map(kept),
    }
}

/// `text` without the space around it, and without quotation marks around that.
pub(super) fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""))
        .unwrap_or(text)
}

/// The value of `;name=value` in `text`, its name in any case, without quotation marks.
pub(super) fn param<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.split(|octet| *octet == b';').find_map(|part| {
        let part = part.trim_ascii();
        let (key, rest) = part.split_at_checked(name.len())?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?;
        (key.eq_ignore_ascii_case(name)).then(|| unquoted(value))
    })
}
