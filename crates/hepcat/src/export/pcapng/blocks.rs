//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, as `pcap-parser` writes them.

use std::{borrow::Cow, io};

use pcap_parser::{
    Linktype, ToVec,
    pcapng::{
        EnhancedPacketBlock, InterfaceDescriptionBlock, OptionCode, PcapNGOption,
        SectionHeaderBlock,
    },
};

/// Times are microseconds, as HEP's are: 10 to the minus 6.
const RESOLUTION: u8 = 6;

/// One interface.
#[derive(Debug)]
pub(super) struct InterfaceDescription<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
}

/// One packet on an interface.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) interface: u32,
    /// Since 1970.
    pub(super) micros: u64,
    pub(super) octets: &'a [u8],
    /// Octets that it had on the wire.
    pub(super) original_length: usize,
    pub(super) comment: String,
}

/// The head of the file.
pub(super) fn section(remark: &str) -> io::Result<Vec<u8>> {
    let program = concat!("hepcat ", env!("CARGO_PKG_VERSION"));
    let mut block = SectionHeaderBlock {
        block_type: 0,
        block_len1: 0,
        bom: 0,
        major_version: 0,
        minor_version: 0,
        // Not said: the section goes on to the end of the file.
        section_len: -1,
        options: vec![
            text(OptionCode::Comment, remark),
            text(OptionCode::ShbUserAppl, program),
        ],
        block_len2: 0,
    };
    block.to_vec().map_err(io::Error::other)
}

impl InterfaceDescription<'_> {
    /// Raw IP: what a HEP message knows begins at the IP header, and a link layer would be invented.
    pub(super) fn block(&self) -> io::Result<Vec<u8>> {
        let mut block = InterfaceDescriptionBlock {
            block_type: 0,
            block_len1: 0,
            linktype: Linktype::RAW,
            reserved: 0,
            snaplen: 0,
            options: vec![
                text(OptionCode::IfName, self.name),
                text(OptionCode::IfDescription, self.description),
            ],
            block_len2: 0,
            if_tsresol: RESOLUTION,
            if_tsoffset: 0,
        };
        block.to_vec().map_err(io::Error::other)
    }
}

impl Packet<'_> {
    pub(super) fn block(&self) -> io::Result<Vec<u8>> {
        let length = |octets: usize| u32::try_from(octets).map_err(io::Error::other);
        let mut block = EnhancedPacketBlock {
            block_type: 0,
            block_len1: 0,
            if_id: self.interface,
            ts_high: u32::try_from(self.micros >> 32).map_err(io::Error::other)?,
            ts_low: u32::try_from(self.micros & u64::from(u32::MAX)).map_err(io::Error::other)?,
            caplen: length(self.octets.len())?,
            origlen: length(self.original_length)?,
            data: self.octets,
            options: vec![text(OptionCode::Comment, &self.comment)],
            block_len2: 0,
        };
        block.to_vec().map_err(io::Error::other)
    }
}

/// An option with text in it. All our texts are far below the limit; one that is not would be left out.
fn text(code: OptionCode, text: &str) -> PcapNGOption<'_> {
    let (len, value) = match u16::try_from(text.len()) {
        Ok(len) => (len, text.as_bytes()),
        Err(_) => (0, &[][..]),
    };
    PcapNGOption {
        code,
        len,
        value: Cow::Borrowed(value),
    }
}
