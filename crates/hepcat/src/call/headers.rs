//! Header fields that calls need beyond those that the scan keeps: one walk over a message that can hold them.

use hepcat_sip::Scan;
use smallvec::SmallVec;

use super::{correlation::Rule, text::param};

/// Their values as written, the first of each.
#[derive(Debug, Default)]
pub(super) struct More<'a> {
    /// `icid-value` of P-Charging-Vector (RFC 7315 §4.6).
    pub(super) icid: Option<&'a [u8]>,
    /// Replaces (RFC 3891).
    pub(super) replaces: Option<&'a [u8]>,
    /// Join (RFC 3911).
    pub(super) join: Option<&'a [u8]>,
    /// Target-Dialog (RFC 4538).
    pub(super) target_dialog: Option<&'a [u8]>,
    /// Refer-To (RFC 3515).
    pub(super) refer_to: Option<&'a [u8]>,
    /// Referred-By (RFC 3892).
    pub(super) referred_by: Option<&'a [u8]>,
    /// Reason (RFC 3326).
    pub(super) reason: Option<&'a [u8]>,
    /// Expires.
    pub(super) expires: Option<&'a [u8]>,
    /// P-Asserted-Identity (RFC 3325).
    pub(super) asserted: Option<&'a [u8]>,
    /// Diversion (RFC 5806) or History-Info (RFC 7044), whichever stands first.
    pub(super) diversion: Option<&'a [u8]>,
    /// X-CID and X-Call-ID, all of them, with their rules.
    pub(super) legs: SmallVec<[(Rule, &'a [u8]); 1]>,
    /// Values of the configured header fields, with the number of each in [`Names`].
    pub(super) configured: SmallVec<[(usize, &'a [u8]); 2]>,
    /// Whether it carries credentials.
    pub(super) credentials: bool,
    /// How many Via header field values there are, at least.
    pub(super) vias: usize,
}

/// Names of configured header fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    names: Vec<Box<[u8]>>,
    /// Bit `n` for a name of `n` octets (63 for longer ones): most lines are told apart by that alone.
    lengths: u64,
}

impl Names {
    pub(super) fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<Box<[u8]>> = names
            .into_iter()
            .map(|name| name.as_bytes().into())
            .collect();
        let lengths = names.iter().fold(0, |bits, name| bits | Self::bit(name));
        Self { names, lengths }
    }

    fn bit(name: &[u8]) -> u64 {
        1 << name.len().min(63)
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        if self.lengths & Self::bit(name) == 0 {
            return None;
        }
        self.names
            .iter()
            .position(|wanted| wanted.eq_ignore_ascii_case(name))
    }
}

impl<'a> More<'a> {
    pub(super) fn read(scan: &Scan<'a>, names: &Names) -> Self {
        let mut more = Self::default();
        for header in scan.headers() {
            let (name, value) = (header.name(), header.value());
            if let Some(at) = names.position(name) {
                more.configured.push((at, value));
            }
            more.keep(name, value);
        }
        more
    }

    fn keep(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let slot = match name.len() {
            1 => match name.first().map(u8::to_ascii_lowercase) {
                Some(b'v') => return self.vias += elements(value),
                Some(b'r') => &mut self.refer_to,
                Some(b'b') => &mut self.referred_by,
                _ => return,
            },
            3 if is("Via") => return self.vias += elements(value),
            4 if is("Join") => &mut self.join,
            6 if is("Reason") => &mut self.reason,
            7 if is("Expires") => &mut self.expires,
            8 if is("Replaces") => &mut self.replaces,
            8 if is("Refer-To") => &mut self.refer_to,
            9 if is("Diversion") => &mut self.diversion,
            12 if is("History-Info") => &mut self.diversion,
            11 if is("Referred-By") => &mut self.referred_by,
            13 if is("Target-Dialog") => &mut self.target_dialog,
            17 if is("P-Charging-Vector") => {
                self.icid = self.icid.or_else(|| param(value, b"icid-value"));
                return;
            }
            19 if is("P-Asserted-Identity") => &mut self.asserted,
            13 if is("Authorization") => return self.credentials = true,
            19 if is("Proxy-Authorization") => return self.credentials = true,
            5 if is("X-CID") => return self.legs.push((Rule::XCid, value)),
            9 if is("X-Call-ID") => return self.legs.push((Rule::XCallId, value)),
            _ => return,
        };
        slot.get_or_insert(value);
    }
}

fn elements(list: &[u8]) -> usize {
    1 + memchr::memchr_iter(b',', list).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_found_in_its_forms() {
        let text = b"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1,SIP/2.0/UDP b;branch=2\r\nv: SIP/2.0/UDP c;branch=3\r\n\
            P-Charging-Vector: icid-generated-at=1; ICID-Value=\"ab;c\"\r\nr: <sip:x>\r\nREASON: Q.850;cause=16\r\n\
            X-CID: one\r\nx-call-id: two\r\nX-Leg: three\r\nReason: second\r\n\r\n";
        let scan = hepcat_sip::scan(text).unwrap();
        let more = More::read(&scan, &Names::new(["X-LEG"]));
        assert_eq!(more.vias, 3);
        // A semicolon inside quotation marks is not minded: icid values are tokens or quoted host names.
        assert!(more.icid.is_some());
        assert_eq!(more.refer_to, Some(&b"<sip:x>"[..]));
        assert_eq!(more.reason, Some(&b"Q.850;cause=16"[..]));
        assert_eq!(
            more.legs.as_slice(),
            [(Rule::XCid, &b"one"[..]), (Rule::XCallId, b"two")]
        );
        assert_eq!(more.configured.as_slice(), [(0, &b"three"[..])]);
    }
}
