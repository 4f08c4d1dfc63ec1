//! What strangers do.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::{Siege, good::connect, loopback};
use crate::{NodeProcess, TestCa, frame, random::Random};

/// Octets that a bomb becomes when it is inflated.
const BOMB: usize = 32 << 20;

/// Connections that dribble at once, over each transport.
const DRIBBLING: usize = 40;

/// How long a crowd stays once it is complete.
const HOLD: Duration = Duration::from_secs(2);

/// Between two turns of an attacker, so that a siege also runs where others work.
const TURN: Duration = Duration::from_millis(5);

/// Where the node listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    pub(super) udp: SocketAddr,
    pub(super) keyed: SocketAddr,
    pub(super) tcp: SocketAddr,
    pub(super) tls: SocketAddr,
    http: SocketAddr,
}

impl Targets {
    pub(super) fn of(node: &NodeProcess) -> Self {
        let at = |name| SocketAddr::new(loopback(1), node.listener(name).port());
        Self {
            udp: at("udp"),
            keyed: at("keyed"),
            tcp: at("tcp"),
            tls: at("tls"),
            http: node.http_address(),
        }
    }
}

/// Starts them all; they end when it is over.
pub(super) fn start(
    siege: &Siege,
    targets: &Targets,
    ca: &TestCa,
    over: &Arc<AtomicBool>,
) -> Vec<JoinHandle<()>> {
    let (targets, seed, connections) = (*targets, siege.seed, siege.connections);
    let client = ca.client_config(None);
    let session = move || {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&client), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, connect(targets.tls, 14)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        io::Result::Ok(stream)
    };
    type Attack = Box<dyn FnOnce(&AtomicBool) + Send>;
    let attacks: Vec<Attack> = vec![
        Box::new(move |over| datagrams(targets.udp, 10, Random::new(seed), over)),
        Box::new(move |over| datagrams(targets.keyed, 11, Random::new(seed ^ 1), over)),
        Box::new(move |over| streams(targets.tcp, Random::new(seed ^ 2), over)),
        Box::new(move |over| dribble(|| connect(targets.tcp, 13), &frame_to_dribble(), over)),
        Box::new(move |over| dribble(session, &frame_to_dribble(), over)),
        Box::new(move |over| dribble(|| connect(targets.tls, 15), &hello(), over)),
        Box::new(move |over| crowd(targets.tcp, connections, over)),
        Box::new(move |over| watch(targets.http, over)),
    ];
    attacks
        .into_iter()
        .map(|attack| {
            let over = Arc::clone(over);
            thread::spawn(move || attack(&over))
        })
        .collect()
}

/// Random, cut, too long, wrong and explosive datagrams, some from invented capture agents and with guessed keys.
fn datagrams(target: SocketAddr, last: u8, mut random: Random, over: &AtomicBool) {
    let bomb = bomb();
    let Ok(socket) = UdpSocket::bind((loopback(last), 0)) else {
        return;
    };
    while !over.load(Relaxed) {
        for _ in 0..20 {
            let octets = match random.below(12) {
                0 => bomb.clone(),
                1 => random.octets(65_507),
                _ => malformed(&mut random),
            };
            // What cannot be sent is no attack.
            socket.send_to(&octets, target).ok();
        }
        thread::sleep(TURN);
    }
}

/// One piece of rubbish, or a message that only looks honest.
fn malformed(random: &mut Random) -> Vec<u8> {
    let mut meta = frame::Meta {
        capture_id: u32::try_from(random.below(100_000)).unwrap_or(0),
        ..frame::Meta::default()
    };
    if random.below(2) == 0 {
        let length = random.below(64);
        meta.auth_key = Some(random.octets(length));
    }
    let call_id = format!("evil-{}@siege", random.next());
    let mut octets = meta.v3(frame::sip_options(&call_id).as_bytes());
    match random.below(6) {
        0 => {
            let length = random.below(2_000);
            octets = random.octets(length);
        }
        1 => {
            let mut rest = random.octets(100);
            octets = b"HEP3".to_vec();
            octets.append(&mut rest);
        }
        2 => octets.truncate(random.below(octets.len())),
        3 | 4 => {
            for _ in 0..=random.below(8) {
                let at = random.below(octets.len());
                octets[at] ^= 1 << random.below(8);
            }
        }
        _ => {}
    }
    octets
}

/// The same over TCP, in pieces, with a new connection whenever the old one is closed.
fn streams(target: SocketAddr, mut random: Random, over: &AtomicBool) {
    let bomb = bomb();
    while !over.load(Relaxed) {
        let Ok(mut stream) = connect(target, 12) else {
            thread::sleep(TURN);
            continue;
        };
        for _ in 0..50 {
            let octets = match random.below(20) {
                0 => bomb.clone(),
                1 => [&b"HEP3\xff\xff"[..], &random.octets(65_529)].concat(),
                _ => malformed(&mut random),
            };
            if over.load(Relaxed) || stream.write_all(&octets).is_err() {
                break;
            }
            thread::sleep(TURN / 5);
        }
    }
}

/// Many connections that send an octet now and then; who is closed comes again.
fn dribble<S: Write>(open: impl Fn() -> io::Result<S>, octets: &[u8], over: &AtomicBool) {
    let mut links: Vec<(S, usize)> = Vec::new();
    while !over.load(Relaxed) {
        for _ in 0..4 {
            if links.len() < DRIBBLING
                && let Ok(link) = open()
            {
                links.push((link, 0));
            }
        }
        links.retain_mut(|(link, at)| {
            let octet = octets.get(*at % octets.len()).copied().unwrap_or(0);
            *at += 1;
            link.write_all(&[octet]).and_then(|()| link.flush()).is_ok()
        });
        // So slow that the time is over before as many pieces came as a message may have.
        thread::sleep(TURN * 12);
    }
}

fn pause(time: Duration, over: &AtomicBool) {
    let until = Instant::now() + time;
    while !over.load(Relaxed) && Instant::now() < until {
        thread::sleep(TURN);
    }
}

/// More connections than the listener allows, from many addresses, held for a while and dropped.
fn crowd(target: SocketAddr, allowed: usize, over: &AtomicBool) {
    let tried = allowed + allowed / 10;
    let mut held: Vec<TcpStream> = Vec::new();
    let mut turn = 0_usize;
    while !over.load(Relaxed) {
        let last = u8::try_from(20 + turn % 200).unwrap_or(20);
        turn += 1;
        match connect(target, last) {
            Ok(stream) => held.push(stream),
            Err(_) => held.clear(),
        }
        if held.len() >= tried {
            pause(HOLD, over);
            held.clear();
            // Others have a chance meanwhile: who is shut out cannot be slow.
            pause(HOLD / 2, over);
        }
        if turn.is_multiple_of(32) {
            thread::sleep(TURN);
        }
    }
}

/// Somebody who watches everything, so that the node looks into every payload, bombs included.
fn watch(http: SocketAddr, over: &AtomicBool) {
    let read = || -> io::Result<()> {
        let mut stream = TcpStream::connect(http)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        write!(
            stream,
            "GET /api/v1/live?q=type:* HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )?;
        let mut sink = vec![0; 1 << 16];
        while !over.load(Relaxed) {
            match stream.read(&mut sink) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    while !over.load(Relaxed) {
        if read().is_err() {
            thread::sleep(TURN);
        }
    }
}

/// A message whose compressed payload becomes a thousand times as long.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..BOMB >> 20 {
        encoder
            .write_all(&zeros)
            .expect("writing to a Vec cannot fail");
    }
    let packed = encoder.finish().expect("writing to a Vec cannot fail");
    let mut chunks = frame::Meta::default().chunks();
    chunks.push(frame::chunk(0, 0x0010, &packed));
    frame::v3(&chunks)
}

fn frame_to_dribble() -> Vec<u8> {
    frame::sip_v3(frame::sip_options("slow@siege"))
}

/// The beginning of a TLS handshake that never gets anywhere (RFC 8446 §4.1.2).
fn hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 1, 0xfc, 1, 0, 1, 0xf8, 3, 3];
    hello.resize(0x200, 0x2a);
    hello
}
