//! The messages of the load: one call of 13 SIP messages, encoded once and patched in place.

use super::mark::DIGITS;
use crate::frame::Meta;

/// Messages of one call.
pub const MESSAGES_PER_CALL: usize = 13;

/// Octets of one call's HEPv3 frames: 629 in the mean.
#[cfg(test)]
const CALL_OCTETS: usize = 629 * MESSAGES_PER_CALL;

/// Hexadecimal digits of the call's number in each Call-ID.
const CALL_DIGITS: usize = 8;
/// Stands where the call's number goes.
const CALL_PLACE: &str = "cccccccc";
/// Stands where sender and sequence number go.
const MARK_PLACE: &str = "ssssnnnnnnnnnnnn";

/// The HEP version of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HEPv2: 28 octets before the payload.
    V2,
    /// HEPv3: 99 octets of chunks around it.
    V3,
}

/// One sender's endless row of messages.
#[derive(Debug, Clone)]
pub struct Mix {
    version: Version,
    templates: Vec<Template>,
    sender: u16,
    next: u64,
}

/// A frame, and where in it stand the things that differ from one message to the next.
#[derive(Debug, Clone)]
struct Template {
    frame: Vec<u8>,
    seconds_at: usize,
    micros_at: usize,
    call_at: usize,
    mark_at: usize,
}

impl Mix {
    /// The messages of sender number `sender`, which is also its capture agent ID less 2000.
    #[must_use]
    pub fn new(version: Version, sender: u16) -> Self {
        let templates = payloads()
            .iter()
            .enumerate()
            .map(|(index, payload)| Template::new(version, sender, index, payload))
            .collect();
        Self {
            version,
            templates,
            sender,
            next: 0,
        }
    }

    /// Number of the sender.
    #[must_use]
    pub fn sender(&self) -> u16 {
        self.sender
    }

    /// How many messages have been handed out.
    #[must_use]
    pub fn handed_out(&self) -> u64 {
        self.next
    }

    /// How many messages [`burst`](Self::burst) can give at once now: the rest of the call.
    #[must_use]
    pub fn left_of_call(&self) -> usize {
        MESSAGES_PER_CALL - self.position()
    }

    /// The next messages, all stamped with one time: `most` of them or what is left of the call, if that is less.
    pub fn burst(&mut self, most: usize, now_micros: u64) -> impl ExactSizeIterator<Item = &[u8]> {
        let start = self.position();
        let count = most.min(MESSAGES_PER_CALL - start);
        let seconds = u32::try_from(now_micros / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(now_micros % 1_000_000).unwrap_or(0);
        let (seconds, micros) = match self.version {
            Version::V2 => (seconds.to_le_bytes(), micros.to_le_bytes()),
            Version::V3 => (seconds.to_be_bytes(), micros.to_be_bytes()),
        };
        let call = self.next / MESSAGES_PER_CALL as u64;
        let templates = &mut self.templates[start..start + count];
        for template in &mut *templates {
            let number = u64::from(self.sender) << 48 | self.next;
            template.put(template.seconds_at, &seconds);
            template.put(template.micros_at, &micros);
            template.put(template.call_at, &hex::<CALL_DIGITS>(call));
            template.put(template.mark_at, &hex::<DIGITS>(number));
            self.next += 1;
        }
        templates.iter().map(|template| &template.frame[..])
    }

    fn position(&self) -> usize {
        usize::try_from(self.next % MESSAGES_PER_CALL as u64).unwrap_or(0)
    }
}

impl Template {
    fn new(version: Version, sender: u16, index: usize, payload: &str) -> Self {
        let requests = [0, 2, 3, 8, 9, 11];
        let meta = Meta {
            capture_id: 2000 + u32::from(sender),
            ..Meta::default()
        };
        let meta = if requests.contains(&index) {
            meta
        } else {
            Meta {
                source: meta.destination,
                destination: meta.source,
                ..meta
            }
        };
        let (frame, seconds_at, micros_at) = match version {
            Version::V2 => (meta.v2(payload.as_bytes()), 16, 20),
            Version::V3 => {
                let frame = meta.v3(payload.as_bytes());
                let seconds = find(&frame, &[0, 0, 0, 0x09, 0, 10]) + 6;
                let micros = find(&frame, &[0, 0, 0, 0x0a, 0, 10]) + 6;
                (frame, seconds, micros)
            }
        };
        Self {
            call_at: find(&frame, CALL_PLACE.as_bytes()),
            mark_at: find(&frame, MARK_PLACE.as_bytes()),
            frame,
            seconds_at,
            micros_at,
        }
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        self.frame[at..at + octets.len()].copy_from_slice(octets);
    }
}

fn find(frame: &[u8], octets: &[u8]) -> usize {
    frame
        .windows(octets.len())
        .position(|window| window == octets)
        .expect("every template holds its places")
}

fn hex<const N: usize>(mut number: u64) -> [u8; N] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; N];
    for digit in digits.iter_mut().rev() {
        *digit = HEX[usize::from((number & 0xf) as u8)];
        number >>= 4;
    }
    digits
}

/// The payloads of one call, in the order in which a proxy's capture agent sees them.
fn payloads() -> [String; MESSAGES_PER_CALL] {
    let authorization = "Authorization: Digest username=\"alice\", realm=\"example.com\", \
         nonce=\"ZV2yzGVdsaDqLp4xT0CqyN\", uri=\"sip:+33155501234@example.com\", \
         response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5\r\n";
    let challenge = "WWW-Authenticate: Digest realm=\"example.com\", \
         nonce=\"ZV2yzGVdsaDqLp4xT0CqyN\", algorithm=MD5, qop=\"auth\"\r\n";
    let allow = "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE\r\n\
         Supported: replaces, timer\r\n";
    let contact = "Contact: <sip:bob@192.0.2.2:5080>\r\n";
    [
        request("INVITE", 1, &format!("{allow}{contact}"), SDP),
        response("401 Unauthorized", 1, "INVITE", challenge, ""),
        request("ACK", 1, "", ""),
        request(
            "INVITE",
            2,
            &format!("{authorization}{allow}{contact}"),
            SDP,
        ),
        response("100 Trying", 2, "INVITE", "", ""),
        response("180 Ringing", 2, "INVITE", contact, ""),
        response("183 Session Progress", 2, "INVITE", contact, SDP),
        response("200 OK", 2, "INVITE", &format!("{allow}{contact}"), SDP),
        request("ACK", 2, "", ""),
        request("OPTIONS", 3, "", ""),
        response("200 OK", 3, "OPTIONS", "Accept: application/sdp\r\n", ""),
        request(
            "BYE",
            4,
            "Reason: Q.850;cause=16;text=\"Terminated\"\r\n",
            "",
        ),
        response(
            "200 OK",
            4,
            "BYE",
            "X-RTP-Stat: PS=1207,OS=193120,PR=1203,OR=192480,PL=0,JI=3,LA=1\r\n",
            "",
        ),
    ]
}

const SDP: &str = "v=0\r\no=- 3905 3905 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n\
     t=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn request(method: &str, cseq: u32, extra: &str, body: &str) -> String {
    let start = format!("{method} sip:+33155501234@example.com SIP/2.0");
    message(&start, cseq, method, extra, body)
}

fn response(status: &str, cseq: u32, method: &str, extra: &str, body: &str) -> String {
    message(&format!("SIP/2.0 {status}"), cseq, method, extra, body)
}

/// One message. Its last octets before the line ends are the mark: an attribute of its SDP, or its last header.
fn message(start: &str, cseq: u32, method: &str, extra: &str, body: &str) -> String {
    let head = format!(
        "{start}\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{cseq}776asdhds;rport\r\n\
         Via: SIP/2.0/UDP 198.51.100.17:5060;branch=z9hG4bKcydzigwkX777;received=198.51.100.17\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=1928301774\r\n\
         To: <sip:+33155501234@example.com>;tag=a6c85cf\r\n\
         Call-ID: {CALL_PLACE}-8f3b@192.0.2.1\r\n\
         CSeq: {cseq} {method}\r\n\
         Max-Forwards: 70\r\n\
         {extra}"
    );
    if body.is_empty() {
        return format!("{head}Content-Length: 0\r\nX-Load: {MARK_PLACE}\r\n\r\n");
    }
    let body = format!("{body}a=x-load:{MARK_PLACE}\r\n");
    let length = body.len();
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Mark;

    #[test]
    fn a_call_is_13_messages_of_629_octets_in_the_mean() {
        let mut mix = Mix::new(Version::V3, 1);
        let sizes: Vec<usize> = mix.burst(16, 0).map(<[u8]>::len).collect();
        assert_eq!(sizes.len(), MESSAGES_PER_CALL);
        assert_eq!(sizes.iter().sum::<usize>(), CALL_OCTETS, "{sizes:?}");
    }

    #[test]
    fn every_message_tells_its_sender_its_number_and_its_time_in_both_versions() {
        for version in [Version::V2, Version::V3] {
            let mut mix = Mix::new(version, 7);
            let mut sequence = 0;
            for most in [5, 13, 13, 1, 13] {
                let now = 1_700_000_000_123_456 + sequence;
                for frame in mix.burst(most, now) {
                    let mark = Mark::read(frame).unwrap();
                    assert_eq!((mark.sender, mark.sequence), (7, sequence));
                    assert_eq!(mark.sent_micros, now);
                    sequence += 1;
                }
            }
            assert_eq!(mix.handed_out(), sequence);
            assert_eq!(sequence, 13 + 13 + 1 + 12);
        }
    }

    #[test]
    fn what_the_generator_did_not_send_has_no_mark() {
        assert_eq!(Mark::read(&crate::frame::sip_v3("OPTIONS")), None);
        assert_eq!(Mark::read(b""), None);
        assert_eq!(Mark::read(b"HEP3\0\x20\0\0\0\x09\0\0"), None);
    }
}
