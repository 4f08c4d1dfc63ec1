//! `sipp` (Debian: sip-tester): makes the calls, and its log is the truth about what was said.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use hepcat_testkit::program;

use crate::{
    ports::is_udp_bound,
    process::{Program, directory},
};

/// One SIP message as `sipp` logged it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SipMessage {
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// Its octets.
    pub payload: Vec<u8>,
}

impl SipMessage {
    /// One of these parts.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: Vec<u8>) -> Self {
        Self {
            source,
            destination,
            payload,
        }
    }
}

/// A `sipp` that answers calls.
#[derive(Debug)]
pub struct Answerer {
    program: Program,
    address: SocketAddr,
}

impl Answerer {
    /// Starts one that answers so many calls and then ends; `None` where `sipp` is not installed.
    #[must_use]
    pub fn start(port: u16, calls: usize) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = sipp(address)?;
        command.args(["-sn", "uas", "-m", &calls.to_string()]);
        let mut program = Program::start("sipp (uas)", command, directory());
        program.wait_until("its port is bound", |_| is_udp_bound(address).then_some(()));
        Some(Self { program, address })
    }

    /// Waits until it has logged so many messages; what was said between it and `peer`. (It ends seconds after its
    /// last call, in case something is repeated.)
    ///
    /// # Panics
    /// When it has not within 20 seconds.
    #[must_use]
    pub fn messages(mut self, peer: SocketAddr, count: usize) -> Vec<SipMessage> {
        let address = self.address;
        let what = format!("{count} messages were logged");
        self.program.wait_until(&what, |program| {
            let messages = read_log(program.directory(), address, peer);
            (messages.len() >= count).then_some(messages)
        })
    }
}

/// Makes so many calls through `peer` and waits until all are done; what was said. `None` where `sipp` is not
/// installed.
///
/// # Panics
/// When a call fails.
#[must_use]
pub fn call(port: u16, peer: SocketAddr, calls: usize) -> Option<Vec<SipMessage>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = sipp(address)?;
    command
        .args(["-sn", "uac", "-m", &calls.to_string()])
        .args(["-r", "20", "-d", "50"])
        .arg(peer.to_string());
    let mut program = Program::start("sipp (uac)", command, directory());
    let status = program.wait_for_exit();
    assert!(status.success(), "{calls} calls made: {status}\n{program}");
    Some(read_log(program.directory(), address, peer))
}

fn sipp(address: SocketAddr) -> Option<Command> {
    let mut command = Command::new(program("sipp")?);
    command
        .args([
            "-i",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ])
        .args([
            "-bind_local",
            "-nostdin",
            "-skip_rlimit",
            "-timeout",
            "18s",
            "-timeout_error",
        ])
        .args(["-trace_msg", "-message_file", "messages.log"]);
    Some(command)
}

/// The log has, for each message, a line that says how long it is, an empty line, and its octets.
fn read_log(directory: &Path, own: SocketAddr, peer: SocketAddr) -> Vec<SipMessage> {
    let log = fs::read(directory.join("messages.log")).unwrap_or_default();
    let mut messages = Vec::new();
    let mut at = 0;
    while let Some((line, next)) = line(&log, at) {
        at = next;
        let Some(rest) = line.strip_prefix("UDP message ") else {
            continue;
        };
        let length = rest
            .split(|c: char| !c.is_ascii_digit())
            .find(|digits| !digits.is_empty())
            .and_then(|digits| digits.parse::<usize>().ok())
            .unwrap_or_else(|| panic!("no length in `{line}`"));
        let Some((_, start)) = self::line(&log, at) else {
            break;
        };
        let Some(payload) = log.get(start..start + length) else {
            break;
        };
        let (source, destination) = if rest.starts_with("sent") {
            (own, peer)
        } else {
            (peer, own)
        };
        messages.push(SipMessage {
            source,
            destination,
            payload: payload.to_vec(),
        });
        at = start + length;
    }
    messages
}

fn line(text: &[u8], at: usize) -> Option<(String, usize)> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let end = rest
        .iter()
        .position(|octet| *octet == b'\n')
        .unwrap_or(rest.len());
    let line = String::from_utf8_lossy(rest.get(..end)?).into_owned();
    Some((line, at + end + 1))
}
