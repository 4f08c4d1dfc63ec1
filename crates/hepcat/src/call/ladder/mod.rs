//! The diagram of one call: who sent what to whom, in the order in which it happened.
//!
//! ```text
//!   messages ── agents' clocks (clock) ── seen twice, sent twice (merge) ── what caused what (order) ──> Ladder ──> text
//! ```

mod clock;
mod merge;
mod order;
mod text;

use std::net::{IpAddr, SocketAddr};

use hepcat_sip::{Kind as Line, Scan};
use serde::Serialize;

use self::merge::{Fact, Transmission};
use super::{
    difference::{Difference, differences},
    method::Method,
    moment::Moment,
    report::quality,
    sdp::Description,
    seen::{Content, Seen},
    text::kept,
};

pub(crate) use text::letter;
pub use text::{Art, Colours, Text, Times};

/// What makes a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LaneBy {
    /// Each address and port.
    #[default]
    AddressAndPort,
    /// Each address.
    Address,
}

/// A column: one end of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lane {
    /// Its address; nothing for messages without one.
    pub address: Option<IpAddr>,
    /// Its port, where lanes are told apart by it.
    pub port: Option<u16>,
}

impl Lane {
    /// What stands above it.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.address, self.port) {
            (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
            (Some(address), None) => address.to_string(),
            (None, _) => "?".to_owned(),
        }
    }
}

/// What an arrow stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArrowKind {
    /// A SIP request.
    Request,
    /// A SIP response.
    Response,
    /// RTCP or another report.
    Report,
    /// A line of a log.
    Log,
    /// Anything else.
    Event,
}

/// One observation of the message of an arrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Observed {
    /// Row of the store. Written as text: JavaScript has no numbers that large.
    #[serde(serialize_with = "as_text")]
    pub row: u64,
    /// Who saw it.
    pub agent: Box<str>,
    /// When, as that agent said.
    pub sent: Option<Moment>,
    /// When it came to us.
    pub received: Moment,
    /// When, by the clock that the diagram goes by.
    pub at: Moment,
    /// How much later than the first observation, in microseconds.
    pub delay_us: i64,
    /// From where to where, which a NAT between two agents changes.
    pub ends: (Option<SocketAddr>, Option<SocketAddr>),
    /// What is otherwise than in the first observation, header field by header field.
    pub differences: Vec<Difference>,
}

/// What a session description under an arrow says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// Where its sender wants media.
    pub address: Option<SocketAddr>,
    /// Names of codecs, the preferred first.
    pub codecs: Vec<Box<str>>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: &'static str,
    /// Whether it puts the other side on hold.
    pub hold: bool,
}

/// One transmission of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Arrow {
    /// Lane that it comes from.
    pub from: usize,
    /// Lane that it goes to.
    pub to: usize,
    /// Which leg: a number in [`Ladder::legs`]; nothing for what has no Call-ID.
    pub leg: Option<usize>,
    /// What it stands for.
    pub kind: ArrowKind,
    /// Method, or status and phrase.
    pub label: Box<str>,
    /// Status of a response.
    pub status: Option<u16>,
    /// Number and method of `CSeq`.
    pub cseq: Option<(u32, Box<str>)>,
    /// When, corrected.
    pub at: Moment,
    /// Whether it stands later than its time says, because something that must come first has a later time.
    pub adjusted: bool,
    /// Which transmission of its message this is, from 0.
    pub transmission: usize,
    /// The arrow of the first transmission, for the others.
    pub again_of: Option<usize>,
    /// All observations of it, the earliest first.
    pub observed: Vec<Observed>,
    /// What it says about media.
    pub session: Option<Session>,
}

/// The clock of one agent within the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentCorrection {
    /// Who.
    pub agent: Box<str>,
    /// What was added to its times, in microseconds.
    pub correction_us: i64,
}

/// A diagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ladder {
    /// Columns, in the order in which they first took part.
    pub lanes: Vec<Lane>,
    /// Call-IDs, in the order in which they began.
    pub legs: Vec<Box<str>>,
    /// Arrows, in causal order.
    pub arrows: Vec<Arrow>,
    /// Clocks that were corrected.
    pub corrections: Vec<AgentCorrection>,
}

impl Ladder {
    /// The diagram of `messages`, which come in any order.
    #[must_use]
    pub fn new(messages: &[Seen<'_>], lane_by: LaneBy) -> Self {
        let facts: Vec<Fact<'_>> = messages.iter().map(Fact::read).collect();
        let corrections = clock::corrections(messages, &facts);
        let transmissions = merge::transmissions(messages, &facts, &corrections);
        let order = order::causal(&facts, &transmissions);
        let mut ladder = Self {
            lanes: Vec::new(),
            legs: Vec::new(),
            arrows: Vec::new(),
            corrections: Vec::new(),
        };
        let mut latest = Moment::from_micros(i64::MIN);
        let mut places = vec![0; transmissions.len()];
        for (place, number) in order.iter().copied().enumerate() {
            let Some(transmission) = transmissions.get(number) else {
                continue;
            };
            if let Some(slot) = places.get_mut(number) {
                *slot = place;
            }
            let mut arrow = ladder.arrow(messages, transmission, lane_by);
            arrow.adjusted = arrow.at < latest;
            latest = latest.max(arrow.at);
            arrow.again_of = transmission
                .again_of
                .and_then(|first| places.get(first).copied());
            ladder.arrows.push(arrow);
        }
        ladder.corrections = corrections
            .into_iter()
            .filter(|(_, correction)| *correction != 0)
            .map(|(agent, correction_us)| AgentCorrection {
                agent: agent.into(),
                correction_us,
            })
            .collect();
        ladder
    }

    /// As text. `text` says how wide, in what characters, and what stands at the left.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        text.draw(self)
    }

    fn arrow(
        &mut self,
        messages: &[Seen<'_>],
        transmission: &Transmission,
        lane_by: LaneBy,
    ) -> Arrow {
        let first = transmission.first();
        let seen = messages.get(first.message);
        let scan = seen.and_then(|seen| seen.sip());
        let ends = seen.map_or((None, None), |seen| (seen.source, seen.destination));
        let observed = transmission.observed.iter().filter_map(|one| {
            let seen = messages.get(one.message)?;
            let differences = match (scan, seen.sip()) {
                (Some(first), Some(this)) if one.message != transmission.first().message => {
                    differences(first, this)
                }
                _ => Vec::new(),
            };
            Some(Observed {
                row: seen.row,
                agent: seen.agent.into(),
                sent: seen.sent,
                received: seen.received,
                at: one.at,
                delay_us: one.at.as_micros().saturating_sub(first.at.as_micros()),
                ends: (seen.source, seen.destination),
                differences,
            })
        });
        let observed = observed.collect();
        Arrow {
            from: self.lane(ends.0, lane_by, scan.is_some()),
            to: self.lane(ends.1, lane_by, scan.is_some()),
            leg: scan
                .and_then(|scan| scan.call_id())
                .map(|call_id| self.leg(call_id)),
            kind: kind(seen, scan),
            label: label(seen, scan),
            status: scan.and_then(|scan| scan.status_code()),
            cseq: scan.and_then(|scan| Some((scan.cseq_number()?, kept(scan.cseq_method()?)))),
            at: first.at,
            adjusted: false,
            transmission: transmission.number,
            again_of: None,
            observed,
            session: scan.and_then(|scan| session(scan)),
        }
    }

    /// The lane of an end. Media and reports have ports of their own: those share the lane of their address.
    fn lane(&mut self, end: Option<SocketAddr>, lane_by: LaneBy, is_sip: bool) -> usize {
        let lane = Lane {
            address: end.map(|end| end.ip().to_canonical()),
            port: end
                .map(|end| end.port())
                .filter(|_| lane_by == LaneBy::AddressAndPort),
        };
        let exactly = self.lanes.iter().position(|other| *other == lane);
        let beside = || {
            self.lanes
                .iter()
                .position(|other| other.address == lane.address)
        };
        let known = exactly.or_else(|| if is_sip { None } else { beside() });
        known.unwrap_or_else(|| {
            self.lanes.push(lane);
            self.lanes.len() - 1
        })
    }

    fn leg(&mut self, call_id: &[u8]) -> usize {
        let call_id = kept(call_id);
        let known = self.legs.iter().position(|other| *other == call_id);
        known.unwrap_or_else(|| {
            self.legs.push(call_id);
            self.legs.len() - 1
        })
    }
}

fn as_text<S: serde::Serializer>(row: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(row)
}

fn kind(seen: Option<&Seen<'_>>, scan: Option<&Scan<'_>>) -> ArrowKind {
    match (scan.map(Scan::kind), seen.map(|seen| &seen.content)) {
        (Some(Line::Request), _) => ArrowKind::Request,
        (Some(Line::Response), _) => ArrowKind::Response,
        (_, Some(Content::Rtcp | Content::Quality)) => ArrowKind::Report,
        (_, Some(Content::Log)) => ArrowKind::Log,
        _ => ArrowKind::Event,
    }
}

fn label(seen: Option<&Seen<'_>>, scan: Option<&Scan<'_>>) -> Box<str> {
    if let Some(scan) = scan {
        return match scan.status_code() {
            Some(code) => {
                let phrase = kept(scan.reason_phrase().unwrap_or_default());
                format!("{code} {phrase}").trim_end().into()
            }
            None => kept(scan.method().unwrap_or(b"?")),
        };
    }
    match seen.map(|seen| (&seen.content, seen.payload)) {
        Some((Content::Rtcp, payload)) => report("RTCP", payload),
        Some((Content::Quality, payload)) => report("report", payload),
        Some((Content::Log, line)) => kept(
            line.split(|octet| *octet == b'\n')
                .next()
                .unwrap_or_default(),
        ),
        Some((Content::Correlate, _)) => "correlate".into(),
        _ => "event".into(),
    }
}

/// `RTCP, 2.5 % lost, jitter 20 ms, MOS 4.1`, as far as it says so.
fn report(name: &str, payload: &[u8]) -> Box<str> {
    let mut label = name.to_owned();
    let quality = quality(payload).unwrap_or_default();
    for (figure, before, after) in [
        (quality.loss_percent, "", " % lost"),
        (quality.jitter_ms, "jitter ", " ms"),
        (quality.mos, "MOS ", ""),
    ] {
        if let Some(figure) = figure {
            label.push_str(&format!(
                ", {before}{}{after}",
                (figure * 10.0).round() / 10.0
            ));
        }
    }
    label.into()
}

fn session(scan: &Scan<'_>) -> Option<Session> {
    let body = scan.body();
    let description = (!body.is_empty())
        .then(|| Description::read(body))
        .flatten()?;
    let main = description.main()?;
    Some(Session {
        address: main
            .address
            .map(|address| SocketAddr::new(address, main.port)),
        codecs: main
            .codecs
            .iter()
            .filter(|codec| codec.is_media())
            .map(|codec| kept(codec.name))
            .collect(),
        direction: main.direction.label(),
        hold: main.is_hold(),
    })
}

/// The method that a message's transaction is of.
fn method_of(scan: &Scan<'_>) -> Method {
    Method::read(
        scan.method()
            .or_else(|| scan.cseq_method())
            .unwrap_or_default(),
    )
}
