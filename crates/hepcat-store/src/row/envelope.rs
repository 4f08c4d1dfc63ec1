//! The octets of a frame around its payload, from which the frame is made again.

use std::{net::IpAddr, ops::Range};

use smallvec::SmallVec;

use super::{
    columns::Row,
    kind::{Malformed, Reader, put_varint},
};

const MICROSECONDS: i64 = 1_000_000;
/// Octets in front of the value of a chunk, which its length counts.
const CHUNK_HEAD: usize = 6;

/// Where the parts of a frame lie that the row holds elsewhere.
///
/// ```
/// use hepcat_store::{Envelope, Part, Row};
///
/// let frame = b"from \x0a\x00\x00\x01: payload-tail";
/// let mut row = Row::default();
/// row.payload = b"payload";
/// row.src_ip = Some("10.0.0.1");
/// let mut envelope = Vec::new();
/// Envelope::new(frame)
///     .with(Part::Payload, 11..18)
///     .with(Part::SrcIp, 5..9)
///     .encode_into(&row, &mut envelope);
/// row.envelope = &envelope;
/// assert_eq!(row.frame().as_deref(), Some(&frame[..]));
/// ```
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    frame: &'a [u8],
    parts: SmallVec<[(Part, Range<usize>); PARTS]>,
}

/// What the row holds beside the frame. Numbers are big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// `payload`.
    Payload,
    /// Four octets: the seconds since 1970 of `sent_at`, else `claimed_at`.
    Seconds,
    /// Four octets: the microseconds of the same.
    Microseconds,
    /// Four or 16 octets: `src_ip`.
    SrcIp,
    /// Four or 16 octets: `dst_ip`.
    DstIp,
    /// Two octets: `src_port`.
    SrcPort,
    /// Two octets: `dst_port`.
    DstPort,
    /// `correlation_id`.
    CorrelationId,
    /// Two octets: the length of the frame.
    FrameLength,
    /// Two octets: the length of `payload`, and six.
    ChunkLength,
}

/// How many parts there are.
const PARTS: usize = 10;

impl Part {
    const ALL: [Self; PARTS] = [
        Self::Payload,
        Self::Seconds,
        Self::Microseconds,
        Self::SrcIp,
        Self::DstIp,
        Self::SrcPort,
        Self::DstPort,
        Self::CorrelationId,
        Self::FrameLength,
        Self::ChunkLength,
    ];

    /// From 1 on, in the order of the list.
    const fn code(self) -> u8 {
        self as u8 + 1
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// What `row` says in its place, in a frame of `length` octets; `None` where it says nothing.
    fn octets<'a>(self, row: &Row<'a>, length: usize) -> Option<Octets<'a>> {
        let time = || split_time(row.sent_at.or(row.claimed_at)?);
        let number = |number: Option<i32>| {
            let number = u16::try_from(number?).ok()?;
            Some(Octets::made(&number.to_be_bytes()))
        };
        let octets = |count: usize| Some(Octets::made(&u16::try_from(count).ok()?.to_be_bytes()));
        match self {
            Self::Payload => Some(Octets::Held(row.payload)),
            Self::Seconds => Some(Octets::made(&time()?.0.to_be_bytes())),
            Self::Microseconds => Some(Octets::made(&time()?.1.to_be_bytes())),
            Self::SrcIp => address(row.src_ip),
            Self::DstIp => address(row.dst_ip),
            Self::SrcPort => number(row.src_port),
            Self::DstPort => number(row.dst_port),
            Self::CorrelationId => Some(Octets::Held(row.correlation_id?.as_bytes())),
            Self::FrameLength => octets(length),
            Self::ChunkLength => octets(row.payload.len() + CHUNK_HEAD),
        }
    }
}

/// Octets that a row holds, or that are made of what it holds.
enum Octets<'a> {
    Held(&'a [u8]),
    Made(SmallVec<[u8; 16]>),
}

impl Octets<'_> {
    fn made(octets: &[u8]) -> Self {
        Self::Made(SmallVec::from_slice(octets))
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Held(octets) => octets,
            Self::Made(octets) => octets,
        }
    }
}

fn address<'a>(text: Option<&str>) -> Option<Octets<'a>> {
    Some(match text?.parse().ok()? {
        IpAddr::V4(ip) => Octets::made(&ip.octets()),
        IpAddr::V6(ip) => Octets::made(&ip.octets()),
    })
}

impl<'a> Envelope<'a> {
    /// The envelope of a frame that holds all of it.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self {
            frame,
            parts: SmallVec::new(),
        }
    }

    /// The octets in `range` are what the row holds as `part`. Where they turn out to be others, they are kept as
    /// they are.
    #[must_use]
    pub fn with(mut self, part: Part, range: Range<usize>) -> Self {
        self.add(part, range);
        self
    }

    /// The same in place.
    pub fn add(&mut self, part: Part, range: Range<usize>) {
        self.parts.push((part, range));
    }

    /// Appends what goes into column `envelope` of `row`, of which everything else is filled in. Ranges that overlap
    /// leave the frame whole.
    pub fn encode_into(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let is_held = |(part, range): &&(Part, Range<usize>)| {
            let octets = part.octets(row, self.frame.len());
            let here = self.frame.get(range.clone());
            here.is_some() && octets.as_ref().map(Octets::get) == here
        };
        let mut holes: SmallVec<[(Part, Range<usize>); PARTS]> =
            self.parts.iter().filter(is_held).cloned().collect();
        holes.sort_unstable_by_key(|(_, range)| (range.start, range.end));
        let apart = holes
            .windows(2)
            .all(|pair| matches!(pair, [(_, one), (_, next)] if one.end <= next.start));
        if !apart || u8::try_from(holes.len()).is_err() {
            holes.clear();
        }
        out.push(u8::try_from(holes.len()).unwrap_or_default());
        let mut from = 0;
        for (part, range) in &holes {
            out.push(part.code());
            put_varint((range.start - from) as u64, out);
            from = range.end;
        }
        from = 0;
        for (_, range) in &holes {
            out.extend_from_slice(self.frame.get(from..range.start).unwrap_or_default());
            from = range.end;
        }
        out.extend_from_slice(self.frame.get(from..).unwrap_or_default());
    }
}

/// The frame of a row again. `None` where its `envelope` is none.
pub(super) fn rebuild(row: &Row<'_>) -> Option<Vec<u8>> {
    read(row).ok()
}

fn read(row: &Row<'_>) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(row.envelope);
    let &[count] = reader.take(1)? else {
        return Err(Malformed);
    };
    let mut holes: SmallVec<[(Part, usize); PARTS]> = SmallVec::new();
    for _ in 0..count {
        let &[code] = reader.take(1)? else {
            return Err(Malformed);
        };
        let gap = usize::try_from(reader.varint()?).map_err(|_too_long| Malformed)?;
        holes.push((Part::of_code(code).ok_or(Malformed)?, gap));
    }
    let kept = reader.rest();
    // The length of the frame is known once all but itself is: it takes two octets wherever it stands.
    let mut length = kept.len();
    for (part, _) in &holes {
        length += match part {
            Part::FrameLength => 2,
            part => part.octets(row, 0).ok_or(Malformed)?.get().len(),
        };
    }
    let mut rest = Reader::new(kept);
    let mut frame = Vec::with_capacity(length);
    for (part, gap) in holes {
        frame.extend_from_slice(rest.take(gap)?);
        frame.extend_from_slice(part.octets(row, length).ok_or(Malformed)?.get());
    }
    frame.extend_from_slice(rest.rest());
    Ok(frame)
}

fn split_time(time: i64) -> Option<(u32, u32)> {
    let seconds = u32::try_from(time.div_euclid(MICROSECONDS)).ok()?;
    let microseconds = u32::try_from(time.rem_euclid(MICROSECONDS)).ok()?;
    Some((seconds, microseconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row that says all that a part can be made of.
    fn row<'a>(payload: &'a [u8], time: Option<i64>, ips: [&'a str; 2], id: &'a str) -> Row<'a> {
        Row {
            payload,
            sent_at: time,
            src_ip: Some(ips[0]),
            dst_ip: Some(ips[1]),
            src_port: Some(5060),
            dst_port: Some(65_535),
            correlation_id: Some(id),
            ..Row::default()
        }
    }

    /// A frame of pieces, and where its parts are.
    fn frame(row: &Row<'_>, pieces: &[(Vec<u8>, usize)]) -> (Vec<u8>, Vec<(Part, Range<usize>)>) {
        // As long as it will be: the length stands in it.
        let parts = || pieces.iter().filter_map(|(_, part)| Part::ALL.get(*part));
        let kept: usize = pieces.iter().map(|(octets, _)| octets.len()).sum();
        let of_part = |part: &Part| match part {
            Part::FrameLength => 2,
            part => part.octets(row, 0).map_or(0, |octets| octets.get().len()),
        };
        let length = kept + parts().map(of_part).sum::<usize>();
        let (mut frame, mut places) = (Vec::new(), Vec::new());
        for (octets, part) in pieces {
            frame.extend_from_slice(octets);
            if let Some(part) = Part::ALL.get(*part)
                && let Some(octets) = part.octets(row, length)
            {
                let from = frame.len();
                frame.extend_from_slice(octets.get());
                places.push((*part, from..frame.len()));
            }
        }
        (frame, places)
    }

    fn enveloped(frame: &[u8], places: &[(Part, Range<usize>)], row: &Row<'_>) -> Vec<u8> {
        let envelope = places
            .iter()
            .fold(Envelope::new(frame), |envelope, (part, range)| {
                envelope.with(*part, range.clone())
            });
        let mut out = Vec::new();
        envelope.encode_into(row, &mut out);
        out
    }

    proptest! {
        #[test]
        fn what_the_row_holds_is_not_in_the_envelope_and_the_frame_is_made_again(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9), 0_usize..12), 0..9),
            payload in proptest::collection::vec(any::<u8>(), 0..50),
            time in proptest::option::of(0_i64..4_000_000_000_000_000),
            ips in proptest::sample::select(vec![["10.0.0.1", "2001:db8::1"], ["::", "name"]]),
            id in "[a-z@]{0,9}",
        ) {
            let mut row = row(&payload, time, ips, &id);
            let (frame, places) = frame(&row, &pieces);
            let envelope = enveloped(&frame, &places, &row);
            let kept: usize = pieces.iter().map(|(octets, _)| octets.len()).sum();
            prop_assert!(envelope.len() <= 1 + 3 * places.len() + kept);
            row.envelope = &envelope;
            prop_assert_eq!(rebuild(&row), Some(frame));
        }

        #[test]
        fn claims_that_are_wrong_cost_nothing(
            frame in proptest::collection::vec(any::<u8>(), 0..200),
            places in proptest::collection::vec((0_usize..PARTS, 0_usize..220, 0_usize..30), 0..12),
        ) {
            let places: Vec<_> = places
                .into_iter()
                .map(|(part, from, length)| (Part::ALL[part], from..from + length))
                .collect();
            let mut row = row(b"payload", Some(5), ["10.0.0.1", "10.0.0.2"], "x");
            let envelope = enveloped(&frame, &places, &row);
            row.envelope = &envelope;
            prop_assert_eq!(rebuild(&row), Some(frame));
        }

        #[test]
        fn any_octets_are_refused_or_read(envelope: Vec<u8>, payload: Vec<u8>) {
            let mut row = row(&payload, Some(1), ["10.0.0.1", "::"], "x");
            row.envelope = &envelope;
            drop(rebuild(&row));
        }
    }
}
