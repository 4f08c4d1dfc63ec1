//! Codec for HEP.

/// A decoded frame.
#[derive(Debug, Clone)]
pub struct Message<B>(B);

impl<B: AsRef<[u8]>> Message<B> {
    /// The octets.
    pub fn as_frame(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// Why a frame did not decode.
#[derive(Debug, Clone)]
pub struct DecodeError;
