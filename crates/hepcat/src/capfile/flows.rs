//! All TCP flows of a capture: who they are, what runs in them, and the limits on what they may hold.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    Content, Report, content,
    frames::{FrameSplitter, Piece, Source},
    sip_stream::{SipSplitter, Start, start},
    tcp::{Event, Reassembly, Segment, Stamp},
};

/// Directions followed at a time.
const MAX_FLOWS: usize = 16_384;
/// Octets that all of them may hold back together.
const MAX_BUFFERED: usize = 64 * 1024 * 1024;
/// Octets looked at before a flow that may still become SIP or HEP is called something else.
const MAX_UNDECIDED: usize = 8 * 1024;

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) vlan: Option<u16>,
}

/// A message that a flow carried.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) flow: FlowKey,
    pub(super) tos: u8,
    pub(super) stamp: Stamp,
    pub(super) content: Content,
    pub(super) octets: Vec<u8>,
    pub(super) gzipped: bool,
}

/// Follows flows.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: HashMap<FlowKey, Flow>,
    buffered: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Flow {
    reassembly: Reassembly,
    inside: Inside,
    tos: u8,
    /// With which packet, and when, the latest octets came.
    latest: Option<Stamp>,
    used: u64,
    /// Octets held when last looked at: this flow's share of [`Flows::buffered`].
    share: usize,
}

/// What runs in a flow.
#[derive(Debug)]
enum Inside {
    Undecided(Vec<u8>),
    Sip(SipSplitter),
    Hep(FrameSplitter),
    /// Something else so far; each segment may still be the start of SIP or HEP, since a capture that
    /// begins in the middle of a connection begins in the middle of a message.
    Other,
}

impl Default for Inside {
    fn default() -> Self {
        Self::Undecided(Vec::new())
    }
}

impl Flows {
    /// Takes a segment in; the messages that it completes are appended to `out`.
    pub(super) fn accept(
        &mut self,
        key: FlowKey,
        tos: u8,
        segment: &Segment<'_>,
        stamp: Stamp,
        report: &mut Report,
        out: &mut impl Extend<Carried>,
    ) {
        if self.flows.len() >= MAX_FLOWS || self.buffered > MAX_BUFFERED {
            self.evict(report, out);
        }
        let worth_following = segment.syn || !segment.payload.is_empty();
        if !worth_following && !self.flows.contains_key(&key) {
            return;
        }
        self.clock += 1;
        let flow = self.flows.entry(key).or_default();
        flow.used = self.clock;
        flow.tos = tos;
        let Flow {
            reassembly,
            inside,
            latest,
            ..
        } = &mut *flow;
        let mut carry = Carry { key, tos, out };
        let mut gaps = 0;
        let mut lost = Lost::default();
        let closed = reassembly.accept(segment, stamp, report, |event| match event {
            Event::Data(octets, stamp) => {
                *latest = Some(stamp);
                inside.data(octets, stamp, &mut carry, &mut lost);
            }
            Event::Gap(missing) => {
                gaps += u64::from(missing > 0);
                inside.gap(missing, latest.unwrap_or(stamp), &mut carry, &mut lost);
            }
        });
        lost.report(report);
        if gaps > 0 {
            *report.skipped.entry("tcp_gap").or_default() += gaps;
        }
        let share = flow.held();
        self.buffered = self.buffered + share - flow.share;
        flow.share = share;
        if closed && let Some(flow) = self.flows.remove(&key) {
            self.buffered -= flow.share;
            flow.finish(key, report, out);
        }
    }

    /// Ends all flows, in the order in which they were last used.
    pub(super) fn finish(&mut self, report: &mut Report, out: &mut impl Extend<Carried>) {
        let mut flows: Vec<_> = self.flows.drain().collect();
        flows.sort_unstable_by_key(|(_, flow)| flow.used);
        self.buffered = 0;
        for (key, flow) in flows {
            flow.finish(key, report, out);
        }
    }

    /// Gives up the quarter that was longest without a segment: a quarter, so that the search for it does
    /// not repeat with every segment.
    fn evict(&mut self, report: &mut Report, out: &mut impl Extend<Carried>) {
        let mut ages: Vec<_> = self.flows.iter().map(|(k, f)| (f.used, *k)).collect();
        ages.sort_unstable_by_key(|(used, _)| *used);
        let quarter = ages.len().div_ceil(4);
        for (_, key) in ages.into_iter().take(quarter) {
            if let Some(flow) = self.flows.remove(&key) {
                self.buffered -= flow.share;
                report.flows_evicted += 1;
                flow.finish(key, report, out);
            }
        }
    }
}

impl Flow {
    fn held(&self) -> usize {
        let inside = match &self.inside {
            Inside::Undecided(octets) => octets.len(),
            Inside::Sip(splitter) => splitter.pending(),
            Inside::Hep(splitter) => splitter.pending(),
            Inside::Other => 0,
        };
        self.reassembly.buffered() + inside
    }

    fn finish(mut self, key: FlowKey, report: &mut Report, out: &mut impl Extend<Carried>) {
        let Some(mut latest) = self.latest else {
            return;
        };
        let mut carry = Carry {
            key,
            tos: self.tos,
            out,
        };
        let mut lost = Lost::default();
        let mut gaps = 0;
        let inside = &mut self.inside;
        self.reassembly.flush(report, |event| match event {
            Event::Data(octets, stamp) => {
                latest = stamp;
                inside.data(octets, stamp, &mut carry, &mut lost);
            }
            Event::Gap(missing) => {
                gaps += u64::from(missing > 0);
                inside.gap(missing, latest, &mut carry, &mut lost);
            }
        });
        inside.gap(0, latest, &mut carry, &mut lost);
        lost.report(report);
        if gaps > 0 {
            *report.skipped.entry("tcp_gap").or_default() += gaps;
        }
    }
}

/// Where messages of a flow go.
struct Carry<'o, O> {
    key: FlowKey,
    tos: u8,
    out: &'o mut O,
}

impl<O: Extend<Carried>> Carry<'_, O> {
    fn sip(&mut self, octets: Vec<u8>, stamp: Stamp) {
        self.push(Content::Sip, octets, false, stamp);
    }

    fn hep(&mut self, piece: Piece, stamp: Stamp) {
        self.push(Content::Hep, piece.octets, piece.gzipped, stamp);
    }

    fn push(&mut self, content: Content, octets: Vec<u8>, gzipped: bool, stamp: Stamp) {
        self.out.extend([Carried {
            flow: self.key,
            tos: self.tos,
            stamp,
            content,
            octets,
            gzipped,
        }]);
    }
}

/// What did not become a message.
#[derive(Debug, Default)]
struct Lost {
    other_segments: u64,
    unfinished: u64,
    garbage: u64,
}

impl Lost {
    fn report(&self, report: &mut Report) {
        for (reason, count) in [
            ("tcp_other", self.other_segments),
            ("tcp_unfinished", self.unfinished),
            ("tcp_garbage", self.garbage),
        ] {
            if count > 0 {
                *report.skipped.entry(reason).or_default() += count;
            }
        }
    }
}

impl Inside {
    fn data<O: Extend<Carried>>(
        &mut self,
        octets: &[u8],
        stamp: Stamp,
        carry: &mut Carry<'_, O>,
        lost: &mut Lost,
    ) {
        match self {
            Self::Undecided(seen) => {
                seen.extend_from_slice(octets);
                let seen = std::mem::take(seen);
                *self = Self::decide(seen, lost);
            }
            Self::Other => *self = Self::decide(octets.to_vec(), lost),
            Self::Sip(splitter) => splitter.push(octets),
            Self::Hep(splitter) => splitter.push(octets),
        }
        match self {
            Self::Sip(splitter) => {
                let before = splitter.lost;
                while let Some(message) = splitter.next() {
                    carry.sip(message, stamp);
                }
                lost.garbage += u64::from(splitter.lost > before);
            }
            Self::Hep(splitter) => {
                while let Some(piece) = splitter.next(false) {
                    carry.hep(piece, stamp);
                }
            }
            Self::Undecided(_) | Self::Other => {}
        }
    }

    /// What follows does not continue what came: unfinished HEP is given out as the bad frame that it is,
    /// unfinished SIP is counted.
    fn gap<O: Extend<Carried>>(
        &mut self,
        missing: u64,
        stamp: Stamp,
        carry: &mut Carry<'_, O>,
        lost: &mut Lost,
    ) {
        match self {
            Self::Undecided(seen) => {
                lost.unfinished += u64::from(!seen.is_empty());
                seen.clear();
            }
            Self::Sip(splitter) => lost.unfinished += u64::from(splitter.cut(missing)),
            Self::Hep(splitter) => {
                splitter.hole(missing);
                while let Some(piece) = splitter.next(true) {
                    carry.hep(piece, stamp);
                }
            }
            Self::Other => {}
        }
    }

    fn decide(seen: Vec<u8>, lost: &mut Lost) -> Self {
        let blank = seen.iter().take_while(|o| matches!(o, b'\r' | b'\n' | 0));
        let rest = seen.get(blank.count()..).unwrap_or_default();
        let gzipped_hep = matches!(content::gzip(rest), content::Gzip::Message { .. });
        if content::is_hep3(rest) || gzipped_hep {
            let mut splitter = FrameSplitter::new(Source::Stream, 0);
            splitter.push(rest);
            return Self::Hep(splitter);
        }
        let gzip_so_far = matches!(content::gzip(rest), content::Gzip::Incomplete);
        match start(rest) {
            Start::Sip => {
                let mut splitter = SipSplitter::default();
                splitter.push(rest);
                Self::Sip(splitter)
            }
            Start::Perhaps if seen.len() < MAX_UNDECIDED => Self::Undecided(seen),
            Start::No if gzip_so_far && seen.len() < MAX_UNDECIDED => Self::Undecided(seen),
            Start::Perhaps | Start::No => {
                lost.other_segments += 1;
                Self::Other
            }
        }
    }
}
