//! IP packets around payloads, checksums included.

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
};

use etherparse::{
    IpDscp, IpEcn, IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder,
    PacketBuilderStep, TcpHeader,
};

use super::carriage::Parcel;

/// Hops that a packet may still take: the usual start, since nobody knows.
const HOPS: u8 = 64;

/// A packet, of which the end may be missing.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) octets: Vec<u8>,
    /// Octets that it would have with its end.
    pub(super) original_length: usize,
}

/// Where a segment stands in its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct TcpNumbers {
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    /// A message ends with it.
    pub(super) push: bool,
}

/// The parcel as one datagram.
pub(super) fn udp(parcel: &Parcel<'_>) -> io::Result<Built> {
    let builder = ip(parcel)?.udp(parcel.source.port(), parcel.destination.port());
    let mut octets = Vec::with_capacity(builder.size(parcel.payload.len()));
    builder
        .write_to_vec(&mut octets, &parcel.payload)
        .map_err(io::Error::other)?;
    Ok(Built::whole(octets))
}

/// A segment with a piece of the parcel and `missing` octets that were not captured.
pub(super) fn tcp(
    parcel: &Parcel<'_>,
    numbers: TcpNumbers,
    piece: &[u8],
    missing: usize,
) -> io::Result<Built> {
    let (from, to) = (parcel.source.port(), parcel.destination.port());
    let mut header = TcpHeader::new(from, to, numbers.sequence, u16::MAX);
    header.ack = true;
    header.acknowledgment_number = numbers.acknowledged;
    header.psh = numbers.push;
    let builder = ip(parcel)?.tcp_header(header);
    let mut octets = Vec::with_capacity(builder.size(piece.len() + missing));
    if missing == 0 {
        builder
            .write_to_vec(&mut octets, piece)
            .map_err(io::Error::other)?;
        return Ok(Built::whole(octets));
    }
    // The checksum is that of zeros; nobody can check it of a packet without its end.
    let padded = [piece, &vec![0; missing]].concat();
    builder
        .write_to_vec(&mut octets, &padded)
        .map_err(io::Error::other)?;
    let original_length = octets.len();
    octets.truncate(original_length - missing);
    Ok(Built {
        octets,
        original_length,
    })
}

/// A packet between the parcel's addresses around one of SCTP.
pub(super) fn sctp(parcel: &Parcel<'_>, packet: &[u8]) -> io::Result<Built> {
    let builder = ip(parcel)?;
    let mut octets = Vec::new();
    builder
        .write_to_vec(&mut octets, IpNumber::SCTP, packet)
        .map_err(io::Error::other)?;
    Ok(Built::whole(octets))
}

impl Built {
    fn whole(octets: Vec<u8>) -> Self {
        Self {
            original_length: octets.len(),
            octets,
        }
    }
}

/// The header of IP; etherparse fills in length, protocol and checksum.
fn ip(parcel: &Parcel<'_>) -> io::Result<PacketBuilderStep<IpHeaders>> {
    let headers = match (parcel.source.ip(), parcel.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (source, destination) = (source.octets(), destination.octets());
            let mut header = Ipv4Header::new(0, HOPS, IpNumber::UDP, source, destination)
                .map_err(io::Error::other)?;
            header.dscp = IpDscp::try_new(parcel.tos >> 2).map_err(io::Error::other)?;
            header.ecn = IpEcn::try_new(parcel.tos & 0b11).map_err(io::Error::other)?;
            IpHeaders::Ipv4(header, Default::default())
        }
        (source, destination) => {
            let header = Ipv6Header {
                traffic_class: parcel.tos,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: 0,
                next_header: IpNumber::UDP,
                hop_limit: HOPS,
                source: v6(source).octets(),
                destination: v6(destination).octets(),
            };
            IpHeaders::Ipv6(header, Default::default())
        }
    };
    Ok(PacketBuilder::ip(headers))
}

/// Parcels have both addresses of one family.
fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
