//! How a call sounded: what reports say about each stream over time, and a score estimated from that. Pure.
//!
//! ```text
//!   reports ── blocks (report) ──> Stream: Point, Point, ... on the ladder's clock ── E-model (emodel) ──> Estimate
//! ```
//!
//! Nobody here hears anything: a score is an estimate from loss, jitter and delay as others report them, and says from
//! which figures, which of them are assumed, and by which table. `docs/quality.md` has the formulas and their sources.

mod emodel;
mod report;

use std::net::IpAddr;

use serde::Serialize;

pub use emodel::{CodecModel, Estimate, Inputs, estimate, model_of};

use self::report::Block;
use crate::call::{
    CallRecord, Content, Moment, Seen,
    ladder::{ArrowKind, Ladder},
};

/// Streams of one call; one with more is an attack, or a conference that nobody reads.
const MOST_STREAMS: usize = 64;
/// Points of one stream.
const MOST_POINTS: usize = 5_000;

/// What one report says about a stream at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// When, by the ladder's clock.
    pub at: Moment,
    /// Row of the report, as text.
    pub row: String,
    /// Packets lost since the report before, in percent.
    pub loss_percent: Option<f32>,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: Option<f32>,
    /// Round trip in milliseconds.
    pub round_trip_ms: Option<f32>,
    /// The score that the reporter itself gives.
    pub reported_mos: Option<f32>,
    /// The score that follows from the figures above; nothing where loss is not known.
    pub estimate: Option<Estimate>,
}

/// One direction of media, as its receiver reports it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stream {
    /// Who reports: the side that receives the media.
    pub reporter: Option<IpAddr>,
    /// To whom: the side that sends it.
    pub sender: Option<IpAddr>,
    /// SSRC of the media that is reported on, where the report names it.
    pub ssrc: Option<u32>,
    /// Codec of the call, which the stream is taken to have.
    pub codec: Option<Box<str>>,
    /// What the E-model takes for that codec.
    pub model: CodecModel,
    /// Over time.
    pub points: Vec<Point>,
    /// Points that there was no room for.
    pub left_out: usize,
    /// The lowest estimate.
    pub worst: Option<Estimate>,
    /// The mean of the estimates' scores.
    pub mean_mos: Option<f32>,
}

/// All streams of a call.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct CallQuality {
    /// The streams, in the order in which they were reported on first.
    pub streams: Vec<Stream>,
}

impl CallQuality {
    /// What the reports among `messages` say; `ladder` is the diagram of the same messages.
    #[must_use]
    pub fn of(call: &CallRecord, messages: &[Seen<'_>], ladder: &Ladder) -> Self {
        let by_row: std::collections::HashMap<u64, &Seen<'_>> =
            messages.iter().map(|seen| (seen.row, seen)).collect();
        let mut quality = Self::default();
        for arrow in &ladder.arrows {
            let first = arrow.observed.first();
            let seen = first.and_then(|first| by_row.get(&first.row));
            let Some(seen) = seen.filter(|_| arrow.kind == ArrowKind::Report) else {
                continue;
            };
            if !matches!(seen.content, Content::Rtcp | Content::Quality) {
                continue;
            }
            for block in report::blocks(seen.payload) {
                quality.take(call, seen, arrow.at, &block);
            }
        }
        for stream in &mut quality.streams {
            stream.sum_up();
        }
        quality
    }

    fn take(&mut self, call: &CallRecord, seen: &Seen<'_>, at: Moment, block: &Block) {
        let ip = |end: Option<std::net::SocketAddr>| end.map(|end| end.ip().to_canonical());
        let (reporter, sender) = (ip(seen.source), ip(seen.destination));
        let known = self.streams.iter().position(|stream| {
            (stream.reporter, stream.sender) == (reporter, sender)
                && (stream.ssrc == block.ssrc || block.ssrc.is_none())
        });
        let place = known.unwrap_or_else(|| {
            let codec = codec_of(call, reporter, sender);
            self.streams.push(Stream {
                reporter,
                sender,
                ssrc: block.ssrc,
                model: model_of(codec.as_deref().unwrap_or_default()),
                codec,
                points: Vec::new(),
                left_out: 0,
                worst: None,
                mean_mos: None,
            });
            self.streams.len() - 1
        });
        if place >= MOST_STREAMS {
            self.streams.truncate(MOST_STREAMS);
            return;
        }
        if let Some(stream) = self.streams.get_mut(place) {
            stream.take(seen, at, block);
        }
    }
}

impl Stream {
    fn take(&mut self, seen: &Seen<'_>, at: Moment, block: &Block) {
        if self.points.len() >= MOST_POINTS {
            self.left_out += 1;
            return;
        }
        let jitter_ms = block
            .jitter_ticks
            .map(|ticks| ticks * 1_000.0 / self.model.clock_hz)
            .or(block.jitter_ms);
        let row = seen.row.to_string();
        // The blocks of one packet, or of one extended report, are one point.
        if let Some(last) = self.points.last_mut().filter(|last| last.row == row) {
            last.loss_percent = block.loss_percent.or(last.loss_percent);
            last.jitter_ms = jitter_ms.or(last.jitter_ms);
            last.round_trip_ms = block.round_trip_ms.or(last.round_trip_ms);
            last.reported_mos = block.mos.or(last.reported_mos);
            return;
        }
        self.points.push(Point {
            at,
            row,
            loss_percent: block.loss_percent,
            jitter_ms,
            round_trip_ms: block.round_trip_ms,
            reported_mos: block.mos,
            estimate: None,
        });
    }

    fn sum_up(&mut self) {
        self.points.sort_by_key(|point| point.at);
        let mut round_trip = None;
        for point in &mut self.points {
            // Not each report carries it: the latest that is known goes on.
            round_trip = point.round_trip_ms.or(round_trip);
            point.estimate = point.loss_percent.map(|loss_percent| {
                estimate(
                    &self.model,
                    Inputs {
                        loss_percent,
                        jitter_ms: point.jitter_ms,
                        round_trip_ms: round_trip,
                    },
                )
            });
        }
        let estimates = || self.points.iter().filter_map(|point| point.estimate);
        self.worst = estimates().min_by(|one, other| one.mos.total_cmp(&other.mos));
        let (count, sum) = estimates().fold((0.0_f32, 0.0), |(count, sum), one| {
            (count + 1.0, sum + one.mos)
        });
        self.mean_mos = (count > 0.0).then(|| sum / count);
    }
}

/// The codec of the leg whose media is at one of these addresses, else the call's.
fn codec_of(call: &CallRecord, one: Option<IpAddr>, other: Option<IpAddr>) -> Option<Box<str>> {
    let of_leg = call.legs.iter().find(|leg| {
        leg.media.iter().any(|media| {
            let address = Some(media.address.ip().to_canonical());
            address == one || address == other
        })
    });
    of_leg
        .and_then(|leg| leg.codec.clone())
        .or_else(|| call.codec.clone())
}
