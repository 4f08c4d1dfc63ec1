//! Receives the load and accounts for every message.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs};
use serde::{Deserialize, Serialize};

use super::{
    SenderTally, Tracker, Transport, now_micros,
    udp::{BatchReceiver, enlarge_receive_buffer},
};
use crate::Identity;

/// When nothing has come for this long after the generator ended, the rest is lost.
const SILENCE: Duration = Duration::from_secs(2);
/// How often a lane looks whether the sink has ended.
const GLANCE: Duration = Duration::from_millis(100);

/// What to receive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SinkConfig {
    /// How it travels.
    pub transport: Transport,
    /// Destinations, each with a port, a thread and an account of its own.
    pub lanes: usize,
    /// Certificate and key for TLS.
    pub identity: Option<Identity>,
    /// Octets of receive buffer asked for each datagram socket. 32 MiB by default, so that what is lost was lost
    /// before it.
    pub receive_buffer: usize,
    /// A connection (TCP) is read when the one before it has ended, as its sender knows only one at a time. Otherwise
    /// both are read at once, and what was still on its way on the old one comes out of order. `false` by default.
    pub in_turn: bool,
    /// Port of the first lane; 0, the default, lets the system choose. The others' are always chosen.
    pub port: u16,
}

impl SinkConfig {
    /// One lane.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            lanes: 1,
            identity: None,
            receive_buffer: 32 << 20,
            in_turn: false,
            port: 0,
        }
    }
}

/// What one destination received.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LaneReport {
    /// Messages that arrived at least once.
    pub received: u64,
    /// Messages that were sent and never arrived.
    pub lost: u64,
    /// Arrivals of a message that had arrived before.
    pub duplicated: u64,
    /// First arrivals of a message after one of the same sender with a higher number.
    pub out_of_order: u64,
    /// Frames that were not the generator's or could not be read.
    pub unreadable: u64,
    /// Octets of all frames.
    pub octets: u64,
    /// Half of the messages took no longer than this from sending to reading, in microseconds.
    pub p50_micros: u64,
    /// 99 % of them.
    pub p99_micros: u64,
    /// 99.9 % of them.
    pub p999_micros: u64,
    /// The longest.
    pub max_micros: u64,
    /// The longest in each second since the first arrival: one bad moment, or many.
    #[serde(default)]
    pub longest_by_second: Vec<u64>,
    /// First arrival, microseconds since 1970; 0 where nothing arrived.
    pub first_micros: u64,
    /// Last arrival.
    pub last_micros: u64,
    /// Connections accepted (streams).
    pub connections: usize,
}

impl LaneReport {
    /// Whether every message arrived exactly once and in its sender's order.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0 && self.unreadable == 0
    }

    /// Messages per second between the first arrival and the last.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let micros = self.last_micros.saturating_sub(self.first_micros).max(1);
        self.received as f64 * 1e6 / micros as f64
    }
}

/// A sink at work. Its threads end with it.
#[derive(Debug)]
pub struct Sink {
    lanes: Vec<Arc<Lane>>,
}

#[derive(Debug)]
struct Lane {
    address: SocketAddr,
    tracker: Mutex<Tracker>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Sink {
    /// Binds one loopback port a lane and starts to receive.
    ///
    /// # Errors
    /// When a socket cannot be had, or TLS has no usable identity.
    pub fn start(config: &SinkConfig) -> io::Result<Self> {
        let tls = match (config.transport, &config.identity) {
            (Transport::Tls, Some(identity)) => Some(server_config(identity)?),
            (Transport::Tls, None) => return Err(io::Error::other("TLS needs an identity")),
            _ => None,
        };
        let lanes = (0..config.lanes)
            .map(|lane| {
                let port = if lane == 0 { config.port } else { 0 };
                match config.transport {
                    Transport::Udp => udp_lane(port, config.receive_buffer),
                    Transport::Tcp | Transport::Tls => {
                        stream_lane(port, tls.as_ref(), config.in_turn)
                    }
                }
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { lanes })
    }

    /// Where each lane listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.lanes.iter().map(|lane| lane.address).collect()
    }

    /// Waits until every lane has every message, or has been silent for 2 seconds; then what each has.
    /// `sent`: how many messages each sender sent.
    #[must_use]
    pub fn finish(&self, sent: &BTreeMap<u16, u64>) -> Vec<LaneReport> {
        let total = sent.values().sum();
        for lane in &self.lanes {
            lane.wait_for(total);
        }
        self.lanes.iter().map(|lane| lane.report(sent)).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.stopped.store(true, Ordering::Relaxed);
            // Wakes an acceptor; a datagram lane has no one to connect to, and looks by itself.
            TcpStream::connect_timeout(&lane.address, GLANCE).ok();
        }
    }
}

impl Lane {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            tracker: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn wait_for(&self, total: u64) {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let unique = self.tracker().unique();
            if unique >= total || (unique == seen && since.elapsed() > SILENCE) {
                return;
            }
            if unique != seen {
                (seen, since) = (unique, Instant::now());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn report(&self, sent: &BTreeMap<u16, u64>) -> LaneReport {
        let tracker = self.tracker();
        let mut all = SenderTally::default();
        for (&sender, &sent) in sent {
            let one = tracker.tally(sender, sent);
            all.received += one.received;
            all.lost += one.lost;
            all.duplicated += one.duplicated;
            all.out_of_order += one.out_of_order;
        }
        let micros = |per_mille| {
            let quantile = tracker.latency().quantile(per_mille);
            u64::try_from(quantile.as_micros()).unwrap_or(u64::MAX)
        };
        let (first_micros, last_micros) = tracker.span_micros().unwrap_or_default();
        LaneReport {
            received: all.received,
            lost: all.lost,
            duplicated: all.duplicated,
            out_of_order: all.out_of_order,
            unreadable: tracker.unreadable(),
            octets: tracker.octets(),
            p50_micros: micros(500),
            p99_micros: micros(990),
            p999_micros: micros(999),
            max_micros: micros(1000),
            longest_by_second: tracker.longest_by_second().to_vec(),
            first_micros,
            last_micros,
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}

fn udp_lane(port: u16, receive_buffer: usize) -> io::Result<Arc<Lane>> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    enlarge_receive_buffer(&socket, receive_buffer)?;
    let lane = Lane::new(socket.local_addr()?);
    socket.set_read_timeout(Some(GLANCE))?;
    let theirs = Arc::clone(&lane);
    thread::spawn(move || receive_datagrams(&theirs, socket));
    Ok(lane)
}

fn receive_datagrams(lane: &Lane, socket: UdpSocket) {
    let mut receiver = BatchReceiver::new(socket);
    while !lane.is_stopped() {
        let mut batch = None;
        let received = receiver.receive(|frame| {
            let (tracker, now) = batch.get_or_insert_with(|| (lane.tracker(), now_micros()));
            tracker.take(frame, *now);
        });
        // The error of an earlier datagram ends nothing: the socket lives.
        received.ok();
    }
}

fn stream_lane(port: u16, tls: Option<&Arc<ServerConfig>>, in_turn: bool) -> io::Result<Arc<Lane>> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let lane = Lane::new(listener.local_addr()?);
    let theirs = Arc::clone(&lane);
    let tls = tls.cloned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if theirs.is_stopped() {
                return;
            }
            theirs.connections.fetch_add(1, Ordering::Relaxed);
            let (lane, tls) = (Arc::clone(&theirs), tls.clone());
            // A connection that breaks shows as loss.
            let receive = move || receive_stream(&lane, stream, tls).ok();
            if in_turn {
                receive();
            } else {
                thread::spawn(receive);
            }
        }
    });
    Ok(lane)
}

fn receive_stream(
    lane: &Lane,
    mut stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    match tls {
        None => receive_frames(lane, &mut stream),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            receive_frames(lane, &mut StreamOwned::new(session, stream))
        }
    }
}

/// Reads frames to the end of the stream, or to what is no frame.
fn receive_frames(lane: &Lane, stream: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut rest = &buffer[..filled];
        let now = now_micros();
        let mut tracker = lane.tracker();
        while let Some([b'H', b'E', b'P', b'3', high, low]) = rest.first_chunk() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((frame, after)) = rest.split_at_checked(length.max(6)) else {
                break;
            };
            tracker.take(frame, now);
            rest = after;
        }
        drop(tracker);
        if rest.len() >= 6 && !rest.starts_with(b"HEP3") {
            return Err(io::Error::other("no HEPv3 packet in the stream"));
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
    }
}

fn server_config(identity: &Identity) -> io::Result<Arc<ServerConfig>> {
    let (chain, key) = identity.load();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
