//! Where a field stands in the payload.

/// A range of the payload. A header field never starts at 0, so the default stands for "absent".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Offsets are at most [`MAX_HEAD`](crate::line::MAX_HEAD), which fits.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: offset(start),
            end: offset(end),
        }
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The octets, `None` where there are none.
    #[inline]
    pub(crate) fn of(self, payload: &[u8]) -> Option<&[u8]> {
        payload
            .get(usize::from(self.start)..usize::from(self.end))
            .filter(|octets| !octets.is_empty())
    }
}

/// An offset as it is stored.
#[inline]
pub(crate) fn offset(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
