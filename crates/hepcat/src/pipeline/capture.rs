//! A frame as routes and watchers look at it: decoded, and scanned for SIP only when somebody asks.

use std::{borrow::Cow, cell::OnceCell};

use hepcat_net::Arrival;
use hepcat_wire::Message;

use super::content::content;
use crate::{
    agents::ClockBounds,
    query::{Field, MessageView, Subject, UnparsableView, Value},
};

/// Where a payload lives that had to be inflated or unwrapped, while its capture is looked at. Stays empty for a
/// plain one.
#[derive(Debug, Default)]
pub struct Inflated(OnceCell<Vec<u8>>);

impl Inflated {
    fn payload_of<B: AsRef<[u8]>>(&self, message: &Message<B>) -> Option<&[u8]> {
        match content(message) {
            Ok(Cow::Owned(content)) => Some(self.0.get_or_init(|| content)),
            _ => None,
        }
    }

    /// The inflated payload, if there is one.
    pub(super) fn into_octets(self) -> Option<Vec<u8>> {
        self.0.into_inner()
    }
}

/// One frame under examination. Lives as long as the look at it; copies nothing but what it inflates.
#[derive(Debug)]
pub enum Capture<'a> {
    /// It decoded.
    Message(MessageView<'a>),
    /// It did not.
    Unparsable(UnparsableView<'a>),
}

impl<'a> Capture<'a> {
    /// A capture of `arrival`, which the listener called `listener` received. A payload that is
    /// compressed or wrapped as HOMER 6 does is taken out into `inflated`, which is new, and not at all where there
    /// is none: nobody then looks at payloads.
    #[must_use]
    pub fn new(
        arrival: &'a Arrival,
        listener: &'a str,
        inflated: Option<&'a Inflated>,
    ) -> Option<Self> {
        match arrival {
            Arrival::Message(envelope) => {
                let view = MessageView::new(envelope, listener);
                let payload = inflated.and_then(|room| room.payload_of(&envelope.message));
                let view = match payload {
                    Some(payload) => view.with_payload(payload),
                    None => view,
                };
                Some(Self::Message(view))
            }
            Arrival::Unparsable(unparsable) => {
                Some(Self::Unparsable(UnparsableView::new(unparsable, listener)))
            }
            _ => None,
        }
    }
}

impl Capture<'_> {
    /// The same with other bounds of what is believed of agents' clocks.
    #[must_use]
    pub fn with_clock(self, clock: ClockBounds) -> Self {
        match self {
            Self::Message(view) => Self::Message(view.with_clock(clock)),
            Self::Unparsable(_) => self,
        }
    }
}

impl Subject for Capture<'_> {
    fn any(&self, field: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match self {
            Self::Message(view) => view.any(field, fits),
            Self::Unparsable(view) => view.any(field, fits),
        }
    }
}
