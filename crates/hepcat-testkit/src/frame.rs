//! Frames built octet by octet, right ones and wrong ones.

use std::net::{IpAddr, SocketAddr};

/// Length of the part of a HEPv3 packet that says how long it is: magic and total length.
pub const V3_HEADER: usize = 6;

/// One chunk's octets: vendor ID, chunk type, length (of the whole chunk), value.
///
/// # Panics
/// When the value is longer than a chunk can say (65,529 octets).
#[must_use]
pub fn chunk(vendor_id: u16, chunk_type: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 6).expect("a chunk of at most 65,535 octets");
    let mut out = Vec::with_capacity(usize::from(length));
    out.extend_from_slice(&vendor_id.to_be_bytes());
    out.extend_from_slice(&chunk_type.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    out
}

/// A HEPv3 packet around chunks that are given as octets, so that they may be malformed; the total length is right.
///
/// # Panics
/// When the packet is longer than 65,535 octets.
#[must_use]
pub fn v3(chunks: &[Vec<u8>]) -> Vec<u8> {
    let total = V3_HEADER + chunks.iter().map(Vec::len).sum::<usize>();
    let total = u16::try_from(total).expect("a packet of at most 65,535 octets");
    let mut out = Vec::with_capacity(usize::from(total));
    out.extend_from_slice(b"HEP3");
    out.extend_from_slice(&total.to_be_bytes());
    for chunk in chunks {
        out.extend_from_slice(chunk);
    }
    out
}

/// What a capture agent says about a message that it copied.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Meta {
    /// Who sent the captured message. Its family decides the family of the frame.
    pub source: SocketAddr,
    /// Whom it was sent to.
    pub destination: SocketAddr,
    /// IP protocol ID: 17 UDP (default), 6 TCP, 22 TLS.
    pub ip_protocol: u8,
    /// Seconds since 1970.
    pub time_sec: u32,
    /// And microseconds.
    pub time_usec: u32,
    /// Protocol type (0x000b); 1, SIP, by default. HEPv1 and HEPv2 have none.
    pub protocol_type: u8,
    /// Capture agent ID (0x000c). HEPv2 keeps its lower 16 bits, HEPv1 has none.
    pub capture_id: u32,
    /// Authenticate key (0x000e), HEPv3 only.
    pub auth_key: Option<Vec<u8>>,
    /// Internal correlation ID (0x0011), HEPv3 only.
    pub correlation_id: Option<Vec<u8>>,
}

impl Default for Meta {
    /// SIP over UDP between 192.0.2.1:5060 and 192.0.2.2:5080, at a fixed time, from capture agent 2001.
    fn default() -> Self {
        Self {
            source: SocketAddr::from(([192, 0, 2, 1], 5060)),
            destination: SocketAddr::from(([192, 0, 2, 2], 5080)),
            ip_protocol: 17,
            time_sec: 1_700_000_000,
            time_usec: 123_456,
            protocol_type: 1,
            capture_id: 2001,
            auth_key: None,
            correlation_id: None,
        }
    }
}

impl Meta {
    /// The HEPv3 chunks that say this, payload excluded, in the order that most agents use.
    #[must_use]
    pub fn chunks(&self) -> Vec<Vec<u8>> {
        let mut out = vec![
            chunk(0, 0x0001, &[self.family()]),
            chunk(0, 0x0002, &[self.ip_protocol]),
        ];
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                out.push(chunk(0, 0x0003, &source.octets()));
                out.push(chunk(0, 0x0004, &destination.octets()));
            }
            (source, destination) => {
                out.push(chunk(0, 0x0005, &v6_octets(source)));
                out.push(chunk(0, 0x0006, &v6_octets(destination)));
            }
        }
        out.push(chunk(0, 0x0007, &self.source.port().to_be_bytes()));
        out.push(chunk(0, 0x0008, &self.destination.port().to_be_bytes()));
        out.push(chunk(0, 0x0009, &self.time_sec.to_be_bytes()));
        out.push(chunk(0, 0x000a, &self.time_usec.to_be_bytes()));
        out.push(chunk(0, 0x000b, &[self.protocol_type]));
        out.push(chunk(0, 0x000c, &self.capture_id.to_be_bytes()));
        if let Some(key) = &self.auth_key {
            out.push(chunk(0, 0x000e, key));
        }
        if let Some(correlation_id) = &self.correlation_id {
            out.push(chunk(0, 0x0011, correlation_id));
        }
        out
    }

    /// A HEPv3 frame with this and a payload (chunk 0x000f, the last one).
    #[must_use]
    pub fn v3(&self, payload: &[u8]) -> Vec<u8> {
        let mut chunks = self.chunks();
        chunks.push(chunk(0, 0x000f, payload));
        v3(&chunks)
    }

    /// A HEPv2 frame, as little-endian machines write it.
    #[must_use]
    pub fn v2(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = self.v12_head(2);
        out.extend_from_slice(&self.time_sec.to_le_bytes());
        out.extend_from_slice(&self.time_usec.to_le_bytes());
        let [low, high, ..] = self.capture_id.to_le_bytes();
        out.extend_from_slice(&[low, high, 0, 0]);
        out.extend_from_slice(payload);
        out
    }

    /// A HEPv1 frame.
    #[must_use]
    pub fn v1(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = self.v12_head(1);
        out.extend_from_slice(payload);
        out
    }

    fn v12_head(&self, version: u8) -> Vec<u8> {
        let header_length = if self.family() == 2 { 16 } else { 40 };
        let mut out = vec![version, header_length, self.family(), self.ip_protocol];
        out.extend_from_slice(&self.source.port().to_be_bytes());
        out.extend_from_slice(&self.destination.port().to_be_bytes());
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                out.extend_from_slice(&source.octets());
                out.extend_from_slice(&destination.octets());
            }
            (source, destination) => {
                out.extend_from_slice(&v6_octets(source));
                out.extend_from_slice(&v6_octets(destination));
            }
        }
        out
    }

    fn family(&self) -> u8 {
        if self.source.is_ipv4() && self.destination.is_ipv4() {
            2
        } else {
            10
        }
    }
}

fn v6_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A HEPv3 frame around a SIP message, with [`Meta::default`].
#[must_use]
pub fn sip_v3(payload: impl AsRef<[u8]>) -> Vec<u8> {
    Meta::default().v3(payload.as_ref())
}

/// A HEPv2 frame around a SIP message, with [`Meta::default`].
#[must_use]
pub fn sip_v2(payload: impl AsRef<[u8]>) -> Vec<u8> {
    Meta::default().v2(payload.as_ref())
}

/// A HEPv1 frame around a SIP message, with [`Meta::default`].
#[must_use]
pub fn sip_v1(payload: impl AsRef<[u8]>) -> Vec<u8> {
    Meta::default().v1(payload.as_ref())
}

/// A small well-formed SIP request that carries `call_id`, for tests that want to tell messages apart.
#[must_use]
pub fn sip_options(call_id: &str) -> String {
    format!(
        "OPTIONS sip:bob@192.0.2.2:5080 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call_id}\r\n\
         From: <sip:alice@example.com>;tag=a{call_id}\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// What the front of a stream of HEPv3 packets holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split<'a> {
    /// The whole frames.
    pub frames: Vec<&'a [u8]>,
    /// How many octets they take.
    pub taken: usize,
    /// Whether what follows them can still become a frame.
    pub in_sync: bool,
}

/// Splits a stream of HEPv3 packets by their total lengths.
#[must_use]
pub fn split_v3(stream: &[u8]) -> Split<'_> {
    let mut split = Split {
        frames: Vec::new(),
        taken: 0,
        in_sync: true,
    };
    while let Some([magic @ .., high, low]) = stream.get(split.taken..split.taken + V3_HEADER) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if magic != b"HEP3" || length < V3_HEADER {
            split.in_sync = false;
            break;
        }
        let Some(frame) = stream.get(split.taken..split.taken + length) else {
            break;
        };
        split.frames.push(frame);
        split.taken += length;
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_splits_into_the_frames_it_was_made_of() {
        let (one, two) = (sip_v3("one"), sip_v3("two!"));
        let mut stream = [one.clone(), two.clone()].concat();
        let split = split_v3(&stream);
        assert_eq!(split.frames, [&one[..], &two[..]]);
        assert_eq!((split.taken, split.in_sync), (stream.len(), true));
        stream.pop();
        let split = split_v3(&stream);
        assert_eq!(split.frames, [&one[..]]);
        assert_eq!((split.taken, split.in_sync), (one.len(), true));
        stream[one.len()] = b'x';
        assert!(!split_v3(&stream).in_sync);
    }

    #[test]
    fn the_v2_layout_is_the_one_seen_from_kamailio() {
        let frame = Meta {
            source: SocketAddr::from(([127, 0, 0, 2], 5080)),
            destination: SocketAddr::from(([127, 0, 0, 1], 5060)),
            time_sec: 0x6b03_7cd6,
            time_usec: 453_876,
            capture_id: 2002,
            ..Meta::default()
        }
        .v2(b"INVITE");
        let head = [
            0x02, 0x10, 0x02, 0x11, 0x13, 0xd8, 0x13, 0xc4, 127, 0, 0, 2, 127, 0, 0, 1, 0xd6, 0x7c,
            0x03, 0x6b, 0xf4, 0xec, 0x06, 0x00, 0xd2, 0x07, 0, 0,
        ];
        assert_eq!(frame, [&head[..], b"INVITE"].concat());
    }
}
