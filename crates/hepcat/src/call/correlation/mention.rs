//! What a message says about the legs that belong to its own.

use std::borrow::Cow;

use hepcat_sip::{Kind, Scan};
use smallvec::SmallVec;

use super::{Rule, Rules};
use crate::call::{
    digest::{Digest, mix},
    headers::More,
    method::Method,
    seen::Seen,
    text::{param, unquoted},
};

/// A value that a message mentions and that another leg may mention, or be called, too.
#[derive(Debug, Clone)]
pub(in crate::call) struct Mention<'a> {
    pub(in crate::call) rule: Rule,
    pub(in crate::call) key: u64,
    pub(in crate::call) confidence: u8,
    pub(in crate::call) value: Cow<'a, [u8]>,
    /// Number of the configured header field, for [`Rule::Header`].
    pub(in crate::call) header: Option<usize>,
}

/// Name spaces of keys besides that of ids.
const ICID: u8 = 1;
const SESSION: u8 = 2;

/// A Session-ID half that says "not known yet" (RFC 7989 §5).
const NIL: [u8; 32] = [b'0'; 32];

/// More values of one message are not looked at.
const MAX_MENTIONS: usize = 16;
/// So many affixes are taken off one Call-ID: each B2BUA in a row adds one.
const MAX_AFFIXES: usize = 4;

/// The mentions of one message.
#[derive(Debug, Default)]
pub(in crate::call) struct Mentions<'a>(pub(in crate::call) SmallVec<[Mention<'a>; 4]>);

/// Makes them.
pub(in crate::call) struct Reader<'r, 'a> {
    rules: &'r Rules,
    digest: Digest,
    call_id: &'a [u8],
    found: Mentions<'a>,
}

impl<'a> Mentions<'a> {
    /// What `seen`, with these header fields, says. `first` where it is the first message of its leg: what depends
    /// on the Call-ID alone is said once.
    pub(in crate::call) fn read(
        rules: &Rules,
        digest: Digest,
        seen: &Seen<'a>,
        scan: &Scan<'a>,
        more: Option<&More<'a>>,
        first: bool,
    ) -> Self {
        let Some(call_id) = scan.call_id() else {
            return Self::default();
        };
        let mut reader = Reader {
            rules,
            digest,
            call_id,
            found: Self::default(),
        };
        if let Some(id) = seen.correlation_id {
            reader.id(Rule::CorrelationId, id);
        }
        if let Some(json) = seen.extra_correlation {
            for id in ids_of_json(json) {
                if id != call_id {
                    reader.add(Rule::ExtraCorrelation, digest.of(&id), id);
                }
            }
        }
        if let (Some(id), None) = (scan.x_call_id(), more) {
            // The scan does not say which of the two names it stood under.
            let is_x_cid = scan.header(b"X-CID").is_some();
            reader.id(if is_x_cid { Rule::XCid } else { Rule::XCallId }, id);
        }
        if let Some(value) = scan.session_id() {
            reader.session_id(value);
        }
        if first {
            reader.affixes();
        }
        if let Some(more) = more {
            reader.headers(scan, more);
        }
        reader.found
    }
}

impl<'a> Reader<'_, 'a> {
    /// An id: another leg's Call-ID, or something that both legs carry.
    fn id(&mut self, rule: Rule, id: &'a [u8]) {
        let id = unquoted(id);
        if !id.is_empty() && id != self.call_id {
            self.add(rule, self.digest.of(id), id);
        }
    }

    fn add(&mut self, rule: Rule, key: u64, value: impl Into<Cow<'a, [u8]>>) {
        if let Some(confidence) = self.rules.confidence(rule)
            && self.found.0.len() < MAX_MENTIONS
        {
            let value = value.into();
            self.found.0.push(Mention {
                rule,
                key,
                confidence,
                value,
                header: None,
            });
        }
    }

    fn session_id(&mut self, value: &'a [u8]) {
        let local = uuid(
            value
                .split(|octet| *octet == b';')
                .next()
                .unwrap_or_default(),
        );
        let remote = param(value, b"remote").and_then(uuid);
        let known = |half: Option<[u8; 32]>| half.filter(|half| *half != NIL);
        let key = |half: &[u8; 32]| self.digest.in_space(SESSION, half);
        match (known(local), known(remote)) {
            (Some(one), Some(other)) => {
                let (one, other) = (key(&one), key(&other));
                self.add(Rule::SessionId, mix(one.min(other), one.max(other)), value);
            }
            (Some(half), None) | (None, Some(half)) => {
                let key = key(&half);
                self.add(Rule::SessionIdHalf, key, value);
            }
            (None, None) => {}
        }
    }

    fn affixes(&mut self) {
        let mut base = self.call_id;
        for _ in 0..MAX_AFFIXES {
            let rules = self.rules;
            let Some(shorter) = rules.affixes.iter().find_map(|affix| affix.strip(base)) else {
                return;
            };
            self.id(Rule::CallIdAffix, shorter);
            base = shorter;
        }
    }

    fn headers(&mut self, scan: &Scan<'a>, more: &More<'a>) {
        for (rule, id) in &more.legs {
            self.id(*rule, id);
        }
        if let Some(icid) = more.icid.filter(|icid| !icid.is_empty()) {
            self.add(Rule::Icid, self.digest.in_space(ICID, icid), icid);
        }
        for (rule, value) in [
            (Rule::Replaces, more.replaces),
            (Rule::Join, more.join),
            (Rule::TargetDialog, more.target_dialog),
        ] {
            if let Some(id) = value.and_then(|value| value.split(|octet| *octet == b';').next()) {
                self.id(rule, id);
            }
        }
        if let Some(refer_to) = more.refer_to
            && scan.kind() == Kind::Request
            && scan.method().map(Method::read) == Some(Method::Refer)
        {
            self.replaces_in_uri(refer_to);
        }
        for (at, value) in &more.configured {
            let before = self.found.0.len();
            self.id(Rule::Header, value);
            let rule = self.rules.headers.get(*at);
            if let (Some(mention), Some(rule)) = (self.found.0.get_mut(before), rule) {
                mention.header = Some(*at);
                mention.confidence = rule.confidence;
            }
        }
    }

    /// `<sip:c@h?Replaces=a%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>`: escaped, so the Call-ID inside is not in the message
    /// as it stands.
    fn replaces_in_uri(&mut self, refer_to: &'a [u8]) {
        let Some(escaped) = embedded_replaces(refer_to) else {
            return;
        };
        let call_id = unescaped(escaped);
        let id = call_id
            .split(|octet| *octet == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if !id.is_empty() && id != self.call_id {
            self.add(Rule::ReferReplaces, self.digest.of(id), escaped);
        }
    }
}

/// The value of the header field Replaces inside a URI, escaped.
pub(in crate::call) fn embedded_replaces(uri: &[u8]) -> Option<&[u8]> {
    let (_, headers) = split_at_octet(uri, b'?')?;
    headers
        .split(|octet| matches!(octet, b'&' | b'>'))
        .find_map(|header| {
            let (name, value) = split_at_octet(header, b'=')?;
            name.eq_ignore_ascii_case(b"Replaces").then_some(value)
        })
}

fn split_at_octet(text: &[u8], octet: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(octet, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// `%40` as `@`.
fn unescaped(text: &[u8]) -> SmallVec<[u8; 128]> {
    let mut plain = SmallVec::new();
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        let escaped = match (octet, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(*octet);
                rest = after;
            }
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// A UUID as Session-ID writes it: 32 hexadecimal digits, here in lower case.
fn uuid(text: &[u8]) -> Option<[u8; 32]> {
    let mut uuid = <[u8; 32]>::try_from(text.trim_ascii()).ok()?;
    uuid.make_ascii_lowercase();
    uuid.iter().all(u8::is_ascii_hexdigit).then_some(uuid)
}

/// Names of extra correlations that say nothing about calls: OpenSIPS's id of a connection.
const NOT_CALLS: [&str; 2] = ["net", "transport"];

/// The ids in an object such as `{"sip": "id", "net": 77}`: texts, but not those of connections.
pub(in crate::call) fn ids_of_json(json: &[u8]) -> Vec<Vec<u8>> {
    pairs_of_json(json)
        .into_iter()
        .filter(|(name, _)| !NOT_CALLS.contains(&name.as_str()))
        .map(|(_, id)| id.into_bytes())
        .collect()
}

/// The ids that a `correlate` message brings together: from the chunk, where OpenSIPS puts them, and from the
/// payload.
pub(in crate::call) fn correlate_ids(seen: &Seen<'_>) -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> = Vec::new();
    if let Some(id) = seen.correlation_id {
        ids.push(unquoted(id).to_vec());
    }
    for json in [seen.extra_correlation, Some(seen.payload)]
        .into_iter()
        .flatten()
    {
        ids.extend(
            pairs_of_json(json)
                .into_iter()
                .map(|(_, id)| id.into_bytes()),
        );
    }
    ids.retain(|id| !id.is_empty());
    ids.truncate(MAX_MENTIONS);
    ids
}

/// Name and text of each member of an object. A name may come twice: OpenSIPS writes that.
fn pairs_of_json(json: &[u8]) -> Vec<(String, String)> {
    struct Pairs(Vec<(String, String)>);
    impl<'de> serde::Deserialize<'de> for Pairs {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Pairs;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Pairs, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                        if let serde_json::Value::String(text) = value
                            && !text.is_empty()
                            && pairs.len() < MAX_MENTIONS
                        {
                            pairs.push((name, text));
                        }
                    }
                    Ok(Pairs(pairs))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_slice::<Pairs>(json).map_or_else(|_| Vec::new(), |pairs| pairs.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{headers::Names, moment::Moment};

    fn mentions(text: &str, rules: &Rules) -> Vec<(Rule, String)> {
        let payload = text.replace('\n', "\r\n") + "\r\n";
        let seen = Seen::new(1, Moment::default(), "a", payload.as_bytes())
            .correlated(b"hep-id")
            .extra_correlated(br#"{"sip":"other","net":"5","n":7}"#);
        let scan = *seen.sip().expect("it is SIP");
        let more = More::read(
            &scan,
            &Names::new(rules.headers.iter().map(|rule| rule.name.as_str())),
        );
        Mentions::read(rules, Digest::new(0), &seen, &scan, Some(&more), true)
            .0
            .iter()
            .map(|mention| {
                (
                    mention.rule,
                    String::from_utf8_lossy(&mention.value).into_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn every_mention_is_found() {
        let rules = Rules {
            headers: vec![HeaderRule::new("X-Leg")],
            ..Rules::default()
        };
        let found = mentions(
            "REFER sip:b SIP/2.0\nCall-ID: me_b2b-1_pbx-2\nX-CID: x\nX-Leg: leg\n\
             Session-ID: AB30317F1A784DC48FF824D0D3715D86;remote=47755a9de7794ba387653f2099600ef2\n\
             P-Charging-Vector: icid-value=icid;orig-ioi=h\nReplaces: r@h;to-tag=1;from-tag=2\n\
             Refer-To: <sip:c@h?Replaces=q%40h%3Bto-tag%3D1&X=1>\n",
            &rules,
        );
        let session = "AB30317F1A784DC48FF824D0D3715D86;remote=47755a9de7794ba387653f2099600ef2";
        let expected = [
            (Rule::CorrelationId, "hep-id"),
            (Rule::ExtraCorrelation, "other"),
            (Rule::SessionId, session),
            (Rule::CallIdAffix, "me_b2b-1"),
            (Rule::CallIdAffix, "me"),
            (Rule::XCid, "x"),
            (Rule::Icid, "icid"),
            (Rule::Replaces, "r@h"),
            (Rule::ReferReplaces, "q%40h%3Bto-tag%3D1"),
            (Rule::Header, "leg"),
        ];
        assert_eq!(
            found,
            expected.map(|(rule, value)| (rule, value.to_owned()))
        );
    }

    #[test]
    fn nil_halves_and_broken_ones_are_ignored() {
        let nil = "0".repeat(32);
        let half = "a".repeat(32);
        for (value, rules) in [
            (format!("{half};remote={nil}"), vec![Rule::SessionIdHalf]),
            (half.clone(), vec![Rule::SessionIdHalf]),
            (format!("{nil};remote={half}"), vec![Rule::SessionIdHalf]),
            (nil.clone(), vec![]),
            ("abc".to_owned(), vec![]),
        ] {
            let text = format!("INVITE sip:b SIP/2.0\nCall-ID: me\nSession-ID: {value}\n");
            let found = mentions(&text, &Rules::default());
            let found: Vec<_> = found.into_iter().map(|(rule, _)| rule).skip(2).collect();
            assert_eq!(found, rules, "{value}");
        }
    }

    #[test]
    fn a_correlate_message_may_have_one_name_twice() {
        let ids = |payload: &[u8], extra: &[u8]| {
            let seen = Seen::new(1, Moment::default(), "a", payload).extra_correlated(extra);
            correlate_ids(&seen)
        };
        assert_eq!(ids(b"", br#"{"sip":"a","sip":"b"}"#), [b"a", b"b"]);
        assert_eq!(ids(br#"{"x":"a","y":"b"}"#, b"not json"), [b"a", b"b"]);
        assert!(ids(b"[1]", b"{}").is_empty());
    }

    use super::super::HeaderRule;
}
