//! Connections: what each side has sent so far.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
};

use super::{
    carriage::{Carrier, Parcel},
    framing::Ending,
    packets::{self, Built, TcpNumbers},
    sctp::{self, DataChunk},
};

/// Octets in one segment: what IPv4 (65,535 with its header) leaves. Smaller ones, as Ethernet has them, would only
/// tear messages apart that were captured whole.
const MAX_SEGMENT: usize = 65_495;
/// Octets in one SCTP chunk, a multiple of 4 so that padding does not count.
const MAX_CHUNK: usize = 65_484;

/// The numbers that the next packet of each direction starts with.
#[derive(Debug, Default)]
pub(super) struct Streams {
    tcp: HashMap<Direction, u32>,
    sctp: HashMap<Direction, SctpNumbers>,
}

/// Sender and receiver.
type Direction = (SocketAddr, SocketAddr);

#[derive(Debug, Clone, Copy)]
struct SctpNumbers {
    transmission: u32,
    in_stream: u16,
}

impl Streams {
    /// The packets of a parcel.
    pub(super) fn packets(
        &mut self,
        parcel: &Parcel<'_>,
        ending: Ending,
    ) -> io::Result<Vec<Built>> {
        match parcel.carrier {
            Carrier::Udp => Ok(vec![packets::udp(parcel)?]),
            Carrier::Tcp => self.segments(parcel, ending),
            Carrier::Sctp => self.chunks(parcel),
        }
    }

    /// There is no handshake: a packet that nobody captured has no place in the file, and readers do without. Both
    /// directions count from 1 and acknowledge what the other has sent so far.
    fn segments(&mut self, parcel: &Parcel<'_>, ending: Ending) -> io::Result<Vec<Built>> {
        let (source, destination) = parcel.direction();
        let acknowledged = self.tcp.get(&(destination, source)).copied().unwrap_or(1);
        let next = self.tcp.entry((source, destination)).or_insert(1);
        // What a message ends with stands apart from what nothing goes on with.
        let (from, missing) = match ending {
            Ending::Clean => (parcel.payload.len(), 0),
            Ending::Cut { from, missing } => (from, missing),
        };
        let (whole, cut) = parcel.payload.split_at_checked(from).unwrap_or_default();
        let pieces = whole.chunks(MAX_SEGMENT).map(|piece| (piece, 0));
        let last = cut.chunks(MAX_SEGMENT).count();
        let cut = (1..).zip(cut.chunks(MAX_SEGMENT)).map(|(number, piece)| {
            let room = MAX_SEGMENT - piece.len();
            let missing = if number == last { missing.min(room) } else { 0 };
            (piece, missing)
        });
        let mut segments = Vec::new();
        let mut written = 0;
        for (piece, missing) in pieces.chain(cut) {
            written += piece.len();
            let numbers = TcpNumbers {
                sequence: *next,
                acknowledged,
                push: written == from || written == parcel.payload.len(),
            };
            segments.push(packets::tcp(parcel, numbers, piece, missing)?);
            let length = u32::try_from(piece.len() + missing).map_err(io::Error::other)?;
            *next = next.wrapping_add(length);
        }
        Ok(segments)
    }

    fn chunks(&mut self, parcel: &Parcel<'_>) -> io::Result<Vec<Built>> {
        let numbers = self.sctp.entry(parcel.direction()).or_insert(SctpNumbers {
            transmission: 1,
            in_stream: 0,
        });
        let mut built = Vec::new();
        let mut pieces = parcel.payload.chunks(MAX_CHUNK).peekable();
        while let Some(piece) = pieces.next() {
            let chunk = DataChunk {
                // One for each direction, and never 0, which belongs to a handshake.
                verification_tag: if order(parcel.source) < order(parcel.destination) {
                    1
                } else {
                    2
                },
                transmission: numbers.transmission,
                in_stream: numbers.in_stream,
                is_first: built.is_empty(),
                is_last: pieces.peek().is_none(),
                octets: piece,
            };
            let (from, to) = (parcel.source.port(), parcel.destination.port());
            built.push(packets::sctp(parcel, &sctp::packet(from, to, &chunk)?)?);
            numbers.transmission = numbers.transmission.wrapping_add(1);
        }
        numbers.in_stream = numbers.in_stream.wrapping_add(1);
        Ok(built)
    }
}

fn order(end: SocketAddr) -> (IpAddr, u16) {
    (end.ip(), end.port())
}
