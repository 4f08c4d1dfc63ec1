//! Reading files that hold HEP or SIP: capture files, dumps of frames, hexadecimal text.
//!
//! ```text
//! pcap, pcapng ─ packets ─ link, VLAN, IP, fragments ┬ UDP ───────────────────────┐
//!                                                    └ TCP ─ reassembly ─ framing ┼─ Item
//! hex text, frames one after the other, gzip ─ frame splitter ────────────────────┘
//! ```
//!
//! [`Input`] gives out [`Item`]s in the order of the file and counts in its [`Report`] everything that did
//! not become one. A hostile file costs bounded memory: every table and buffer on the way has a limit, and
//! what a limit drops is counted. A file that breaks off gives what was readable, then a [`Fault`].

mod content;
mod flows;
mod frames;
mod hex;
mod network;
mod packets;
mod report;
pub(crate) mod sip_stream;
mod tcp;

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    io::{self, BufReader, Cursor, Read},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use etherparse::{IpNumber, TcpSlice, UdpSlice};
use flate2::read::MultiGzDecoder;

pub use content::Content;
pub use report::Report;

use content::Recognised;
use flows::{Carried, FlowKey, Flows};
use frames::{FrameSplitter, Source};
use hex::HexBlocks;
use network::{Datagram, Network};
use packets::PacketReader;
use tcp::{Segment, Stamp};

/// Octets looked at to tell what an input is.
const PEEK: usize = 64 * 1024;
/// Octets read from a dump at a time.
const READ: usize = 64 * 1024;

/// What an input turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputKind {
    /// Hexadecimal text.
    Hex,
    /// HEP frames as they are on the wire.
    Frames,
    /// A capture file of the old format.
    Pcap,
    /// A capture file of the new format.
    Pcapng,
}

/// Why reading stopped before the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (octet {offset})")]
#[non_exhaustive]
pub struct Fault {
    /// Fixed label: `truncated`, `bad_header`, `bad_block`, `block_too_large`, `bad_hex`, `read_failed`,
    /// `empty`.
    pub reason: &'static str,
    /// Where in the file, in octets (of the unpacked file where it is gzipped).
    pub offset: u64,
    /// In words.
    pub what: String,
}

impl Fault {
    fn new(reason: &'static str, offset: u64, what: String) -> Self {
        Self {
            reason,
            offset,
            what,
        }
    }
}

/// How captured octets travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// In one UDP datagram.
    Udp,
    /// In a TCP stream.
    Tcp,
}

/// Where an item of a capture file was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Number of the packet that completed it, counted from 1.
    pub packet: u64,
    /// Since 1970; `None` where the file does not say.
    pub time: Option<Duration>,
    /// Sender of the packet.
    pub source: SocketAddr,
    /// Receiver of the packet.
    pub destination: SocketAddr,
    /// How it travelled.
    pub carrier: Carrier,
    /// Innermost VLAN tag.
    pub vlan: Option<u16>,
    /// Type of service or traffic class.
    pub tos: u8,
    /// The capture has less of the packet than was on the wire.
    pub cut: bool,
}

/// Octets with a meaning of their own: a HEP frame, a SIP message, or a datagram of something else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// What they are.
    pub content: Content,
    /// The octets; of a gzipped HEP message, what was inside.
    pub octets: Vec<u8>,
    /// It came as one gzip member (heplify 2 with `payload_zip`).
    pub gzipped: bool,
    /// Offset of the first octet in a dump (in the octets meant, where the dump is text).
    pub offset: Option<u64>,
    /// The packet's part in it, for capture files.
    pub seen: Option<Seen>,
}

/// A file, or a stream of octets, being read.
pub struct Input {
    kind: InputKind,
    state: State,
    ready: VecDeque<Item>,
    report: Report,
    fault: Option<Fault>,
    octets: Arc<AtomicU64>,
}

enum State {
    Packets(Box<Packets>),
    Frames {
        from: Box<dyn Read + Send>,
        splitter: FrameSplitter,
    },
    Hex(HexBlocks<Box<dyn io::BufRead + Send>>),
    Done,
}

struct Packets {
    reader: PacketReader,
    network: Network,
    flows: Flows,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// The system's, when the file cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::from_reader(io::stdin());
        }
        Self::from_reader(File::open(path)?)
    }

    /// Looks at the first octets to tell what this is; capture files and dumps may be gzipped.
    ///
    /// # Errors
    /// The system's, when nothing can be read.
    pub fn from_reader<R: Read + Send + 'static>(reader: R) -> io::Result<Self> {
        let octets = Arc::new(AtomicU64::new(0));
        let tap = Tap {
            inner: reader,
            octets: Arc::clone(&octets),
        };
        let (start, from) = peek(tap)?;
        if is_gzipped_file(&start) {
            let (start, from) = peek(MultiGzDecoder::new(from))?;
            return Ok(Self::over(&start, from, octets));
        }
        Ok(Self::over(&start, from, octets))
    }

    fn over(start: &[u8], from: Box<dyn Read + Send>, octets: Arc<AtomicU64>) -> Self {
        let (kind, state) = match start.get(..4) {
            Some(
                [0xd4, 0xc3, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0xc3, 0xd4]
                | [0x4d, 0x3c, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0x3c, 0x4d]
                | [0x34, 0xcd, 0xb2, 0xa1],
            ) => (InputKind::Pcap, PacketReader::pcap(from).map(packets)),
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => {
                (InputKind::Pcapng, PacketReader::pcapng(from).map(packets))
            }
            _ if hex::is_hex(start) => {
                let lines: Box<dyn io::BufRead + Send> = Box::new(BufReader::new(from));
                (InputKind::Hex, Ok(State::Hex(HexBlocks::new(lines))))
            }
            _ if start.is_empty() => {
                let fault = Fault::new("empty", 0, "there is nothing in it".to_owned());
                (InputKind::Frames, Err(fault))
            }
            _ => {
                let splitter = FrameSplitter::new(Source::Dump, 0);
                (InputKind::Frames, Ok(State::Frames { from, splitter }))
            }
        };
        let (state, fault) = match state {
            Ok(state) => (state, None),
            Err(fault) => (State::Done, Some(fault)),
        };
        Self {
            kind,
            state,
            ready: VecDeque::new(),
            report: Report::default(),
            fault,
            octets,
        }
    }

    /// What the input is.
    #[must_use]
    pub fn kind(&self) -> InputKind {
        self.kind
    }

    /// What was counted so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Why reading stopped; meaningful when there are no more items.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Octets of the file read so far.
    #[must_use]
    pub fn octets_read(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// Reads on until something is ready; false at the end.
    fn read_on(&mut self) -> bool {
        let step = match &mut self.state {
            State::Packets(packets) => packets.step(&mut self.report, &mut self.ready),
            State::Frames { from, splitter } => dump_step(from, splitter, &mut self.ready),
            State::Hex(blocks) => hex_step(blocks, &mut self.ready),
            State::Done => Ok(false),
        };
        match step {
            Ok(true) => return true,
            Ok(false) => {}
            Err(fault) => self.fault = Some(fault),
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Packets(mut packets) => {
                packets.network.finish(&mut self.report);
                let mut carried = Vec::new();
                packets.flows.finish(&mut self.report, &mut carried);
                self.ready.extend(carried.into_iter().map(Item::from));
            }
            State::Frames { mut splitter, .. } => drain(&mut splitter, true, &mut self.ready),
            State::Hex(_) | State::Done => {}
        }
        !self.ready.is_empty()
    }
}

impl Iterator for Input {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if !self.read_on() {
                return None;
            }
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("kind", &self.kind)
            .field("report", &self.report)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

fn packets(reader: PacketReader) -> State {
    State::Packets(Box::new(Packets {
        reader,
        network: Network::default(),
        flows: Flows::default(),
    }))
}

impl Packets {
    fn step(&mut self, report: &mut Report, ready: &mut VecDeque<Item>) -> Result<bool, Fault> {
        let Some(packet) = self.reader.next()? else {
            return Ok(false);
        };
        report.packets += 1;
        let Some(datagram) = self.network.datagram(&packet, report) else {
            return Ok(true);
        };
        let stamp = Stamp {
            time: packet.time,
            packet: packet.number,
        };
        match datagram.protocol {
            IpNumber::UDP => udp(&datagram, stamp, report, ready),
            IpNumber::TCP => self.tcp(&datagram, stamp, report, ready),
            _ => report.skip("not_udp_or_tcp"),
        }
        Ok(true)
    }

    fn tcp(
        &mut self,
        datagram: &Datagram<'_>,
        stamp: Stamp,
        report: &mut Report,
        ready: &mut VecDeque<Item>,
    ) {
        let Ok(tcp) = TcpSlice::from_slice(&datagram.payload) else {
            report.skip("truncated");
            return;
        };
        if datagram.cut {
            // The rest of it becomes a hole, which is reported when the stream goes on behind it.
            report.skip("truncated");
        }
        let key = FlowKey {
            source: SocketAddr::new(datagram.source, tcp.source_port()),
            destination: SocketAddr::new(datagram.destination, tcp.destination_port()),
            vlan: datagram.vlan,
        };
        let segment = Segment {
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            fin: tcp.fin() && !datagram.cut,
            rst: tcp.rst(),
            payload: tcp.payload(),
        };
        let mut carried = Vec::new();
        self.flows
            .accept(key, datagram.tos, &segment, stamp, report, &mut carried);
        ready.extend(carried.into_iter().map(Item::from));
    }
}

fn udp(datagram: &Datagram<'_>, stamp: Stamp, report: &mut Report, ready: &mut VecDeque<Item>) {
    let Ok(udp) = UdpSlice::from_slice_lax(&datagram.payload) else {
        report.skip("truncated");
        return;
    };
    let payload = udp.payload();
    let declared = usize::from(udp.length()).saturating_sub(8);
    let (content, octets, gzipped) = match content::of_datagram(payload) {
        Recognised::AsIs(content) => (content, payload.to_vec(), false),
        Recognised::Inflated(frame) => (Content::Hep, frame, true),
    };
    ready.push_back(Item {
        content,
        octets,
        gzipped,
        offset: None,
        seen: Some(Seen {
            packet: stamp.packet,
            time: stamp.time,
            source: SocketAddr::new(datagram.source, udp.source_port()),
            destination: SocketAddr::new(datagram.destination, udp.destination_port()),
            carrier: Carrier::Udp,
            vlan: datagram.vlan,
            tos: datagram.tos,
            cut: datagram.cut || declared > payload.len(),
        }),
    });
}

impl From<Carried> for Item {
    fn from(carried: Carried) -> Self {
        Self {
            content: carried.content,
            octets: carried.octets,
            gzipped: carried.gzipped,
            offset: None,
            seen: Some(Seen {
                packet: carried.stamp.packet,
                time: carried.stamp.time,
                source: carried.flow.source,
                destination: carried.flow.destination,
                carrier: Carrier::Tcp,
                vlan: carried.flow.vlan,
                tos: carried.tos,
                cut: false,
            }),
        }
    }
}

fn dump_step(
    from: &mut Box<dyn Read + Send>,
    splitter: &mut FrameSplitter,
    ready: &mut VecDeque<Item>,
) -> Result<bool, Fault> {
    let mut part = vec![0; READ];
    let length = read_some(from, &mut part).map_err(|e| {
        let offset = splitter.offset();
        Fault::new("read_failed", offset, e.to_string())
    })?;
    splitter.push(part.get(..length).unwrap_or_default());
    drain(splitter, false, ready);
    Ok(length > 0)
}

fn hex_step(
    blocks: &mut HexBlocks<Box<dyn io::BufRead + Send>>,
    ready: &mut VecDeque<Item>,
) -> Result<bool, Fault> {
    let base = blocks.given;
    let Some(block) = blocks.next()? else {
        return Ok(false);
    };
    // Each block is a dump of its own; only what is said about offsets counts through.
    let mut splitter = FrameSplitter::new(Source::Dump, 0);
    splitter.push(&block);
    let first = ready.len();
    drain(&mut splitter, true, ready);
    for item in ready.iter_mut().skip(first) {
        item.offset = item.offset.map(|offset| offset + base);
    }
    Ok(true)
}

fn drain(splitter: &mut FrameSplitter, at_end: bool, ready: &mut VecDeque<Item>) {
    while let Some(piece) = splitter.next(at_end) {
        ready.push_back(Item {
            content: Content::Hep,
            octets: piece.octets,
            gzipped: piece.gzipped,
            offset: Some(piece.offset),
            seen: None,
        });
    }
}

/// Counts what is read, for a progress bar.
struct Tap<R> {
    inner: R,
    octets: Arc<AtomicU64>,
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.octets.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The first octets, and a reader that gives them again before the rest.
fn peek<R: Read + Send + 'static>(mut reader: R) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    let read = reader.by_ref().take(PEEK as u64).read_to_end(&mut start);
    if let Err(error) = read
        && start.is_empty()
    {
        return Err(error);
    }
    let again = Cursor::new(start.clone()).chain(reader);
    Ok((start, Box::new(again)))
}

/// A gzipped capture or dump, and not a gzipped HEP message, which is read member by member.
fn is_gzipped_file(start: &[u8]) -> bool {
    if !start.starts_with(&[0x1f, 0x8b]) {
        return false;
    }
    let mut inside = [0; 4];
    let mut member = flate2::bufread::GzDecoder::new(start);
    member.read_exact(&mut inside).is_ok() && !content::is_hep3(&inside)
}

fn read_some(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
