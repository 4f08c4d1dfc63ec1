//! rtpengine: relays media, and tells a collector what RTCP said, as JSON.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use hepcat_testkit::program;

use crate::{
    free_port,
    ports::free_ports,
    process::{PATIENCE, Program, directory},
};

/// Ports for its media.
const PORTS: u16 = 40;

/// An rtpengine of one call.
#[derive(Debug)]
pub struct Rtpengine {
    _program: Program,
    control: UdpSocket,
}

impl Rtpengine {
    /// The capture agent ID that it is given.
    pub const CAPTURE_ID: u32 = 2032;

    /// Starts one that sends HEP to `collector`, over TCP or UDP; `None` where rtpengine is not installed.
    #[must_use]
    pub fn start(collector: SocketAddr, tcp: bool) -> Option<Self> {
        let binary = program("rtpengine")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let lowest = free_ports(PORTS);
        let mut command = Command::new(binary);
        command
            .args([
                "--config-file=none",
                "--foreground",
                "--log-stderr",
                "--table=-1",
            ])
            .args(["--interface=127.0.0.1", &format!("--listen-ng={address}")])
            .args([
                format!("--port-min={lowest}"),
                format!("--port-max={}", lowest + PORTS - 1),
            ])
            .arg(format!("--homer={collector}"))
            .arg(format!(
                "--homer-protocol={}",
                if tcp { "tcp" } else { "udp" }
            ))
            .arg(format!("--homer-id={}", Self::CAPTURE_ID));
        let mut program = Program::start("rtpengine", command, directory());
        let control = UdpSocket::bind("127.0.0.1:0").expect("bind a port");
        control.connect(address).expect("connect");
        control
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("set a time limit");
        // What arrives between its bind and its first wait is never read, so it is asked until it answers.
        program.wait_until("it answers", |_| {
            control.send(b"ping d7:command4:pinge").ok();
            let mut answer = [0; 64];
            control.recv(&mut answer).ok()
        });
        Some(Self {
            _program: program,
            control,
        })
    }

    /// Offers and answers a call whose ends are these two RTP sockets; where each of them sends its RTP.
    ///
    /// # Panics
    /// When rtpengine refuses.
    #[must_use]
    pub fn call(&self, call_id: &str, caller: SocketAddr, callee: SocketAddr) -> [SocketAddr; 2] {
        let for_callee = self.ask(call_id, "offer", caller);
        let for_caller = self.ask(call_id, "answer", callee);
        [for_caller, for_callee]
    }

    /// One command of its control protocol (a cookie, then a bencoded dictionary); the port in the SDP it answers.
    fn ask(&self, call_id: &str, what: &str, media: SocketAddr) -> SocketAddr {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n",
            ip = media.ip(),
            port = media.port()
        );
        let mut words = vec![
            ("call-id", call_id),
            ("command", what),
            ("from-tag", "caller"),
            ("sdp", &sdp),
        ];
        if what == "answer" {
            words.push(("to-tag", "callee"));
        }
        let words: String = words
            .iter()
            .flat_map(|(key, value)| [*key, *value])
            .map(|word| format!("{}:{word}", word.len()))
            .collect();
        let cookie = format!("{what}-{call_id} ");
        let command = format!("{cookie}d{words}e");
        let until = Instant::now() + PATIENCE;
        let answer = loop {
            // Over UDP it is for the client to repeat itself; rtpengine knows the command again by its cookie.
            self.control
                .send(command.as_bytes())
                .expect("send a command");
            let mut answer = [0; 4096];
            let length = self.control.recv(&mut answer).unwrap_or(0);
            let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default());
            // Answers to further pings may still come.
            if answer.starts_with(&cookie) {
                break answer.into_owned();
            }
            assert!(Instant::now() < until, "{what}: no answer");
        };
        let port = answer
            .split_once("m=audio ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("{what} is refused: {answer}"));
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

/// An RTCP sender report (RFC 3550 §6.4.1) of this source about another one, with this fraction lost.
#[must_use]
pub fn rtcp_sender_report(ssrc: u32, about: u32, fraction_lost: u8) -> Vec<u8> {
    let words: [u32; 13] = [
        0x81c8_000c, // version 2, one report block; sender report; 12 more words
        ssrc,
        0xe000_0000, // NTP time
        0,
        160,  // RTP time
        50,   // packets
        8000, // octets
        about,
        u32::from(fraction_lost) << 24 | 3, // packets lost
        1234,                               // highest sequence number
        7,                                  // jitter
        0,
        0,
    ];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
