//! What every message of the load carries so that the sink knows it again.

/// Hexadecimal digits at the end of each payload: 4 of the sender, 12 of the sequence number.
pub(super) const DIGITS: usize = 16;

/// Who sent a message, as which number, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The sender's number.
    pub sender: u16,
    /// Number of the message among those of its sender, from 0, without gaps; 48 bits.
    pub sequence: u64,
    /// When it was handed to the socket, in microseconds since 1970.
    pub sent_micros: u64,
}

impl Mark {
    /// Reads the mark of a HEPv2 or HEPv3 frame; `None` where the frame is not one of the generator's.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let (payload, seconds, micros) = match frame {
            [b'H', b'E', b'P', b'3', ..] => v3_parts(frame)?,
            [2, _, 2, ..] => (
                frame.get(28..)?,
                u32::from_le_bytes(*frame.get(16..)?.first_chunk()?),
                u32::from_le_bytes(*frame.get(20..)?.first_chunk()?),
            ),
            _ => return None,
        };
        let payload = payload.trim_ascii_end();
        let digits: &[u8; DIGITS] = payload.last_chunk()?;
        let mut number = 0;
        for digit in digits {
            number = number << 4 | u64::from(nibble(*digit)?);
        }
        Some(Self {
            sender: u16::try_from(number >> 48).ok()?,
            sequence: number & 0xffff_ffff_ffff,
            sent_micros: u64::from(seconds) * 1_000_000 + u64::from(micros),
        })
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Payload, seconds and microseconds of a HEPv3 frame, wherever its chunks stand.
fn v3_parts(frame: &[u8]) -> Option<(&[u8], u32, u32)> {
    let (mut payload, mut seconds, mut micros) = (None, None, None);
    let mut rest = frame.get(6..)?;
    while let Some(head) = rest.first_chunk::<6>() {
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let value = rest.get(6..length)?;
        match head[..4] {
            [0, 0, 0, 0x09] => seconds = value.first_chunk().copied(),
            [0, 0, 0, 0x0a] => micros = value.first_chunk().copied(),
            [0, 0, 0, 0x0f] => payload = Some(value),
            _ => {}
        }
        rest = &rest[length..];
    }
    Some((
        payload?,
        u32::from_be_bytes(seconds?),
        u32::from_be_bytes(micros?),
    ))
}
