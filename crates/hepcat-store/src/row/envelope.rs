//! The octets of a frame around its payload, from which the frame is made again.

use std::ops::Range;

use super::kind::{Malformed, Reader, put_varint};

const MICROSECONDS: i64 = 1_000_000;

/// Where the parts of a frame lie that the row holds elsewhere.
///
/// ```
/// use hepcat_store::Envelope;
///
/// let frame = b"head-payload-tail";
/// let envelope = Envelope::new(frame).payload(5..12).encode(None);
/// assert_eq!(Envelope::rebuild(&envelope, b"payload", None).as_deref(), Some(&frame[..]));
/// ```
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    frame: &'a [u8],
    payload: Option<Range<usize>>,
    seconds_at: Option<usize>,
    microseconds_at: Option<usize>,
}

impl<'a> Envelope<'a> {
    /// The envelope of a frame that holds all of it.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self {
            frame,
            payload: None,
            seconds_at: None,
            microseconds_at: None,
        }
    }

    /// The octets in `range` are what the row holds as `payload`, unchanged.
    #[must_use]
    pub fn payload(mut self, range: Range<usize>) -> Self {
        self.payload = Some(range);
        self
    }

    /// Four octets, big-endian, are the seconds since 1970 and four others the microseconds of the time that the
    /// row holds as `sent_at` or `claimed_at`. Where the octets say something else they are kept as they are.
    #[must_use]
    pub fn time(mut self, seconds_at: usize, microseconds_at: usize) -> Self {
        self.seconds_at = Some(seconds_at);
        self.microseconds_at = Some(microseconds_at);
        self
    }

    /// What goes into column `envelope`. `time` is that of the row: `sent_at`, else `claimed_at`. Ranges that do
    /// not lie in the frame, or overlap, leave the frame whole.
    #[must_use]
    pub fn encode(&self, time: Option<i64>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.frame.len().min(256));
        self.encode_into(time, &mut out);
        out
    }

    /// The same, appended to `out`.
    pub fn encode_into(&self, time: Option<i64>, out: &mut Vec<u8>) {
        let mut holes: [(usize, usize, Hole); 3] = [(usize::MAX, 0, Hole::Payload); 3];
        let mut count = 0;
        let mut add = |at: usize, length: usize, hole: Hole| {
            if let Some(slot) = holes.get_mut(count) {
                *slot = (at, length, hole);
                count += 1;
            }
        };
        if let Some(range) = &self.payload
            && range.start <= range.end
            && range.end <= self.frame.len()
        {
            add(range.start, range.len(), Hole::Payload);
        }
        if let Some((seconds, microseconds)) = time.and_then(split_time)
            && let (Some(seconds_at), Some(microseconds_at)) =
                (self.seconds_at, self.microseconds_at)
            && self.holds(seconds_at, seconds)
            && self.holds(microseconds_at, microseconds)
        {
            add(seconds_at, 4, Hole::Seconds);
            add(microseconds_at, 4, Hole::Microseconds);
        }
        holes.sort_unstable_by_key(|(at, ..)| *at);
        let holes = holes.get(..count).unwrap_or_default();
        let apart = holes
            .windows(2)
            .all(|pair| matches!(pair, [(at, length, _), (next, ..)] if at + length <= *next));
        let holes = if apart { holes } else { &[] };
        out.push(u8::try_from(holes.len()).unwrap_or_default());
        let mut from = 0;
        for (at, length, hole) in holes {
            out.push(hole.code());
            put_varint((at - from) as u64, out);
            from = at + length;
        }
        from = 0;
        for (at, length, _) in holes {
            out.extend_from_slice(self.frame.get(from..*at).unwrap_or_default());
            from = at + length;
        }
        out.extend_from_slice(self.frame.get(from..).unwrap_or_default());
    }

    /// The frame again, from the columns `envelope` and `payload` and the time that [`encode`](Self::encode) was
    /// given. `None` where the octets are no envelope.
    #[must_use]
    pub fn rebuild(envelope: &[u8], payload: &[u8], time: Option<i64>) -> Option<Vec<u8>> {
        rebuild(envelope, payload, time).ok()
    }

    fn holds(&self, at: usize, number: u32) -> bool {
        at.checked_add(4)
            .and_then(|end| self.frame.get(at..end))
            .is_some_and(|octets| octets == number.to_be_bytes())
    }
}

#[derive(Debug, Clone, Copy)]
enum Hole {
    Payload,
    Seconds,
    Microseconds,
}

impl Hole {
    const fn code(self) -> u8 {
        match self {
            Self::Payload => 1,
            Self::Seconds => 2,
            Self::Microseconds => 3,
        }
    }
}

fn split_time(time: i64) -> Option<(u32, u32)> {
    let seconds = u32::try_from(time.div_euclid(MICROSECONDS)).ok()?;
    let microseconds = u32::try_from(time.rem_euclid(MICROSECONDS)).ok()?;
    Some((seconds, microseconds))
}

fn rebuild(envelope: &[u8], payload: &[u8], time: Option<i64>) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(envelope);
    let &[count] = reader.take(1)? else {
        return Err(Malformed);
    };
    let mut holes = Vec::with_capacity(usize::from(count.min(8)));
    for _ in 0..count {
        let &[code] = reader.take(1)? else {
            return Err(Malformed);
        };
        let gap = usize::try_from(reader.varint()?).map_err(|_too_long| Malformed)?;
        holes.push((code, gap));
    }
    let mut rest = Reader::new(reader.rest());
    let mut frame = Vec::with_capacity(envelope.len() + payload.len() + 8);
    for (code, gap) in holes {
        frame.extend_from_slice(rest.take(gap)?);
        let split = || time.and_then(split_time).ok_or(Malformed);
        match code {
            1 => frame.extend_from_slice(payload),
            2 => frame.extend_from_slice(&split()?.0.to_be_bytes()),
            3 => frame.extend_from_slice(&split()?.1.to_be_bytes()),
            _ => return Err(Malformed),
        }
    }
    frame.extend_from_slice(rest.rest());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_frame_is_made_again(
            frame in proptest::collection::vec(any::<u8>(), 0..200),
            from in 0_usize..220,
            length in 0_usize..100,
            seconds_at in 0_usize..220,
            microseconds_at in 0_usize..220,
            time in proptest::option::of(0_i64..4_000_000_000_000_000),
            honest: bool,
        ) {
            let mut frame = frame;
            if honest && let Some((seconds, microseconds)) = time.and_then(split_time) {
                for (at, number) in [(seconds_at, seconds), (microseconds_at, microseconds)] {
                    if let Some(octets) = frame.get_mut(at..at + 4) {
                        octets.copy_from_slice(&number.to_be_bytes());
                    }
                }
            }
            let range = from..from + length;
            let payload = frame.get(range.clone()).unwrap_or_default().to_vec();
            let envelope = Envelope::new(&frame)
                .payload(range)
                .time(seconds_at, microseconds_at)
                .encode(time);
            prop_assert_eq!(Envelope::rebuild(&envelope, &payload, time), Some(frame));
        }

        #[test]
        fn any_octets_are_refused_or_read(envelope: Vec<u8>, payload: Vec<u8>) {
            drop(Envelope::rebuild(&envelope, &payload, Some(1)));
        }
    }
}
