//! From a stream of octets to frames. Only version 3 can be framed; its total length is all there is to go by.

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    chunk::{CHUNK_HEADER, FRAME_HEADER},
    error::{DecodeError, DecodeErrorKind},
    version::{MAGICS, is_keep_alive},
};

const HEADER: usize = FRAME_HEADER as usize;
/// What HFP says when it connects.
const GREETING: &[u8] = b"HELLO HFP";

/// What to do about octets that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnGarbage {
    /// The stream is of no further use: every later call gives the same error.
    #[default]
    Close,
    /// Report it once, then look for the next frame that can be one.
    Resync,
}

/// Settings of a [`Deframer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeframerConfig {
    max_frame: usize,
    on_garbage: OnGarbage,
    read_size: usize,
}

impl DeframerConfig {
    /// Longest frame accepted, in octets; 65,535 by default, which is all that the length field can say.
    #[must_use]
    pub const fn max_frame(self, max_frame: usize) -> Self {
        Self { max_frame, ..self }
    }

    /// What to do about octets that are no frame; close by default.
    #[must_use]
    pub const fn on_garbage(self, on_garbage: OnGarbage) -> Self {
        Self { on_garbage, ..self }
    }

    /// Room that [`Deframer::buffer_mut`] offers at least, in octets; 16 KiB by default: some twenty frames a read,
    /// and little enough for thousands of connections.
    #[must_use]
    pub const fn read_size(self, read_size: usize) -> Self {
        Self { read_size, ..self }
    }
}

impl Default for DeframerConfig {
    fn default() -> Self {
        Self {
            max_frame: usize::from(u16::MAX),
            on_garbage: OnGarbage::Close,
            read_size: 16 * 1024,
        }
    }
}

/// Cuts a stream into frames, however it was cut into reads.
///
/// Read into [`buffer_mut`](Self::buffer_mut), then take frames until there is none. What stays buffered between
/// two reads is less than one frame. CR, LF and NUL between frames, and the greeting of HFP, are passed over.
///
/// ```
/// use hepcat_wire::Deframer;
/// # fn main() -> Result<(), hepcat_wire::DecodeError> {
/// let mut deframer = Deframer::default();
/// deframer.buffer_mut().extend_from_slice(b"HEP3\x00\x06HEP3\x00");
/// assert_eq!(deframer.next_frame()?.as_deref(), Some(&b"HEP3\x00\x06"[..]));
/// assert_eq!(deframer.next_frame()?, None);
/// assert!(deframer.is_mid_frame());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Deframer {
    config: DeframerConfig,
    buffer: BytesMut,
    state: State,
    skipped: u64,
    keep_alives: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a frame, or within one.
    InStep,
    /// Looking for a frame.
    Searching,
    /// Out of step for good.
    Closed(DecodeError),
}

impl Deframer {
    /// A deframer at the start of a stream.
    #[must_use]
    pub fn new(config: DeframerConfig) -> Self {
        Self {
            config,
            buffer: BytesMut::new(),
            state: State::InStep,
            skipped: 0,
            keep_alives: 0,
        }
    }

    /// The buffer to read into, with room for at least one read. Only add to its end.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < self.config.read_size {
            self.buffer.reserve(self.config.read_size);
        }
        &mut self.buffer
    }

    /// The next frame, copied out at its exact size; `None` until more is read.
    ///
    /// # Errors
    /// `UnknownFormat` where a frame should start and its magic does not, as soon as one octet says so;
    /// `BadTotalLength` below 6; `TooLarge` above the limit. With [`OnGarbage::Close`] the same error is given ever
    /// after. With [`OnGarbage::Resync`] it is given once and the next call goes on.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        if self.state == State::Searching {
            self.search();
        }
        match self.state {
            State::Closed(error) => return Err(error),
            State::Searching => return Ok(None),
            State::InStep => {}
        }
        self.skip_keep_alives();
        match self.frame_length() {
            Ok(Some(length)) if length <= self.buffer.len() => {
                let frame = self.buffer.get(..length).map(Bytes::copy_from_slice);
                self.buffer.advance(length);
                Ok(frame)
            }
            Ok(_) => Ok(None),
            Err(error) => {
                self.out_of_step(error);
                Err(error)
            }
        }
    }

    /// Whether the stream stands within a frame, so that its end now would cut one.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.state == State::InStep && !self.buffer.is_empty()
    }

    /// Octets buffered.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Octets that were no part of a frame and were passed over or thrown away, keep-alives not counted.
    #[must_use]
    pub const fn skipped_octets(&self) -> u64 {
        self.skipped
    }

    /// Octets of keep-alives that were passed over.
    #[must_use]
    pub const fn keep_alive_octets(&self) -> u64 {
        self.keep_alives
    }

    /// Whether the stream is out of step for good.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    fn skip_keep_alives(&mut self) {
        loop {
            let blank = self
                .buffer
                .iter()
                .take_while(|octet| is_keep_alive(**octet));
            let mut skip = blank.count();
            if skip == 0 && self.buffer.starts_with(GREETING) {
                skip = GREETING.len();
            }
            if skip == 0 {
                return;
            }
            self.buffer.advance(skip);
            self.keep_alives = self.keep_alives.saturating_add(skip as u64);
        }
    }

    /// Length of the frame that the buffer starts with, as soon as its header is there.
    fn frame_length(&self) -> Result<Option<usize>, DecodeError> {
        let up_to = |end| self.buffer.get(..end).unwrap_or(&self.buffer);
        if !MAGICS.iter().any(|known| known.starts_with(up_to(4))) {
            if GREETING.starts_with(up_to(GREETING.len())) {
                return Ok(None);
            }
            return Err(DecodeError::new(DecodeErrorKind::UnknownFormat, 0));
        }
        let &[_, _, _, _, t1, t2] = up_to(HEADER) else {
            return Ok(None);
        };
        let total = usize::from(u16::from_be_bytes([t1, t2]));
        if total < HEADER {
            return Err(DecodeError::new(DecodeErrorKind::BadTotalLength, 4).lengths(HEADER, total));
        }
        if total > self.config.max_frame {
            return Err(DecodeError::new(DecodeErrorKind::TooLarge, 4)
                .lengths(self.config.max_frame, total));
        }
        Ok(Some(total))
    }

    fn out_of_step(&mut self, error: DecodeError) {
        match self.config.on_garbage {
            OnGarbage::Close => {
                self.skipped = self.skipped.saturating_add(self.buffer.len() as u64);
                self.buffer.clear();
                self.state = State::Closed(error);
            }
            OnGarbage::Resync => {
                // Whatever the buffer starts with is no frame, even if it has the magic of one.
                self.skip(1);
                self.state = State::Searching;
            }
        }
    }

    fn skip(&mut self, octets: usize) {
        self.buffer.advance(octets.min(self.buffer.len()));
        self.skipped = self.skipped.saturating_add(octets as u64);
    }

    /// Throws away octets up to the next that can be a frame. A magic within some payload is told from one by the
    /// lengths that follow it: total and first chunk must agree.
    fn search(&mut self) {
        let mut from = 0;
        loop {
            let rest = self.buffer.get(from..).unwrap_or_default();
            // Every magic starts with H or E.
            let Some(found) = memchr::memchr2(b'H', b'E', rest) else {
                self.skip(self.buffer.len());
                return;
            };
            from += found;
            let candidate = self.buffer.get(from..).unwrap_or_default();
            match judge(candidate, self.config.max_frame) {
                Candidate::Frame => {
                    self.skip(from);
                    self.state = State::InStep;
                    return;
                }
                Candidate::Undecided => {
                    self.skip(from);
                    return;
                }
                Candidate::None => from += 1,
            }
        }
    }
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new(DeframerConfig::default())
    }
}

enum Candidate {
    Frame,
    Undecided,
    None,
}

fn judge(octets: &[u8], max_frame: usize) -> Candidate {
    let chunk_header = usize::from(CHUNK_HEADER);
    let magic = octets.get(..4).unwrap_or(octets);
    if !MAGICS.iter().any(|known| known.starts_with(magic)) {
        return Candidate::None;
    }
    let Some(&[_, _, _, _, t1, t2]) = octets.first_chunk::<HEADER>() else {
        return Candidate::Undecided;
    };
    let total = usize::from(u16::from_be_bytes([t1, t2]));
    if total < HEADER + chunk_header || total > max_frame {
        return Candidate::None;
    }
    let Some(&[.., l1, l2]) = octets.first_chunk::<12>() else {
        return Candidate::Undecided;
    };
    let chunk = usize::from(u16::from_be_bytes([l1, l2]));
    if chunk < chunk_header || chunk > total - HEADER {
        return Candidate::None;
    }
    Candidate::Frame
}
