//! Messages as a capture file: packets written anew around what was captured.

mod blocks;
mod carriage;
mod comment;
mod framing;
mod interfaces;
mod packets;
mod sctp;
mod streams;

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{Report, order::Timed};

use blocks::{InterfaceDescription, Packet};
use carriage::Parcel;
use interfaces::Interfaces;
use streams::Streams;

/// What the file says of itself: whoever reads it must know what is captured in it and what is ours.
const REMARK: &str = "Written from HEP by hepcat. Payloads, addresses, ports and times are those that capture agents \
    reported; IP, UDP, TCP and SCTP headers are written anew, sequence numbers are ours.";

/// Writes a file with all messages in it. Where these are not all there are, its head says why.
pub(super) fn write(
    messages: &[Timed<'_>],
    left_out: Option<&str>,
    to: &mut impl Write,
    report: &mut Report,
) -> io::Result<()> {
    let parcels: Vec<_> = messages.iter().map(|m| Parcel::of(m.message)).collect();
    let endings = framing::endings(&parcels);
    let interfaces = Interfaces::of(messages.iter().map(|timed| timed.message));
    let remark = match left_out {
        Some(why) => Cow::Owned(format!("{REMARK} Older messages are left out: {why}.")),
        None => Cow::Borrowed(REMARK),
    };
    to.write_all(&blocks::section(&remark)?)?;
    for (name, description) in interfaces.list() {
        let interface = InterfaceDescription { name, description };
        to.write_all(&interface.block()?)?;
    }
    let mut streams = Streams::default();
    for ((timed, parcel), ending) in messages.iter().zip(&parcels).zip(endings) {
        if let Some(reason) = parcel.as_hep {
            *report.as_hep.entry(reason).or_default() += 1;
        }
        let packets = streams.packets(parcel, ending)?;
        let count = packets.len();
        for (index, packet) in packets.into_iter().enumerate() {
            let is_cut = packet.original_length > packet.octets.len();
            report.packets += 1;
            report.cut += u64::from(is_cut);
            let block = Packet {
                interface: interfaces.number_of(timed.message),
                micros: u64::try_from(timed.at.as_micros()).unwrap_or(u64::MAX),
                octets: &packet.octets,
                original_length: packet.original_length,
                comment: comment::of(timed, parcel, (index + 1, count), is_cut),
            };
            to.write_all(&block.block()?)?;
        }
    }
    Ok(())
}
