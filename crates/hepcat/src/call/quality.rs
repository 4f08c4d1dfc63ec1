//! What reports about media say, the worst of it.

use serde::{Deserialize, Serialize};

/// The worst that was reported.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Quality {
    /// Loss in percent.
    pub loss_percent: Option<f32>,
    /// Interarrival jitter in milliseconds; from RTCP's own unit assuming a clock of 8 kHz where nothing else says.
    pub jitter_ms: Option<f32>,
    /// Round trip in milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Mean opinion score, 1 to 5, as reported; the lowest.
    pub mos: Option<f32>,
}

/// Loss that is heard without concealment.
const POOR_LOSS: f32 = 5.0;
/// More than a usual jitter buffer takes.
const POOR_JITTER: f32 = 60.0;
/// Many users dissatisfied (ITU-T G.107, annex B).
const POOR_MOS: f32 = 3.1;

impl Quality {
    /// What a report about media says: RTCP in octets or as JSON, or the text of RFC 6035. `None` where nothing in it is
    /// understood.
    #[must_use]
    pub fn of(report: &[u8]) -> Option<Self> {
        super::report::quality(report)
    }

    /// The worst of both.
    pub(super) fn worsen(&mut self, other: Self) {
        let max = |one: Option<f32>, other: Option<f32>| match (one, other) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        let min = |one: Option<f32>, other: Option<f32>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.loss_percent = max(self.loss_percent, other.loss_percent);
        self.jitter_ms = max(self.jitter_ms, other.jitter_ms);
        self.round_trip_ms = max(self.round_trip_ms, other.round_trip_ms);
        self.mos = min(self.mos, other.mos);
    }

    /// Whether somebody would complain.
    #[must_use]
    pub fn is_poor(&self) -> bool {
        self.loss_percent.is_some_and(|loss| loss >= POOR_LOSS)
            || self.jitter_ms.is_some_and(|jitter| jitter >= POOR_JITTER)
            || self.mos.is_some_and(|mos| mos < POOR_MOS)
    }
}
