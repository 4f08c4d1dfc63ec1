//! One place that messages of our own are sent to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use bytes::Bytes;
use hepcat_wire::{SizeLimit, Version};

use super::{Format, Mode, PackError, PackRequest, pack};
use crate::{Destination, Transport};

/// A destination, and how messages for it are packed. Its name is the destination's.
#[derive(Debug, Clone)]
#[must_use]
pub struct HepId {
    destination: Arc<Destination>,
    version: Version,
    format: Format,
    mode: Mode,
    capture_id: u32,
    key: Vec<u8>,
    compressed: bool,
    refused: Arc<AtomicU64>,
}

impl HepId {
    /// Version 3, HOMER 5 with a colon, capture agent ID 1: the documented defaults of OpenSIPS.
    pub fn new(destination: Arc<Destination>) -> Self {
        Self {
            destination,
            version: Version::V3,
            format: Format::default(),
            mode: Mode::Correct,
            capture_id: 1,
            key: Vec::new(),
            compressed: false,
            refused: Arc::default(),
        }
    }

    /// HEP version. 1 and 2 have no length and travel over UDP only.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// How parts are written.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Whether defects of the original are reproduced.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Capture agent ID of messages that have none of their own.
    pub fn capture_id(mut self, capture_id: u32) -> Self {
        self.capture_id = capture_id;
        self
    }

    /// Authenticate key of messages that have none of their own.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = key.into();
        self
    }

    /// Whether payloads are sent as gzip where that is smaller.
    pub fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.destination.config().name()
    }

    /// Where it sends to.
    #[must_use]
    pub fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Messages that could not be packed for it.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Whether the version can travel over the transport.
    pub(super) fn is_framed(&self) -> bool {
        self.version == Version::V3 || self.destination.config().transport() == Transport::Udp
    }

    /// Packs the message and puts it into the destination's queue, without waiting. What becomes of it there is in the
    /// [destination's ledger](crate::destination::Ledger), under *originated*.
    ///
    /// # Errors
    /// As [`pack`]; counted.
    pub fn send(&self, request: &PackRequest<'_>, now: SystemTime) -> Result<(), PackError> {
        let frame = self.pack(request, now).inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })?;
        self.destination.originate(Bytes::from(frame));
        Ok(())
    }

    fn pack(&self, request: &PackRequest<'_>, now: SystemTime) -> Result<Vec<u8>, PackError> {
        let limit = match self.destination.config().transport() {
            Transport::Udp => SizeLimit::UdpIpv4,
            _ => SizeLimit::Stream,
        };
        let mut request = request.clone().limit(limit);
        request.capture_id.get_or_insert(self.capture_id);
        if request.key.is_empty() {
            request.key = self.key.as_slice().into();
        }
        request.compressed |= self.compressed;
        pack(&request, self.version, &self.format, self.mode, now)
    }
}
