//! Keeping one SIP message over TCP from swallowing the next.
//!
//! A stream says where its messages end by their Content-Length alone. An agent that cut a message short, or padded it,
//! reports octets from which that length does not lead to the next message: written one behind the other, the next one
//! would be read as the rest of the first, and be lost to whoever opens the file. What lacks its end is therefore
//! written as what it is: a packet of which the capture has only the beginning. Readers take such a packet for itself
//! and go on behind it.
//!
//! Some agents report the segments of TCP, not the messages: pieces follow each other, and do lead on. They are told
//! apart by what comes next in the same direction.

use std::collections::HashMap;

use super::carriage::{Carrier, Parcel};
use crate::capfile::sip_stream::SipSplitter;

/// What starts a message, as far as the next parcel is asked for it: RFC 3261 and its extensions. A request of any other
/// method behind a message that was cut is taken for the rest of it; a piece of a message that looks like some method's
/// start line is not.
const STARTS: [&[u8]; 15] = [
    b"SIP/2.0 ",
    b"INVITE ",
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"OPTIONS ",
    b"REGISTER ",
    b"PRACK ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"PUBLISH ",
    b"INFO ",
    b"REFER ",
    b"MESSAGE ",
    b"UPDATE ",
];

/// How the octets of a parcel lead on to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the end of a message, or with a piece of one that the next parcel goes on with.
    Clean,
    /// From octet `from` on stands what no message goes on with; at least `missing` octets lack behind it.
    Cut { from: usize, missing: usize },
}

/// The ending of each parcel.
pub(super) fn endings(parcels: &[Parcel<'_>]) -> Vec<Ending> {
    let last = lasts(parcels);
    let mut streams: HashMap<_, SipSplitter> = HashMap::new();
    let parcels = parcels.iter().zip(last);
    parcels
        .map(|(parcel, is_last)| {
            if !is_framed(parcel) {
                return Ending::Clean;
            }
            let stream = streams.entry(parcel.direction()).or_default();
            let lost = stream.lost;
            stream.push(&parcel.payload);
            let mut from = 0;
            while stream.next().is_some() {
                from = parcel.payload.len().saturating_sub(stream.pending());
            }
            if !is_last || (stream.pending() == 0 && stream.lost == lost) {
                return Ending::Clean;
            }
            // Where it does not say how much it lacks, one octet marks it as well as any.
            let missing = stream.missing().unwrap_or(1).max(1);
            *stream = SipSplitter::default();
            Ending::Cut { from, missing }
        })
        .collect()
}

/// Whether a parcel is the last one, or what follows it in its direction starts a message of its own.
fn lasts(parcels: &[Parcel<'_>]) -> Vec<bool> {
    let mut starts = HashMap::new();
    let mut last = vec![true; parcels.len()];
    for (parcel, last) in parcels.iter().zip(&mut last).rev() {
        if is_framed(parcel) {
            let blank = parcel.payload.iter();
            let blank = blank.take_while(|o| matches!(o, b'\r' | b'\n')).count();
            let rest = parcel.payload.get(blank..).unwrap_or_default();
            let starts_here = STARTS.iter().any(|start| rest.starts_with(start));
            *last = starts
                .insert(parcel.direction(), starts_here)
                .unwrap_or(true);
        }
    }
    last
}

fn is_framed(parcel: &Parcel<'_>) -> bool {
    parcel.carrier == Carrier::Tcp && parcel.is_sip
}
