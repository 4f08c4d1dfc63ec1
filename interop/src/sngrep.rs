//! sngrep without its screen: as a sender (`-H`) it captures on loopback, as a receiver (`-L`) it writes a pcap file.

use std::{fs, net::SocketAddr, process::Command};

use hepcat_testkit::{program, skipped};

use crate::{
    free_port,
    ports::is_udp_bound,
    process::{Program, directory},
};

/// A sngrep that captures SIP of one port on loopback and sends it as HEP. It needs the right to capture.
#[derive(Debug)]
pub struct SendingSngrep {
    _program: Program,
}

impl SendingSngrep {
    /// The capture agent ID that it is given.
    pub const CAPTURE_ID: u32 = 2001;

    /// Starts one; `None` where sngrep is not installed or may not capture.
    #[must_use]
    pub fn start(sip_port: u16, collector: SocketAddr, version: u8) -> Option<Self> {
        let binary = program("sngrep")?;
        if !nix::unistd::geteuid().is_root() {
            skipped("sngrep may not capture without root");
            return None;
        }
        let directory = directory();
        let settings = format!(
            "set eep.send.version {version}\nset eep.send.id {}\n",
            Self::CAPTURE_ID
        );
        fs::write(directory.path().join("sngreprc"), settings).expect("write its settings");
        let mut command = Command::new(binary);
        command
            .args(["-F", "-f", "sngreprc", "-N", "-q", "-d", "lo"])
            .args(["-H", &url(collector)])
            .args(["udp", "port", &sip_port.to_string()]);
        let mut program = Program::start("sngrep -H", command, directory);
        program.wait_until("it captures", |program| captures(program).then_some(()));
        Some(Self { _program: program })
    }
}

/// Whether the program has a packet socket that is bound to a protocol: then nothing on the wire escapes it.
fn captures(program: &Program) -> bool {
    let sockets = fs::read_to_string("/proc/net/packet").unwrap_or_default();
    let bound: Vec<String> = sockets
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.get(3).is_some_and(|protocol| *protocol != "0000"))
        .filter_map(|columns| Some(format!("socket:[{}]", columns.last()?)))
        .collect();
    let files = fs::read_dir(format!("/proc/{}/fd", program.id()));
    let mut files = files.into_iter().flatten().flatten();
    files.any(|file| {
        fs::read_link(file.path()).is_ok_and(|target| {
            bound
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        })
    })
}

/// A sngrep that takes HEP and writes what it was about as a pcap file.
#[derive(Debug)]
pub struct ListeningSngrep {
    program: Program,
    address: SocketAddr,
}

impl ListeningSngrep {
    /// Starts one for this version; `None` where sngrep is not installed.
    #[must_use]
    pub fn start(version: u8) -> Option<Self> {
        let binary = program("sngrep")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let directory = directory();
        let settings = format!("set eep.listen.version {version}\n");
        fs::write(directory.path().join("sngreprc"), settings).expect("write its settings");
        let mut command = Command::new(binary);
        command
            .args(["-F", "-f", "sngreprc", "-N", "-q", "-O", "taken.pcap"])
            .args(["-L", &url(address)]);
        let mut program = Program::start("sngrep -L", command, directory);
        program.wait_until("its port is bound", |_| is_udp_bound(address).then_some(()));
        Some(Self { program, address })
    }

    /// Where it takes HEP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until its file holds so many packets; all of them, link and IP headers included.
    ///
    /// # Panics
    /// When it does not within 20 seconds.
    #[must_use]
    pub fn wait_for(&mut self, count: usize) -> Vec<Vec<u8>> {
        let what = format!("{count} packets were written");
        self.program.wait_until(&what, |program| {
            let file = fs::read(program.directory().join("taken.pcap")).unwrap_or_default();
            let packets = packets(&file);
            (packets.len() >= count).then_some(packets)
        })
    }
}

/// Octets before the first packet of a pcap file.
const FILE_HEADER: usize = 24;

/// The whole packets of a pcap file (a 16-octet header each, of which the third word is the length).
fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(16)
        && let Some(length) = header.get(8..).and_then(<[u8]>::first_chunk)
        && let Ok(length) = usize::try_from(u32::from_le_bytes(*length))
        && let Some((packet, after)) = after.split_at_checked(length)
    {
        packets.push(packet.to_vec());
        rest = after;
    }
    packets
}

fn url(address: SocketAddr) -> String {
    format!("udp:{}:{}", address.ip(), address.port())
}
