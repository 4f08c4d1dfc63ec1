//! Octets that hold HEP frames one after the other, taken apart so that a bad frame costs no good one.
//!
//! The deframer of a listener closes or throws away; here the octets between good frames are evidence and
//! are given out as well.

use memchr::memmem;

use super::content::{self, Gzip, MAX_FRAME};

/// How far the next frame is looked for before the octets in between are given out.
const LOOK_AHEAD: usize = 2 * 65_536;

/// Where the octets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A file of frames: octets behind a frame that start no other belong to it, and a first octet 1 or 2
    /// makes the whole of it one HEPv1 or v2 datagram.
    Dump,
    /// A TCP stream: frames are given out as soon as they are whole.
    Stream,
}

/// One frame, or octets that are none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Of the first octet, counted from the start of the input.
    pub(super) offset: u64,
    pub(super) octets: Vec<u8>,
    /// The frame came as a gzip member; these octets are what was inside.
    pub(super) gzipped: bool,
}

/// Takes a run of octets apart.
#[derive(Debug)]
pub(super) struct FrameSplitter {
    source: Source,
    buffer: Vec<u8>,
    /// Octets of `buffer` that were given out.
    taken: usize,
    /// Offset of the first octet of `buffer`.
    base: u64,
    /// Octets still to come of a frame that was cut by a hole.
    skip: usize,
}

impl FrameSplitter {
    pub(super) fn new(source: Source, base: u64) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            taken: 0,
            base,
            skip: 0,
        }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.taken);
        self.base += self.taken as u64;
        self.taken = 0;
        let skipped = self.skip.min(octets.len());
        self.skip -= skipped;
        self.base += skipped as u64;
        self.buffer
            .extend_from_slice(octets.get(skipped..).unwrap_or_default());
    }

    /// Says that so many octets of the stream are missing behind what was pushed (0: nobody knows how many).
    /// What is there of a frame comes out with `next(true)`, which must follow; its tail does not.
    pub(super) fn hole(&mut self, missing: u64) {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        self.skip = match missing {
            0 => 0,
            _ => self.to_come().saturating_sub(missing),
        };
    }

    /// Octets that the last frame still lacks.
    fn to_come(&self) -> usize {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        match rest.get(4..6) {
            Some(&[high, low]) if content::is_hep3(rest) => {
                usize::from(u16::from_be_bytes([high, low])).saturating_sub(rest.len())
            }
            _ => self.skip,
        }
    }

    /// Offset of the first octet that was not given out.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// Octets that wait for more.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// The next piece, or `None` when more octets are needed (at the end: when nothing is left).
    pub(super) fn next(&mut self, at_end: bool) -> Option<Piece> {
        self.skip_keep_alives();
        let rest = self.buffer.get(self.taken..)?;
        if rest.is_empty() {
            return None;
        }
        let cut = if content::is_hep3(rest) {
            self.hep3(rest, at_end)?
        } else if self.source == Source::Dump && self.is_first() && matches!(rest, [1 | 2, ..]) {
            datagram(rest, at_end)?
        } else {
            match content::gzip(rest) {
                Gzip::Message { frame, consumed } => Cut::inflated(consumed, frame),
                Gzip::Incomplete if !at_end && rest.len() <= MAX_FRAME => return None,
                Gzip::Incomplete | Gzip::No => garbage(rest, at_end)?,
            }
        };
        let offset = self.offset();
        let gzipped = cut.inflated.is_some();
        let octets = match cut.inflated {
            Some(frame) => frame,
            None => rest.get(..cut.length).unwrap_or(rest).to_vec(),
        };
        self.taken += cut.length;
        Some(Piece {
            offset,
            octets,
            gzipped,
        })
    }

    fn is_first(&self) -> bool {
        self.base == 0 && self.taken == 0
    }

    fn skip_keep_alives(&mut self) {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let blank = rest.iter().take_while(|o| matches!(o, b'\r' | b'\n' | 0));
        self.taken += blank.count();
    }

    fn hep3(&self, rest: &[u8], at_end: bool) -> Option<Cut> {
        let Some(&[high, low]) = rest.get(4..6) else {
            return at_end.then(|| Cut::plain(rest.len()));
        };
        let total = usize::from(u16::from_be_bytes([high, low]));
        if total < 6 {
            return garbage(rest, at_end);
        }
        if rest.len() < total {
            // The octets that are there may hold a good frame behind a length that lies.
            return at_end.then(|| Cut::plain(next_start(rest, 4).unwrap_or(rest.len())));
        }
        if self.source == Source::Stream {
            return Some(Cut::plain(total));
        }
        let behind = rest.get(total..).unwrap_or_default();
        if behind.len() < 4 && !at_end {
            return None;
        }
        if behind.is_empty() || content::is_hep3(behind) || behind.starts_with(&[0x1f, 0x8b]) {
            return Some(Cut::plain(total));
        }
        match next_start(rest, total) {
            Some(next) => Some(Cut::plain(next)),
            None if at_end => Some(Cut::plain(rest.len())),
            None => (behind.len() >= LOOK_AHEAD).then(|| Cut::plain(total)),
        }
    }
}

/// How much of the octets the next piece is.
struct Cut {
    length: usize,
    inflated: Option<Vec<u8>>,
}

impl Cut {
    fn plain(length: usize) -> Self {
        Self {
            length,
            inflated: None,
        }
    }

    fn inflated(length: usize, frame: Vec<u8>) -> Self {
        Self {
            length,
            inflated: Some(frame),
        }
    }
}

/// HEPv1 and v2 say no length: the datagram is all there is.
fn datagram(rest: &[u8], at_end: bool) -> Option<Cut> {
    (at_end || rest.len() >= LOOK_AHEAD).then(|| Cut::plain(rest.len()))
}

/// Everything up to what looks like a frame.
fn garbage(rest: &[u8], at_end: bool) -> Option<Cut> {
    match next_start(rest, 1) {
        Some(next) => Some(Cut::plain(next)),
        None if at_end => Some(Cut::plain(rest.len())),
        // The last octets may be the start of a magic.
        None => (rest.len() >= LOOK_AHEAD).then(|| Cut::plain(rest.len() - 3)),
    }
}

fn next_start(rest: &[u8], from: usize) -> Option<usize> {
    let tail = rest.get(from..)?;
    memmem::find(tail, b"HEP3").map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(12 + payload.len()).unwrap();
        let chunk = u16::try_from(6 + payload.len()).unwrap();
        let mut octets = b"HEP3".to_vec();
        octets.extend_from_slice(&total.to_be_bytes());
        octets.extend_from_slice(&[0, 0, 0, 15]);
        octets.extend_from_slice(&chunk.to_be_bytes());
        octets.extend_from_slice(payload);
        octets
    }

    fn split(source: Source, octets: &[u8], step: usize) -> Vec<Piece> {
        let mut splitter = FrameSplitter::new(source, 0);
        let mut pieces = Vec::new();
        for part in octets.chunks(step) {
            splitter.push(part);
            while let Some(piece) = splitter.next(false) {
                pieces.push(piece);
            }
        }
        while let Some(piece) = splitter.next(true) {
            pieces.push(piece);
        }
        pieces
    }

    #[test]
    fn the_split_of_the_reads_does_not_matter() {
        let mut octets = Vec::new();
        for n in 0..5 {
            octets.extend_from_slice(&frame(&[n; 40]));
        }
        for source in [Source::Dump, Source::Stream] {
            let whole = split(source, &octets, octets.len());
            assert_eq!(whole.len(), 5);
            assert_eq!(whole[4].offset, 4 * 52);
            for step in [1, 2, 3, 7, 51, 52, 53] {
                assert_eq!(split(source, &octets, step), whole, "{source:?} by {step}");
            }
        }
    }

    #[test]
    fn garbage_between_frames_costs_neither() {
        let mut octets = frame(b"one");
        octets.extend_from_slice(b"\x07garbage");
        octets.extend_from_slice(&frame(b"two"));
        let pieces = split(Source::Stream, &octets, 4);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0].octets, frame(b"one"));
        assert_eq!(pieces[1].octets, b"\x07garbage");
        assert_eq!(pieces[2].octets, frame(b"two"));
        // In a dump it is what came behind the first datagram's declared end.
        let pieces = split(Source::Dump, &octets, 4);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].octets.len(), frame(b"one").len() + 8);
    }

    #[test]
    fn a_length_that_lies_does_not_swallow_the_next_frame() {
        let mut octets = b"HEP3\x00\x03".to_vec();
        octets.extend_from_slice(&frame(b"good"));
        octets.extend_from_slice(b"HEP3\xff\xff\x00");
        octets.extend_from_slice(&frame(b"also good"));
        let pieces = split(Source::Dump, &octets, 5);
        let lengths: Vec<_> = pieces.iter().map(|p| p.octets.len()).collect();
        assert_eq!(lengths, [6, 16, 7, 21]);
    }

    #[test]
    fn a_datagram_without_length_is_the_whole_dump() {
        let octets = [b"\x02\x10".as_slice(), &[7; 90], b"HEP3"].concat();
        let pieces = split(Source::Dump, &octets, 10);
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].octets, octets);
    }
}
