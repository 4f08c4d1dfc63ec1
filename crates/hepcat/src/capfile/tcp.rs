//! One direction of one TCP connection put back in order, within bounds.
//!
//! A passive observer cannot ask for what it missed: a hole is waited for until too much stands behind it
//! or the capture's clock has moved on, then it is reported and the stream goes on behind it.

use std::time::Duration;

use super::Report;

/// Octets and segments that may wait behind a hole: a window's worth.
const MAX_WAITING_OCTETS: usize = 1024 * 1024;
const MAX_WAITING_SEGMENTS: usize = 1_024;
/// How long a hole may last, in the capture's time: several retransmissions.
const PATIENCE: Duration = Duration::from_secs(10);
/// A sequence number further away than this is another connection on the same ports (the largest window
/// that RFC 7323 allows is 1 GiB, but nobody lets SIP or HEP run 64 MiB ahead).
const PLAUSIBLE: i32 = 64 * 1024 * 1024;

/// When, and with which packet, octets were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) time: Option<Duration>,
    pub(super) packet: u64,
}

/// What reassembly needs of a TCP segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'a [u8],
}

/// What comes out, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The next octets.
    Data(&'a [u8], Stamp),
    /// So many octets are missing here; 0 where another connection starts.
    Gap(u64),
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// Sequence number of the next octet; `None` before the first segment that says it.
    next: Option<u32>,
    /// Segments behind a hole, nearest first.
    waiting: Vec<Waiting>,
    waiting_octets: usize,
    closed_at: Option<u32>,
}

#[derive(Debug)]
struct Waiting {
    sequence: u32,
    octets: Vec<u8>,
    stamp: Stamp,
}

impl Reassembly {
    /// Octets held back.
    pub(super) fn buffered(&self) -> usize {
        self.waiting_octets
    }

    /// Takes a segment in and gives out what is now in order. True when the direction is closed.
    pub(super) fn accept(
        &mut self,
        segment: &Segment<'_>,
        stamp: Stamp,
        report: &mut Report,
        mut out: impl FnMut(Event<'_>),
    ) -> bool {
        let first = if segment.syn {
            segment.sequence.wrapping_add(1)
        } else {
            segment.sequence
        };
        if segment.syn
            && self
                .next
                .is_some_and(|n| distance(n, first).is_none_or(|d| d > 0))
        {
            // The ports are used again: what waits belongs to the old connection.
            self.flush(report, &mut out);
            out(Event::Gap(0));
            self.next = None;
        }
        if self.next.is_none() && (segment.syn || !segment.payload.is_empty()) {
            self.next = Some(first);
        }
        if !segment.payload.is_empty() {
            self.insert(first, segment.payload, stamp, report, &mut out);
        }
        if segment.rst {
            self.flush(report, &mut out);
            return true;
        }
        if segment.fin {
            let length = u32::try_from(segment.payload.len()).unwrap_or(0);
            self.closed_at = Some(first.wrapping_add(length));
        }
        self.closed_at.is_some() && (self.closed_at == self.next || self.next.is_none())
    }

    /// Gives out all that waits, holes reported.
    pub(super) fn flush(&mut self, report: &mut Report, mut out: impl FnMut(Event<'_>)) {
        while !self.waiting.is_empty() {
            self.give_up_hole(report, &mut out);
        }
    }

    fn insert(
        &mut self,
        sequence: u32,
        payload: &[u8],
        stamp: Stamp,
        report: &mut Report,
        out: &mut impl FnMut(Event<'_>),
    ) {
        let next = self.next.unwrap_or(sequence);
        let Some(ahead) = distance(next, sequence) else {
            self.flush(report, &mut *out);
            out(Event::Gap(0));
            out(Event::Data(payload, stamp));
            self.next = Some(advance(sequence, payload.len()));
            return;
        };
        if ahead <= 0 {
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            match payload.get(known..) {
                Some(fresh) if !fresh.is_empty() => {
                    out(Event::Data(fresh, stamp));
                    self.next = Some(advance(next, fresh.len()));
                    self.drain(out);
                }
                _ => report.tcp_retransmissions += 1,
            }
            return;
        }
        self.hold(next, sequence, payload, stamp, report);
        let stale = self
            .waiting
            .first()
            .is_some_and(|w| match (w.stamp.time, stamp.time) {
                (Some(then), Some(now)) => now.saturating_sub(then) > PATIENCE,
                _ => false,
            });
        if stale
            || self.waiting_octets > MAX_WAITING_OCTETS
            || self.waiting.len() > MAX_WAITING_SEGMENTS
        {
            self.give_up_hole(report, out);
        }
    }

    fn hold(
        &mut self,
        next: u32,
        sequence: u32,
        payload: &[u8],
        stamp: Stamp,
        report: &mut Report,
    ) {
        let ahead = sequence.wrapping_sub(next);
        let at = self
            .waiting
            .partition_point(|w| w.sequence.wrapping_sub(next) < ahead);
        if let Some(held) = self.waiting.get_mut(at)
            && held.sequence == sequence
        {
            report.tcp_retransmissions += 1;
            if payload.len() > held.octets.len() {
                self.waiting_octets += payload.len() - held.octets.len();
                held.octets = payload.to_vec();
            }
            return;
        }
        report.tcp_out_of_order += 1;
        self.waiting_octets += payload.len();
        self.waiting.insert(
            at,
            Waiting {
                sequence,
                octets: payload.to_vec(),
                stamp,
            },
        );
    }

    /// Gives out what has become contiguous.
    fn drain(&mut self, out: &mut impl FnMut(Event<'_>)) {
        let Some(mut next) = self.next else { return };
        let mut taken = 0;
        for held in &self.waiting {
            let Some(ahead @ ..=0) = distance(next, held.sequence) else {
                break;
            };
            taken += 1;
            self.waiting_octets -= held.octets.len();
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            if let Some(fresh) = held.octets.get(known..)
                && !fresh.is_empty()
            {
                out(Event::Data(fresh, held.stamp));
                next = advance(next, fresh.len());
            }
        }
        self.waiting.drain(..taken);
        self.next = Some(next);
    }

    fn give_up_hole(&mut self, report: &mut Report, out: &mut impl FnMut(Event<'_>)) {
        let (Some(first), Some(next)) = (self.waiting.first(), self.next) else {
            return;
        };
        let missing = u64::from(first.sequence.wrapping_sub(next));
        report.tcp_gap_octets += missing;
        out(Event::Gap(missing));
        self.next = Some(first.sequence);
        self.drain(out);
    }
}

/// How far `sequence` lies ahead of `next` (negative: behind), or `None` if it cannot be the same stream.
fn distance(next: u32, sequence: u32) -> Option<i32> {
    let ahead = sequence.wrapping_sub(next).cast_signed();
    (ahead > -PLAUSIBLE && ahead < PLAUSIBLE).then_some(ahead)
}

fn advance(sequence: u32, by: usize) -> u32 {
    // Segments are at most 64 KiB, so nothing is lost.
    sequence.wrapping_add(u32::try_from(by).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
