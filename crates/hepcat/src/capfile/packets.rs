//! Packets out of pcap and pcapng, whatever link they were taken from.

use std::{io::Read, time::Duration};

use pcap_parser::{
    Block, LegacyPcapReader, Linktype, PcapBlockOwned, PcapError, PcapNGReader,
    traits::{PcapNGPacketBlock, PcapReaderIterator},
};

use super::Fault;

/// Enough for hundreds of packets; grows up to [`MAX_BLOCK`] for one that is larger.
const BUFFER: usize = 256 * 1024;
/// A block that declares more is a fault, not a reason to ask for more memory. The largest packet that
/// tcpdump writes is 262,144 octets.
const MAX_BLOCK: usize = 16 * 1024 * 1024;
/// Interfaces of one pcapng section; a hostile file may declare millions.
const MAX_INTERFACES: usize = 65_536;

/// One packet as captured.
#[derive(Debug)]
pub(super) struct RawPacket {
    /// Counted from 1, as Wireshark does.
    pub(super) number: u64,
    /// Since 1970; `None` where the file does not say.
    pub(super) time: Option<Duration>,
    pub(super) link: Linktype,
    pub(super) data: Vec<u8>,
}

/// Reads packets one after the other.
pub(super) struct PacketReader {
    reader: Box<dyn PcapReaderIterator + Send>,
    section: Section,
    capacity: usize,
}

impl PacketReader {
    pub(super) fn pcap<R: Read + Send + 'static>(reader: R) -> Result<Self, Fault> {
        let reader = LegacyPcapReader::new(BUFFER, reader).map_err(|e| open_fault(&e))?;
        Ok(Self::over(Box::new(reader)))
    }

    pub(super) fn pcapng<R: Read + Send + 'static>(reader: R) -> Result<Self, Fault> {
        let reader = PcapNGReader::new(BUFFER, reader).map_err(|e| open_fault(&e))?;
        Ok(Self::over(Box::new(reader)))
    }

    fn over(reader: Box<dyn PcapReaderIterator + Send>) -> Self {
        Self {
            reader,
            section: Section::default(),
            capacity: BUFFER,
        }
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<RawPacket>, Fault> {
        loop {
            // Asked here and not of the parser, which calls a buffer that is empty but not rewound a
            // truncated file.
            if self.reader.data().is_empty() && self.reader.reader_exhausted() {
                return Ok(None);
            }
            let section = &mut self.section;
            let step = match self.reader.next() {
                Ok((length, block)) => Step::Block(length, section.take(block)),
                Err(PcapError::Incomplete(_)) => Step::ReadOn,
                Err(PcapError::BufferTooSmall) => Step::Grow,
                Err(PcapError::Eof) => Step::End,
                Err(PcapError::UnexpectedEof) => {
                    Step::Fault("truncated", "the file ends inside a block".to_owned())
                }
                Err(PcapError::ReadError) => {
                    Step::Fault("read_failed", "the file cannot be read further".to_owned())
                }
                Err(_) => Step::Fault("bad_block", "this is no valid block".to_owned()),
            };
            match step {
                Step::Block(length, packet) => {
                    self.reader.consume(length);
                    match packet {
                        Ok(Some(packet)) => return Ok(Some(packet)),
                        Ok(None) => {}
                        Err(what) => return Err(self.fault("bad_block", what.to_owned())),
                    }
                }
                Step::ReadOn => self.refill()?,
                Step::Grow => {
                    if self.reader.reader_exhausted() {
                        let what = "the file ends inside a block".to_owned();
                        return Err(self.fault("truncated", what));
                    }
                    self.grow()?;
                }
                Step::End => return Ok(None),
                Step::Fault(reason, what) => return Err(self.fault(reason, what)),
            }
        }
    }

    fn refill(&mut self) -> Result<(), Fault> {
        if self.reader.refill().is_err() {
            let what = "the file cannot be read further".to_owned();
            return Err(self.fault("read_failed", what));
        }
        Ok(())
    }

    /// Reads on while there is room, and makes room only for a block that does not fit.
    fn grow(&mut self) -> Result<(), Fault> {
        let before = self.reader.data().len();
        self.refill()?;
        if self.reader.data().len() > before || self.reader.reader_exhausted() {
            return Ok(());
        }
        if self.capacity >= MAX_BLOCK {
            let what = format!("a block of more than {MAX_BLOCK} octets is declared");
            return Err(self.fault("block_too_large", what));
        }
        self.capacity *= 2;
        self.reader.grow(self.capacity);
        self.refill()
    }

    fn fault(&self, reason: &'static str, what: String) -> Fault {
        let offset = u64::try_from(self.reader.consumed()).unwrap_or(u64::MAX);
        Fault::new(reason, offset, what)
    }
}

impl std::fmt::Debug for PacketReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketReader")
            .field("section", &self.section)
            .finish_non_exhaustive()
    }
}

enum Step {
    Block(usize, Result<Option<RawPacket>, &'static str>),
    ReadOn,
    Grow,
    End,
    Fault(&'static str, String),
}

fn open_fault(error: &PcapError<&'static [u8]>) -> Fault {
    match error {
        PcapError::Incomplete(_) | PcapError::Eof => {
            Fault::new("truncated", 0, "the file ends inside its header".to_owned())
        }
        _ => Fault::new("bad_header", 0, "the file's header is not valid".to_owned()),
    }
}

/// What the packets of a file, or of one section of it, share.
#[derive(Debug, Default)]
struct Section {
    packets: u64,
    /// pcap has one, pcapng any number.
    interfaces: Vec<Interface>,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Linktype,
    /// 0: no limit.
    snap_length: u32,
    /// Units of the time stamp in a second.
    resolution: u64,
    /// Seconds to add to the time stamp.
    offset: i64,
}

impl Section {
    fn take(&mut self, block: PcapBlockOwned<'_>) -> Result<Option<RawPacket>, &'static str> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                // The upper bits of the field tell about frame check sequences.
                let link = Linktype(header.network.0 & 0x0fff_ffff);
                let resolution = if header.is_nanosecond_precision() {
                    1_000_000_000
                } else {
                    1_000_000
                };
                self.interfaces = vec![Interface {
                    link,
                    snap_length: 0,
                    resolution,
                    offset: 0,
                }];
                Ok(None)
            }
            PcapBlockOwned::Legacy(block) => {
                let interface = self.interface(0)?;
                let stamp = u64::from(block.ts_sec)
                    .saturating_mul(interface.resolution)
                    .saturating_add(u64::from(block.ts_usec));
                Ok(Some(self.packet(interface, Some(stamp), block.data)))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                Ok(None)
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err("the section describes more than 65,536 interfaces");
                }
                self.interfaces.push(Interface {
                    link: block.linktype,
                    snap_length: block.snaplen,
                    resolution: block.ts_resolution().unwrap_or(1_000_000).max(1),
                    offset: block.ts_offset(),
                });
                Ok(None)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let interface = self.interface(block.if_id as usize)?;
                let stamp = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                Ok(Some(self.packet(
                    interface,
                    Some(stamp),
                    block.packet_data(),
                )))
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let interface = self.interface(0)?;
                let data = block.packet_data();
                let length = match interface.snap_length {
                    0 => data.len(),
                    limit => data.len().min(limit as usize),
                };
                Ok(Some(self.packet(interface, None, &data[..length])))
            }
            PcapBlockOwned::NG(_) => Ok(None),
        }
    }

    fn interface(&self, index: usize) -> Result<Interface, &'static str> {
        self.interfaces
            .get(index)
            .copied()
            .ok_or("the packet names an interface that is not described")
    }

    fn packet(&mut self, interface: Interface, stamp: Option<u64>, data: &[u8]) -> RawPacket {
        self.packets += 1;
        RawPacket {
            number: self.packets,
            time: stamp.map(|stamp| interface.time(stamp)),
            link: interface.link,
            data: data.to_vec(),
        }
    }
}

impl Interface {
    /// A time before 1970 is taken as 1970.
    fn time(self, stamp: u64) -> Duration {
        let seconds = (stamp / self.resolution)
            .checked_add_signed(self.offset)
            .unwrap_or(0);
        let part = u128::from(stamp % self.resolution) * 1_000_000_000;
        let nanos = part / u128::from(self.resolution);
        Duration::new(seconds, u32::try_from(nanos).unwrap_or(0))
    }
}
