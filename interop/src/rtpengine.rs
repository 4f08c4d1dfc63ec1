//! rtpengine: relays media, and tells a collector what RTCP said, as JSON.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use hepcat_testkit::program;

use crate::{
    free_port,
    ports::is_udp_bound,
    process::{Program, directory},
};

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
        let lowest = free_port();
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
                format!("--port-max={}", lowest + 100),
            ])
            .arg(format!("--homer={collector}"))
            .arg(format!(
                "--homer-protocol={}",
                if tcp { "tcp" } else { "udp" }
            ))
            .arg(format!("--homer-id={}", Self::CAPTURE_ID));
        let mut program = Program::start("rtpengine", command, directory());
        program.wait_until("its port is bound", |_| is_udp_bound(address).then_some(()));
        let control = UdpSocket::bind("127.0.0.1:0").expect("bind a port");
        control.connect(address).expect("connect");
        control
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("set a time limit");
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
        let command = format!("{what}{call_id} d{words}e");
        self.control
            .send(command.as_bytes())
            .expect("send a command");
        let mut answer = [0; 4096];
        let length = self.control.recv(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
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
