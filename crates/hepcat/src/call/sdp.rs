//! Session descriptions, read leniently: addresses, ports, directions and codecs, and nothing else (RFC 8866).
//!
//! Nothing is validated and nothing allocates for up to two media of eight formats. A body of several parts is read as
//! if it were one: only lines of the form `x=...` count.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// More media, and more formats of one, are passed over.
const MAX_MEDIA: usize = 8;
const MAX_FORMATS: usize = 24;

/// What kind of media an `m=` line announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MediaKind {
    /// audio
    Audio,
    /// video
    Video,
    /// image: fax
    Image,
    /// Any other.
    Other,
}

/// Which way media may flow, as its describer sees it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Direction {
    /// Both ways; what is meant where nothing is said.
    #[default]
    SendRecv,
    /// It only sends.
    SendOnly,
    /// It only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    fn read(attribute: &[u8]) -> Option<Self> {
        [
            (&b"sendrecv"[..], Self::SendRecv),
            (b"sendonly", Self::SendOnly),
            (b"recvonly", Self::RecvOnly),
            (b"inactive", Self::Inactive),
        ]
        .into_iter()
        .find(|(name, _)| attribute.eq_ignore_ascii_case(name))
        .map(|(_, direction)| direction)
    }

    /// The word of the attribute.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// A codec as its `rtpmap`, or RFC 3551 for its number, names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec<'a> {
    /// Payload type; 255 where the format is no number (`t38`).
    pub payload_type: u8,
    /// Name as written: `PCMA`, `opus`, ... Empty where neither says one.
    pub name: &'a [u8],
    /// Clock rate in Hz, 0 where unknown.
    pub clock_rate: u32,
}

impl Codec<'_> {
    /// Whether it carries speech or pictures, and not tones, comfort noise or redundancy.
    #[must_use]
    pub fn is_media(&self) -> bool {
        !self.name.is_empty()
            && ![&b"telephone-event"[..], b"CN", b"red", b"ulpfec", b"rtx"]
                .iter()
                .any(|other| self.name.eq_ignore_ascii_case(other))
    }
}

/// One `m=` line with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media<'a> {
    /// What it carries.
    pub kind: MediaKind,
    /// Where its describer wants it; `None` where the address is a name or missing.
    pub address: Option<IpAddr>,
    /// The port there; 0 refuses the media.
    pub port: u16,
    /// Where it wants RTCP, where `a=rtcp` says so.
    pub rtcp_port: Option<u16>,
    /// Whether RTCP shares the port.
    pub rtcp_mux: bool,
    /// Which way it may flow.
    pub direction: Direction,
    /// Formats in their order of preference.
    pub codecs: SmallVec<[Codec<'a>; 8]>,
}

impl Media<'_> {
    /// Whether it puts the other side on hold: a direction that lets nothing come here, or the address 0.0.0.0.
    #[must_use]
    pub fn is_hold(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::Inactive)
            || self.address.is_some_and(|address| address.is_unspecified())
    }

    /// Whether it is wanted at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.port != 0
    }
}

/// A whole description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description<'a> {
    /// The media in their order.
    pub media: SmallVec<[Media<'a>; 2]>,
}

impl<'a> Description<'a> {
    /// Reads `body`. `None` where there is no `m=` line in it.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut session = Session::default();
        let mut description = Self::default();
        for (letter, value) in lines(body) {
            if letter == b'm' {
                if description.media.len() == MAX_MEDIA {
                    break;
                }
                description.media.push(session.media(value));
                continue;
            }
            match description.media.last_mut() {
                None => session.read(letter, value),
                Some(media) => read_media_line(media, letter, value),
            }
        }
        (!description.media.is_empty()).then_some(description)
    }

    /// The media that calls are about: the first audio, else the first at all, that is not refused.
    #[must_use]
    pub fn main(&self) -> Option<&Media<'a>> {
        let mut active = self.media.iter().filter(|media| media.is_active());
        active
            .clone()
            .find(|media| media.kind == MediaKind::Audio)
            .or_else(|| active.next())
            .or_else(|| self.media.first())
    }
}

/// What stands before the first media and holds for all of them.
#[derive(Default)]
struct Session {
    address: Option<IpAddr>,
    direction: Direction,
}

impl Session {
    fn read(&mut self, letter: u8, value: &[u8]) {
        match letter {
            b'c' => self.address = connection(value).or(self.address),
            b'a' => self.direction = Direction::read(value).unwrap_or(self.direction),
            _ => {}
        }
    }

    fn media<'a>(&self, value: &'a [u8]) -> Media<'a> {
        let mut words = words(value);
        let kind = match words.next().unwrap_or_default() {
            word if word.eq_ignore_ascii_case(b"audio") => MediaKind::Audio,
            word if word.eq_ignore_ascii_case(b"video") => MediaKind::Video,
            word if word.eq_ignore_ascii_case(b"image") => MediaKind::Image,
            _ => MediaKind::Other,
        };
        // The port may stand with a number of ports: `49170/2`.
        let port = words
            .next()
            .and_then(|word| number(word.split(|o| *o == b'/').next()?));
        let formats = words.skip(1).take(MAX_FORMATS).map(Codec::of_format);
        Media {
            kind,
            address: self.address,
            port: port.unwrap_or(0),
            rtcp_port: None,
            rtcp_mux: false,
            direction: self.direction,
            codecs: formats.collect(),
        }
    }
}

fn read_media_line<'a>(media: &mut Media<'a>, letter: u8, value: &'a [u8]) {
    match letter {
        b'c' => media.address = connection(value).or(media.address),
        b'a' => {
            if let Some(map) = value.strip_prefix(b"rtpmap:") {
                read_rtpmap(media, map);
            } else if let Some(direction) = Direction::read(value) {
                media.direction = direction;
            } else if let Some(rtcp) = value.strip_prefix(b"rtcp:") {
                media.rtcp_port = words(rtcp).next().and_then(number);
            } else if value.eq_ignore_ascii_case(b"rtcp-mux") {
                media.rtcp_mux = true;
            }
        }
        _ => {}
    }
}

/// `8 PCMA/8000` after `a=rtpmap:`.
fn read_rtpmap<'a>(media: &mut Media<'a>, map: &'a [u8]) {
    let mut words = words(map);
    let payload_type = words.next().and_then(number::<u8>);
    let mut encoding = words
        .next()
        .unwrap_or_default()
        .split(|octet| *octet == b'/');
    let name = encoding.next().unwrap_or_default();
    let clock_rate = encoding.next().and_then(number).unwrap_or(0);
    let slot = media
        .codecs
        .iter_mut()
        .find(|codec| Some(codec.payload_type) == payload_type);
    if let Some(codec) = slot {
        (codec.name, codec.clock_rate) = (name, clock_rate);
    }
}

impl<'a> Codec<'a> {
    fn of_format(format: &'a [u8]) -> Self {
        match number::<u8>(format) {
            Some(payload_type) => {
                let (name, clock_rate) = well_known(payload_type);
                Self {
                    payload_type,
                    name: name.as_bytes(),
                    clock_rate,
                }
            }
            None => Self {
                payload_type: u8::MAX,
                name: format,
                clock_rate: 0,
            },
        }
    }
}

/// Payload types that need no `rtpmap` (RFC 3551, tables 4 and 5).
fn well_known(payload_type: u8) -> (&'static str, u32) {
    match payload_type {
        0 => ("PCMU", 8_000),
        3 => ("GSM", 8_000),
        4 => ("G723", 8_000),
        5 => ("DVI4", 8_000),
        6 => ("DVI4", 16_000),
        7 => ("LPC", 8_000),
        8 => ("PCMA", 8_000),
        9 => ("G722", 8_000),
        10 | 11 => ("L16", 44_100),
        12 => ("QCELP", 8_000),
        13 => ("CN", 8_000),
        14 => ("MPA", 90_000),
        15 => ("G728", 8_000),
        16 => ("DVI4", 11_025),
        17 => ("DVI4", 22_050),
        18 => ("G729", 8_000),
        25 => ("CelB", 90_000),
        26 => ("JPEG", 90_000),
        28 => ("nv", 90_000),
        31 => ("H261", 90_000),
        32 => ("MPV", 90_000),
        33 => ("MP2T", 90_000),
        34 => ("H263", 90_000),
        _ => ("", 0),
    }
}

/// `IN IP4 192.0.2.1`, with a time to live after a slash or not.
fn connection(value: &[u8]) -> Option<IpAddr> {
    let address = words(value).nth(2)?.split(|octet| *octet == b'/').next()?;
    std::str::from_utf8(address).ok()?.parse().ok()
}

/// Lines `x=value`; space before the letter and around the value is forgiven.
fn lines(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if let [letter, b'=', value @ ..] = line.trim_ascii() {
                return Some((letter.to_ascii_lowercase(), value.trim_ascii()));
            }
        }
        None
    })
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names<'a>(media: &Media<'a>) -> Vec<(u8, &'a str, u32)> {
        let name = |codec: &Codec<'a>| std::str::from_utf8(codec.name).unwrap();
        media
            .codecs
            .iter()
            .map(|c| (c.payload_type, name(c), c.clock_rate))
            .collect()
    }

    #[test]
    fn an_ordinary_offer() {
        let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 49170 RTP/AVP 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
            a=rtcp:49171\r\na=sendonly\r\n";
        let description = Description::read(body).unwrap();
        let media = description.main().unwrap();
        assert_eq!(media.kind, MediaKind::Audio);
        assert_eq!(
            (media.address, media.port),
            (Some([192, 0, 2, 1].into()), 49_170)
        );
        assert_eq!(media.rtcp_port, Some(49_171));
        assert_eq!(media.direction, Direction::SendOnly);
        assert!(media.is_hold());
        let codecs = [
            (8, "PCMA", 8_000),
            (96, "opus", 48_000),
            (101, "telephone-event", 8_000),
        ];
        assert_eq!(names(media), codecs);
        assert_eq!(
            media.codecs.iter().filter(|codec| codec.is_media()).count(),
            2
        );
    }

    #[test]
    fn sloppy_bodies_are_read_past_their_faults() {
        for (body, port, address) in [
            (&b"m=audio 4000 RTP/AVP 0\nc=IN IP4 10.0.0.1"[..], 4000, Some("10.0.0.1")),
            (b"c=IN IP6 2001:db8::1\r\nm=image 5000 udptl t38", 5000, Some("2001:db8::1")),
            (b"c=IN IP4 media.example\rm=audio 6000/2 RTP/AVP 18", 6000, None),
            (b" o=\r\n c=IN IP4 224.2.1.1/127/3\r\n m=audio  7000   RTP/AVP   8", 7000, Some("224.2.1.1")),
            (b"m=audio", 0, None),
            (b"m=audio x y z", 0, None),
            (b"--b\r\nContent-Type: application/sdp\r\n\r\nc=IN IP4 10.1.1.1\r\nm=audio 8000 RTP/AVP 8\r\n--b--", 8000, Some("10.1.1.1")),
        ] {
            let text = String::from_utf8_lossy(body);
            let description = Description::read(body).expect(&text);
            let media = description.main().expect(&text);
            assert_eq!(media.port, port, "{text}");
            assert_eq!(media.address, address.map(|a| a.parse().unwrap()), "{text}");
        }
        assert_eq!(Description::read(b"v=0\r\ns=-\r\n"), None);
        assert_eq!(Description::read(b"<xml m=\"1\"/>"), None);
    }

    #[test]
    fn the_main_media_is_the_first_that_is_wanted() {
        let body = b"m=audio 0 RTP/AVP 8\r\nm=video 5004 RTP/AVP 31\r\n";
        assert_eq!(
            Description::read(body).unwrap().main().unwrap().kind,
            MediaKind::Video
        );
        let body = b"c=IN IP4 0.0.0.0\r\nm=video 1 RTP/AVP 31\r\nm=audio 2 RTP/AVP 8\r\n";
        let description = Description::read(body).unwrap();
        assert_eq!(description.main().unwrap().port, 2);
        assert!(description.main().unwrap().is_hold());
    }

    proptest! {
        #[test]
        fn no_octets_are_too_bad(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Some(description) = Description::read(&body) {
                prop_assert!(description.media.len() <= MAX_MEDIA);
            }
        }

        #[test]
        fn nor_are_lines_that_look_like_it(lines in proptest::collection::vec("[mca]=[ -~]{0,40}", 0..40)) {
            let body = lines.join("\r\n");
            if let Some(description) = Description::read(body.as_bytes()) {
                prop_assert!(description.media.len() <= MAX_MEDIA);
            }
        }
    }
}
