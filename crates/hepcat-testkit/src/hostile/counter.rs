//! Where the messages of good agents arrive: counted, not kept.

use std::{
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::good::LANES;

#[derive(Debug)]
pub(super) struct Counter {
    address: SocketAddr,
    counts: Arc<[AtomicU64; LANES]>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Counter {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let counts: Arc<[AtomicU64; LANES]> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let (counted, stop) = (Arc::clone(&counts), Arc::clone(&over));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // A connection that ends is made anew by the node.
                    count(stream, &counted).ok();
                }
            }
        });
        Ok(Self {
            address,
            counts,
            over,
            thread,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has arrived, once the node has ended.
    pub(super) fn finish(self) -> [u64; LANES] {
        self.over.store(true, SeqCst);
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect(self.address));
        self.thread.join().ok();
        self.counts.each_ref().map(|count| count.load(SeqCst))
    }
}

/// Counts whole frames by the number behind `good-` in them.
fn count(mut stream: TcpStream, counts: &[AtomicU64; LANES]) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut rest = vec![0; length.saturating_sub(6)];
        stream.read_exact(&mut rest)?;
        let mark = rest.windows(6).find_map(|window| match window {
            [b'g', b'o', b'o', b'd', b'-', lane] => Some(lane.wrapping_sub(b'0')),
            _ => None,
        });
        if let Some(count) = mark.and_then(|lane| counts.get(usize::from(lane))) {
            count.fetch_add(1, SeqCst);
        }
    }
}
