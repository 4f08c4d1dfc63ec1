//! What is no SIP message of a call and belongs to one all the same: reports, logs, events.

use hepcat_sip::Scan;
use serde::{Deserialize, Serialize};

use super::{Placed, Tracker, links};
use crate::call::{
    heard::Novelty,
    method::Method,
    moment::Moment,
    report::{quality, words},
    seen::{Content, Seen},
};

/// Why something belongs to a leg that is no message of its Call-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachedBy {
    /// Its HEP correlation id is the Call-ID, or one that the leg mentioned.
    CorrelationId,
    /// The Call-ID stands in its payload.
    CallIdInPayload,
    /// It went from or to a media address of the leg.
    MediaAddress,
}

impl AttachedBy {
    /// The name in records and queries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::CorrelationId => "correlation_id",
            Self::CallIdInPayload => "call_id_in_payload",
            Self::MediaAddress => "media_address",
        }
    }

    /// How sure that is, of 100.
    #[must_use]
    pub const fn confidence(self) -> u8 {
        match self {
            Self::CorrelationId => 100,
            Self::CallIdInPayload => 95,
            Self::MediaAddress => 80,
        }
    }
}

impl Tracker {
    pub(super) fn ingest_report(&mut self, seen: &Seen<'_>, at: Moment) -> Placed {
        let found = self.find(seen, at, true);
        if let Some((number, _)) = found {
            let quality = quality(seen.payload);
            if let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) {
                leg.report(quality, seen.received);
            }
        }
        self.attached(found, at)
    }

    pub(super) fn ingest_event(&mut self, seen: &Seen<'_>, at: Moment) -> Placed {
        let found = self.find(seen, at, false);
        if let Some((number, _)) = found
            && let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut)
        {
            leg.event(seen.received);
        }
        self.attached(found, at)
    }

    fn attached(&mut self, found: Option<(usize, AttachedBy)>, at: Moment) -> Placed {
        let Some((number, by)) = found else {
            self.state.counters.unplaced += 1;
            return Placed::nowhere(at);
        };
        self.touch(number);
        Placed {
            at,
            place: self.place_of(number),
            novelty: Novelty::New,
            attached_by: Some(by),
            slot: Some(number),
        }
    }

    fn find(
        &mut self,
        seen: &Seen<'_>,
        at: Moment,
        is_report: bool,
    ) -> Option<(usize, AttachedBy)> {
        let by_id = seen.correlation_id.and_then(|id| self.leg_by_text(id));
        if let Some(number) = by_id {
            return Some((number, AttachedBy::CorrelationId));
        }
        // Of binary RTCP nothing is a Call-ID.
        let is_text = !matches!(seen.content, Content::Rtcp)
            || seen.payload.first().is_some_and(u8::is_ascii);
        let by_payload = is_text.then(|| self.leg_in(seen.payload)).flatten();
        if let Some(number) = by_payload {
            return Some((number, AttachedBy::CallIdInPayload));
        }
        let number = is_report.then(|| self.leg_by_media(seen, at)).flatten()?;
        Some((number, AttachedBy::MediaAddress))
    }

    /// The leg that is called so, or mentioned it.
    fn leg_by_text(&mut self, text: &[u8]) -> Option<usize> {
        let key = self.digest.of(text);
        self.leg_number(key)
            .or_else(|| self.state.graph.leg_by_key(key))
    }

    fn leg_in(&mut self, payload: &[u8]) -> Option<usize> {
        words(payload).find_map(|word| self.leg_number(self.digest.of(word)))
    }

    /// The leg with a media address that is one end of it: its port, or that of its RTCP. Of several legs the one that
    /// told of it last, but before.
    fn leg_by_media(&mut self, seen: &Seen<'_>, at: Moment) -> Option<usize> {
        [seen.source, seen.destination]
            .into_iter()
            .flatten()
            .find_map(|end| {
                let ports = [Some(end.port()), end.port().checked_sub(1)];
                ports.into_iter().flatten().find_map(|port| {
                    let key = links::media_key(self.digest, (end.ip(), port).into());
                    self.wake(key);
                    let legs = self.index.media.get(&key)?.iter().copied();
                    legs.filter_map(|number| {
                        let endpoints = self.leg(number)?.endpoints().iter();
                        let told = endpoints
                            .filter(|endpoint| {
                                endpoint.address == end.ip()
                                    && endpoint.port == port
                                    && (end.port() == port || end.port() == endpoint.rtcp_port)
                            })
                            .map(|endpoint| endpoint.last)
                            .max()?;
                        Some((told <= at, told, number))
                    })
                    .max()
                    .map(|(_, _, number)| number)
                })
            })
    }

    /// A SIP message that carries a report about another leg: PUBLISH or NOTIFY with `application/vq-rtcpxr`.
    pub(super) fn attach_body(
        &mut self,
        scan: &Scan<'_>,
        method: Method,
        received: Moment,
    ) -> Option<AttachedBy> {
        let carries = matches!(method, Method::Publish | Method::Notify | Method::Bye)
            && scan.content_type().is_some_and(is_report);
        if !carries {
            return None;
        }
        let number = self.leg_in(scan.body())?;
        let quality = quality(scan.body());
        if let Some(leg) = self.state.legs.get_mut(number).and_then(Option::as_mut) {
            leg.report(quality, received);
        }
        self.touch(number);
        Some(AttachedBy::CallIdInPayload)
    }
}

/// RFC 6035, and its name before it was one.
fn is_report(content_type: &[u8]) -> bool {
    memchr::memmem::find(&content_type.to_ascii_lowercase(), b"rtcpxr").is_some()
}
