//! Buffers that are filled again instead of being freed: to touch memory for the first time costs more than to fill it.

use arrow::buffer::Buffer;
use bytes::Bytes;
use parking_lot::Mutex;

/// Frames that are being made, and those in the log's hands: a few.
pub(super) static FRAMES: Spare = Spare::new(8 << 20);
/// Large columns. They come free together, when a generation is written, and are needed one by one by the next.
pub(super) static COLUMNS: Spare = Spare::new(32 << 20);

/// Buffers that wait to be filled again.
#[derive(Debug)]
pub(super) struct Spare {
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Octets that they have together at most, about.
    most: usize,
}

impl Spare {
    const fn new(most: usize) -> Self {
        Self {
            buffers: Mutex::new(Vec::new()),
            most,
        }
    }

    /// An empty buffer with room for `octets`.
    pub(super) fn take(&self, octets: usize) -> Vec<u8> {
        let mut buffer = self.buffers.lock().pop().unwrap_or_default();
        if buffer.capacity() < octets {
            // What is too small is given up: to enlarge it would copy it.
            buffer = Vec::with_capacity(octets);
        }
        buffer
    }

    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut buffers = self.buffers.lock();
        let kept: usize = buffers.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= self.most {
            buffers.push(buffer);
        }
    }

    /// Frees one, if there is one: where little comes, nothing waits for more for long.
    pub(super) fn release(&self) {
        let released = self.buffers.lock().pop();
        drop(released);
    }
}

/// A large column's octets: the buffer goes back when nobody needs them any more.
pub(super) fn column(octets: Vec<u8>) -> Buffer {
    Bytes::from_owner(Lent(octets)).into()
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        COLUMNS.give(std::mem::take(&mut self.0));
    }
}
