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

/// Digits that are told apart: two for each good agent.
const MARKS: usize = 8;

/// How many messages of each mark have arrived, while they do.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrived(Arc<[AtomicU64; MARKS]>);

impl Arrived {
    pub(super) fn of(&self, mark: u8) -> u64 {
        self.0
            .get(usize::from(mark))
            .map_or(0, |count| count.load(SeqCst))
    }

    fn add(&self, mark: u8) {
        if let Some(count) = self.0.get(usize::from(mark)) {
            count.fetch_add(1, SeqCst);
        }
    }
}

#[derive(Debug)]
pub(super) struct Counter {
    address: SocketAddr,
    arrived: Arrived,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Counter {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let arrived = Arrived::default();
        let over = Arc::new(AtomicBool::new(false));
        let (counted, stop) = (arrived.clone(), Arc::clone(&over));
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
            arrived,
            over,
            thread,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn arrived(&self) -> Arrived {
        self.arrived.clone()
    }

    /// Reads what is left, once the node has ended.
    pub(super) fn finish(self) {
        self.over.store(true, SeqCst);
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect(self.address));
        self.thread.join().ok();
    }
}

/// Counts whole frames by the number behind `good-` in them.
fn count(mut stream: TcpStream, arrived: &Arrived) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut rest = vec![0; length.saturating_sub(6)];
        stream.read_exact(&mut rest)?;
        let mark = rest.windows(6).find_map(|window| match window {
            [b'g', b'o', b'o', b'd', b'-', mark] => Some(mark.wrapping_sub(b'0')),
            _ => None,
        });
        if let Some(mark) = mark {
            arrived.add(mark);
        }
    }
}
