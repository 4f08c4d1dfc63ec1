//! A TCP proxy that stands between a sender and a collector and breaks the line on demand.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use socket2::SockRef;

/// Forwards TCP connections to one address; its connections end when it is dropped.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stalled: bool,
    ended: bool,
    /// Octets that may still pass towards the collector before the line is cut.
    allowance: Option<usize>,
    forwarded: usize,
    accepted: usize,
    /// Both ends of every connection.
    open: Vec<[TcpStream; 2]>,
}

impl TcpProxy {
    /// A proxy on a loopback port of its own, in front of `upstream`.
    #[must_use]
    pub fn new(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a loopback port");
        let address = listener.local_addr().expect("a bound socket's address");
        let line = Arc::new(Line::default());
        let theirs = Arc::clone(&line);
        thread::spawn(move || accept(&listener, upstream, &theirs));
        Self { address, line }
    }

    /// Where the sender should connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing passes any more, in either direction; connections stay open and buffers fill.
    pub fn stall(&self) {
        self.line.state().stalled = true;
    }

    /// Everything passes again.
    pub fn resume(&self) {
        self.line.state().stalled = false;
        self.line.changed.notify_all();
    }

    /// Closes all connections (FIN) towards both ends.
    pub fn cut(&self) {
        self.line.cut(false);
    }

    /// Resets all connections (RST) towards both ends.
    pub fn reset(&self) {
        self.line.cut(true);
    }

    /// Lets this many octets more through towards the collector, then cuts all connections, once.
    pub fn cut_after(&self, octets: usize) {
        self.line.state().allowance = Some(octets);
    }

    /// Octets that went to the collector so far.
    #[must_use]
    pub fn forwarded(&self) -> usize {
        self.line.state().forwarded
    }

    /// Connections that were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.line.state().accepted
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.line.state().ended = true;
        self.line.cut(false);
        // Wakes the acceptor, which sees that it is over.
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self, reset: bool) {
        for stream in self.state().open.drain(..).flatten() {
            if reset {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok();
                stream.shutdown(Shutdown::Read).ok();
            } else {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        self.changed.notify_all();
    }

    /// Waits while the line is stalled; then how many of `offered` octets may pass, `None` where it is over.
    fn admit(&self, offered: usize, upwards: bool) -> Option<usize> {
        let mut state = self.state();
        while state.stalled && !state.ended {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            return None;
        }
        if !upwards {
            return Some(offered);
        }
        let admitted = match &mut state.allowance {
            None => offered,
            Some(left) => {
                let admitted = offered.min(*left);
                *left -= admitted;
                admitted
            }
        };
        state.forwarded += admitted;
        Some(admitted)
    }

    /// Cuts where the allowance is used up.
    fn cut_if_due(&self) {
        let due = self.state().allowance == Some(0);
        if due {
            self.state().allowance = None;
            self.cut(false);
        }
    }
}

fn accept(listener: &TcpListener, upstream: SocketAddr, line: &Arc<Line>) {
    for down in listener.incoming().flatten() {
        if line.state().ended {
            return;
        }
        // A collector that is down looks like a connection that closes at once.
        let Ok(up) = TcpStream::connect_timeout(&upstream, Duration::from_secs(5)) else {
            continue;
        };
        let pair = || Ok::<_, std::io::Error>([down.try_clone()?, up.try_clone()?]);
        let (Ok(ends), Ok([down_too, up_too])) = (pair(), pair()) else {
            continue;
        };
        {
            let mut state = line.state();
            state.accepted += 1;
            state.open.push(ends);
        }
        let (one, two) = (Arc::clone(line), Arc::clone(line));
        thread::spawn(move || forward(down, up, &one, true));
        thread::spawn(move || forward(up_too, down_too, &two, false));
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, line: &Line, upwards: bool) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let Some(admitted) = line.admit(length, upwards) else {
            break;
        };
        if to.write_all(&buffer[..admitted]).is_err() {
            break;
        }
        line.cut_if_due();
    }
    // Hands on the end of this direction alone: a half-closed sender still reads.
    to.shutdown(Shutdown::Write).ok();
}
