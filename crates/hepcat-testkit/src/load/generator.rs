//! Sends the mix: several senders, paced or flat out, from one thread.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::prctl,
    time::{ClockId, clock_gettime},
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde::{Deserialize, Serialize};

use super::{MESSAGES_PER_CALL, Mix, Transport, Version, now_micros, udp::BatchSender};

/// Messages that a sender writes to its stream at once, at most: about 64 KiB.
const STREAM_BURST: usize = 8 * MESSAGES_PER_CALL;

/// What to send where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GeneratorConfig {
    /// How it travels.
    pub transport: Transport,
    /// Every message goes to each of these.
    pub targets: Vec<SocketAddr>,
    /// HEP version; streams take HEPv3 alone.
    pub version: Version,
    /// Senders, each with a socket, a row of numbers and a capture agent ID of its own. 4 by default.
    pub senders: u16,
    /// Messages per second of all senders together; `None` (default): as fast as it goes.
    pub rate: Option<f64>,
    /// Datagrams handed to the kernel with one call, 1 to 13 (default). Agents send each by itself, which costs
    /// the generator more.
    pub datagrams_per_call: usize,
    /// How long to send. 10 s by default.
    pub duration: Duration,
    /// PEM file of the authority that TLS targets (as `localhost`) are verified with.
    pub ca: Option<PathBuf>,
}

impl GeneratorConfig {
    /// HEPv3 over `transport` to `targets`, flat out for 10 seconds from 4 senders.
    #[must_use]
    pub fn new(transport: Transport, targets: Vec<SocketAddr>) -> Self {
        Self {
            transport,
            targets,
            version: Version::V3,
            senders: 4,
            rate: None,
            datagrams_per_call: MESSAGES_PER_CALL,
            duration: Duration::from_secs(10),
            ca: None,
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeneratorReport {
    /// Messages by sender, each counted once however many targets it went to.
    pub sent: BTreeMap<u16, u64>,
    /// Datagrams that the kernel refused; they are among those sent.
    pub failed: u64,
    /// Seconds from the first message to the last.
    pub seconds: f64,
    /// Seconds of CPU time that this took.
    pub cpu_seconds: f64,
    /// When the last message was handed to its socket, in microseconds since 1970.
    pub ended_micros: u64,
}

impl GeneratorReport {
    /// Messages of all senders.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sent.values().sum()
    }

    /// When the first message was handed to its socket, in microseconds since 1970.
    #[must_use]
    pub fn started_micros(&self) -> u64 {
        let lasted = Duration::from_secs_f64(self.seconds.max(0.0)).as_micros();
        let lasted = u64::try_from(lasted).unwrap_or(u64::MAX);
        self.ended_micros.saturating_sub(lasted)
    }

    /// Messages per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.total() as f64 / self.seconds
    }
}

/// Sends as configured and reports it; blocks until all is sent.
///
/// # Errors
/// When a socket cannot be had, or a stream breaks.
pub fn generate(config: &GeneratorConfig) -> io::Result<GeneratorReport> {
    // The default slack of 50 µs would make every pause of the pacing overshoot. A kernel without it costs precision alone.
    prctl::set_timerslack(1).ok();
    let mut senders = (1..=config.senders)
        .map(|number| Sender::new(config, number))
        .collect::<io::Result<Vec<_>>>()?;
    let cpu_before = process_cpu()?;
    let started = Instant::now();
    let (mut sent, mut failed) = (0_u64, 0);
    let burst = burst_size(config.transport, config.rate);
    let mut turns = (0..senders.len()).cycle();
    loop {
        let elapsed = started.elapsed();
        if elapsed >= config.duration {
            break;
        }
        if let Some(rate) = config.rate {
            let missing = burst as f64 - (rate * elapsed.as_secs_f64() - sent as f64);
            if missing > 0.0 {
                // Sleeping, not spinning: the sink lives on the same core.
                thread::sleep(Duration::from_secs_f64(missing / rate));
                continue;
            }
        }
        let Some(turn) = turns.next() else {
            return Err(io::Error::other("no senders"));
        };
        let result = senders[turn].send(burst)?;
        sent += result.sent;
        failed += result.failed;
    }
    let seconds = started.elapsed().as_secs_f64();
    let ended_micros = now_micros();
    let cpu = process_cpu()?.saturating_sub(cpu_before);
    for sender in &mut senders {
        sender.finish()?;
    }
    Ok(GeneratorReport {
        sent: senders
            .iter()
            .map(|sender| (sender.mix.sender(), sender.mix.handed_out()))
            .collect(),
        failed,
        seconds,
        cpu_seconds: cpu.as_secs_f64(),
        ended_micros,
    })
}

/// Messages that are sent at once. Flat out one SIP call's, in one call of datagrams or one write to a stream. Paced about
/// 200 µs worth, so that pacing is smooth and its pauses few: a generator that woke up
/// more often would leave its core, which is also the sink's, no time at half a million messages a second.
fn burst_size(transport: Transport, rate: Option<f64>) -> usize {
    let Some(rate) = rate else {
        return MESSAGES_PER_CALL;
    };
    let most = match transport {
        Transport::Udp => MESSAGES_PER_CALL,
        Transport::Tcp | Transport::Tls => STREAM_BURST,
    };
    (1..most)
        .find(|burst| *burst as f64 >= rate / 5_000.0)
        .unwrap_or(most)
}

/// CPU time of this process.
pub(super) fn process_cpu() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

#[derive(Debug)]
struct Sender {
    mix: Mix,
    /// One a target.
    lines: Vec<Line>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Line {
    Udp(BatchSender),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

struct Sent {
    sent: u64,
    failed: u64,
}

impl Sender {
    fn new(config: &GeneratorConfig, number: u16) -> io::Result<Self> {
        let lines = config
            .targets
            .iter()
            .map(|target| Line::open(config, *target))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            mix: Mix::new(config.version, number),
            lines,
            buffer: Vec::with_capacity(128 << 10),
        })
    }

    /// `burst` messages: one call of datagrams, or one write to a stream.
    fn send(&mut self, burst: usize) -> io::Result<Sent> {
        match self.lines.first() {
            Some(Line::Udp(_)) | None => Ok(self.send_datagrams(burst)),
            Some(_) => self.write_streams(burst),
        }
    }

    fn send_datagrams(&mut self, burst: usize) -> Sent {
        let frames: Vec<&[u8]> = self.mix.burst(burst, now_micros()).collect();
        let sent = frames.len() as u64;
        let mut failed = 0;
        for line in &mut self.lines {
            if let Line::Udp(sender) = line {
                failed += sender.send(&frames);
            }
        }
        Sent { sent, failed }
    }

    fn write_streams(&mut self, burst: usize) -> io::Result<Sent> {
        let now = now_micros();
        let mut sent = 0;
        self.buffer.clear();
        while sent < burst {
            for frame in self.mix.burst(burst - sent, now) {
                self.buffer.extend_from_slice(frame);
                sent += 1;
            }
        }
        for line in &mut self.lines {
            line.write(&self.buffer)?;
        }
        Ok(Sent {
            sent: sent as u64,
            failed: 0,
        })
    }

    /// Says goodbye where the transport has a way to.
    fn finish(&mut self) -> io::Result<()> {
        for line in &mut self.lines {
            if let Line::Tls(stream) = line {
                stream.conn.send_close_notify();
                stream.flush()?;
            }
        }
        Ok(())
    }
}

impl Line {
    fn open(config: &GeneratorConfig, target: SocketAddr) -> io::Result<Self> {
        match config.transport {
            Transport::Udp => {
                let local = if target.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(local)?;
                socket.connect(target)?;
                Ok(Self::Udp(BatchSender::new(
                    socket,
                    config.datagrams_per_call,
                )))
            }
            Transport::Tcp => Ok(Self::Tcp(connect(target)?)),
            Transport::Tls => {
                let ca = config
                    .ca
                    .as_ref()
                    .ok_or_else(|| io::Error::other("TLS needs a CA file"))?;
                let mut roots = RootCertStore::empty();
                let certificate = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
                roots.add(certificate).map_err(io::Error::other)?;
                let tls =
                    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                        .with_safe_default_protocol_versions()
                        .map_err(io::Error::other)?
                        .with_root_certificates(roots)
                        .with_no_client_auth();
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let session =
                    ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(session, connect(target)?);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Ok(Self::Tls(Box::new(stream)))
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(_) => Err(io::Error::other("datagrams are sent in bursts")),
            Self::Tcp(stream) => stream.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
