//! Sends traffic of realistic entropy over TCP, made while it is sent.
//!
//! The [`Mix`](super::Mix) is 13 messages patched in place: cheap, and to a store the same call again and again.
//! [`Traffic`] costs some microseconds a message and compresses as calls do. Every message is sent with a time of its own,
//! in microseconds and growing: by its time of capture it is known which one it was.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufWriter, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use super::{generator::process_cpu, now_micros};
use crate::traffic::{SipMessage, Traffic};

/// Messages that are made before they are sent, at most.
const BURST: usize = 64;
/// How long a node may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it is back.
const RETRY: Duration = Duration::from_millis(2);

/// What to send where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallsConfig {
    /// Where a node listens for TCP.
    pub target: SocketAddr,
    /// Connections; all messages of a call go over one of them. 4 by default.
    pub connections: u16,
    /// Messages per second; `None` (default): as fast as it goes.
    pub rate: Option<f64>,
    /// How long to send. 10 s by default.
    pub duration: Duration,
    /// What is random follows from it. 1 by default.
    pub seed: u64,
    /// Whether a connection that breaks is made again; else that is an error. Off by default.
    pub reconnect: bool,
    /// File for what was sent when: see [`SentBurst`].
    pub record: Option<PathBuf>,
}

impl CallsConfig {
    /// To `target`, flat out for ten seconds.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            connections: 4,
            rate: None,
            duration: Duration::from_secs(10),
            seed: 1,
            reconnect: false,
            record: None,
        }
    }
}

/// What was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallsReport {
    /// Messages that were handed to a socket; those that a broken connection took along are among them.
    pub sent: u64,
    /// Octets of their payloads.
    pub payload_octets: u64,
    /// Seconds from the first message to the last.
    pub seconds: f64,
    /// Seconds of CPU time that this took.
    pub cpu_seconds: f64,
    /// The most that it was behind its pace, in seconds.
    pub most_late: f64,
    /// Seconds that it was behind its pace at the end.
    pub late: f64,
    /// Connections that were made again.
    pub reconnects: u64,
    /// When the first message was handed to its socket, in microseconds since 1970.
    pub started_micros: u64,
    /// When the last one was.
    pub ended_micros: u64,
}

impl CallsReport {
    /// Messages per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.seconds.max(1e-6)
    }
}

/// Messages that were sent together: the first has this number and time of capture, each further one the next of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentBurst {
    /// Number of the first, counted from 0.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Time of capture of the first, in microseconds since 1970.
    pub micros: u64,
}

impl SentBurst {
    /// Reads what a generator recorded, in the order in which it was sent. A last line that is torn is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_all(file: &Path) -> io::Result<Vec<Self>> {
        let mut bursts = Vec::new();
        let text = fs::read_to_string(file)?;
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            let mut numbers = line.split(' ').map_while(|number| number.parse().ok());
            if let (Some(first), Some(count), Some(micros)) =
                (numbers.next(), numbers.next(), numbers.next())
            {
                bursts.push(Self {
                    first,
                    count,
                    micros,
                });
            }
        }
        Ok(bursts)
    }
}

/// Sends as configured and reports it; blocks until all is sent.
///
/// # Errors
/// When there is no connection, or one breaks that is not to be made again.
pub fn generate_calls(config: &CallsConfig) -> io::Result<CallsReport> {
    // As in `generate`: the default slack would make every pause of the pacing overshoot.
    prctl::set_timerslack(1).ok();
    let mut lines = (0..config.connections.max(1))
        .map(|_| Line::open(config))
        .collect::<io::Result<Vec<_>>>()?;
    let mut record = config.record.as_ref().map(File::create).transpose()?;
    let mut record = record.as_mut().map(BufWriter::new);
    let burst = config.rate.map_or(BURST, burst_size);
    let began = i64::try_from(now_micros()).unwrap_or(i64::MAX);
    let mut traffic = Traffic::new(config.rate.unwrap_or(100_000.0), began, config.seed);
    let cpu_before = process_cpu()?;
    let (started, started_micros) = (Instant::now(), now_micros());
    let mut report = CallsReport {
        sent: 0,
        payload_octets: 0,
        seconds: 0.0,
        cpu_seconds: 0.0,
        most_late: 0.0,
        late: 0.0,
        reconnects: 0,
        started_micros,
        ended_micros: started_micros,
    };
    let mut last = 0;
    while started.elapsed() < config.duration {
        if let Some(rate) = config.rate {
            let due = rate * started.elapsed().as_secs_f64();
            let missing = (report.sent + burst as u64) as f64 - due;
            if missing > 0.0 {
                // Sleeping, not spinning: whoever asks the node meanwhile lives on the same core.
                thread::sleep(Duration::from_secs_f64(missing / rate));
                continue;
            }
            report.late = (due - report.sent as f64) / rate;
            report.most_late = report.most_late.max(report.late);
        }
        let first = now_micros().max(last + 1);
        let mut micros = first;
        for mut message in traffic.by_ref().take(burst) {
            message.set_time(i64::try_from(micros).unwrap_or(i64::MAX));
            report.payload_octets += message.payload.len() as u64;
            micros += 1;
            let line = line_of(&message, lines.len());
            if let Some(line) = lines.get_mut(line) {
                line.buffer.extend_from_slice(&message.frame);
            }
        }
        last = micros - 1;
        if let Some(record) = &mut record {
            writeln!(record, "{} {} {first}", report.sent, micros - first)?;
        }
        for line in &mut lines {
            report.reconnects += u64::from(line.write(config)?);
        }
        report.sent += micros - first;
        report.ended_micros = now_micros();
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.cpu_seconds = process_cpu()?.saturating_sub(cpu_before).as_secs_f64();
    if let Some(mut record) = record {
        record.flush()?;
    }
    Ok(report)
}

/// Some 400 µs worth, so that pacing is smooth and its pauses few.
fn burst_size(rate: f64) -> usize {
    (1..BURST)
        .find(|burst| *burst as f64 >= rate / 2_500.0)
        .unwrap_or(BURST)
}

/// All messages of a call take one way, as they do from one agent.
fn line_of(message: &SipMessage, lines: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    message.call_id.hash(&mut hasher);
    let lines = lines.max(1) as u64;
    usize::try_from(hasher.finish() % lines).unwrap_or(0)
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    fn open(config: &CallsConfig) -> io::Result<Self> {
        Ok(Self {
            stream: connect(config.target)?,
            buffer: Vec::with_capacity(128 << 10),
        })
    }

    /// Writes what there is; whether the connection had to be made again, on which what was not written is lost.
    fn write(&mut self, config: &CallsConfig) -> io::Result<bool> {
        if self.buffer.is_empty() {
            return Ok(false);
        }
        let written = self.stream.write_all(&self.buffer);
        self.buffer.clear();
        match written {
            Ok(()) => Ok(false),
            Err(error) if !config.reconnect => Err(error),
            Err(_) => {
                self.stream = reconnect(config.target)?;
                Ok(true)
            }
        }
    }
}

fn reconnect(target: SocketAddr) -> io::Result<TcpStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connect(target) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
