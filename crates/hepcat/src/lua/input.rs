//! What a script is asked about.

use std::sync::Arc;

use hepcat_net::Envelope;
use hepcat_sip::Scan;

/// One message, as a script sees it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) listener: &'a Arc<str>,
    pub(super) targets: &'a Arc<[Arc<str>]>,
    pub(super) payload: Option<&'a [u8]>,
    pub(super) sip: Option<Option<Scan<'a>>>,
}

impl<'a> Input<'a> {
    /// A message, the name of the listener that received it, and the names of the destinations and groups that it
    /// goes to unless the script says otherwise, in their order: `hep_relay()` takes the next of them.
    #[must_use]
    pub const fn new(
        envelope: &'a Envelope,
        listener: &'a Arc<str>,
        targets: &'a Arc<[Arc<str>]>,
    ) -> Self {
        Self {
            envelope,
            listener,
            targets,
            payload: None,
            sip: None,
        }
    }

    /// The payload as it is looked at: inflated, unwrapped. Without it the script inflates it itself, if it asks.
    #[must_use]
    pub const fn payload(mut self, payload: &'a [u8]) -> Self {
        self.payload = Some(payload);
        self
    }

    /// The scan of that payload where it was made before; `None` says that it is not SIP.
    #[must_use]
    pub const fn sip(mut self, scan: Option<Scan<'a>>) -> Self {
        self.sip = Some(scan);
        self
    }
}
