//! Datagrams in batches: one system call for many, so that the load costs less than what it measures.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::UdpSocket,
    os::fd::AsRawFd,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt},
    time::{ClockId, clock_gettime},
};

use super::{MESSAGES_PER_CALL, Mix, Version, now_micros};

/// Datagrams of one receiving call.
pub(super) const SLOTS: usize = 32;
/// Room for one datagram: more than any message of the mix, also after conversion.
const SLOT_OCTETS: usize = 2048;

/// Sends bursts of datagrams.
#[derive(Debug)]
pub(super) struct BatchSender {
    socket: UdpSocket,
    /// As many as one call may send.
    headers: MultiHeaders<()>,
}

impl BatchSender {
    pub(super) fn new(socket: UdpSocket, datagrams_per_call: usize) -> Self {
        let most = datagrams_per_call.clamp(1, SLOTS);
        Self {
            socket,
            headers: MultiHeaders::preallocate(most, None),
        }
    }

    /// Sends all frames, at most [`SLOTS`]; how many sends failed (and count as sent, so as lost).
    pub(super) fn send(&mut self, frames: &[&[u8]]) -> u64 {
        let slices: Vec<[IoSlice<'_>; 1]> =
            frames.iter().map(|&frame| [IoSlice::new(frame)]).collect();
        let addresses = [None; SLOTS];
        let (mut at, mut failed) = (0, 0);
        while at < slices.len() {
            let sent = sendmmsg(
                self.socket.as_raw_fd(),
                &mut self.headers,
                &slices[at..],
                &addresses[..slices.len() - at],
                [],
                MsgFlags::empty(),
            )
            .map(Iterator::count);
            match sent {
                Ok(sent) => at += sent,
                Err(Errno::EINTR) => {}
                // The error of an earlier datagram (nobody listens): this one was not sent.
                Err(_) => {
                    failed += 1;
                    at += 1;
                }
            }
        }
        failed
    }
}

/// Receives datagrams in batches.
#[derive(Debug)]
pub(super) struct BatchReceiver {
    socket: UdpSocket,
    headers: MultiHeaders<()>,
    buffer: Vec<u8>,
}

impl BatchReceiver {
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self {
            socket,
            headers: MultiHeaders::preallocate(SLOTS, None),
            buffer: vec![0; SLOTS * SLOT_OCTETS],
        }
    }

    /// Waits for datagrams, as long as the socket's read timeout says, and hands each over; how many there were.
    pub(super) fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        self.receive_batch(|datagrams| {
            for &datagram in datagrams {
                take(datagram);
            }
        })
    }

    /// The same with all that one call received at once.
    pub(super) fn receive_batch(&mut self, take: impl FnOnce(&[&[u8]])) -> io::Result<usize> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffer
            .chunks_exact_mut(SLOT_OCTETS)
            .map(|slot| [IoSliceMut::new(slot)])
            .collect();
        let received = recvmmsg(
            self.socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_WAITFORONE,
            None,
        );
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut datagrams = [&[][..]; SLOTS];
        let mut count = 0;
        for (datagram, place) in received.zip(&mut datagrams) {
            *place = datagram.iovs().next().unwrap_or_default();
            count += 1;
        }
        take(&datagrams[..count]);
        Ok(count)
    }
}

/// Asks for a receive buffer above the system's limit where this process may, else for as much as it gives.
pub(super) fn enlarge_receive_buffer(socket: &UdpSocket, octets: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &octets).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &octets)?;
    }
    Ok(())
}

/// What receiving costs when the kernel's queue is full already: no process can take datagrams for less.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RawReceive {
    /// Datagrams that were drained.
    pub datagrams: u64,
    /// Thread CPU time they took, all together.
    pub cpu: Duration,
}

impl RawReceive {
    /// Thread CPU time of one datagram, in nanoseconds.
    #[must_use]
    pub fn nanos_per_datagram(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.datagrams.max(1) as f64
    }
}

/// Fills the queue of a socket with the mix, drains it, and measures the draining; several rounds, the best counts.
///
/// # Errors
/// When sockets cannot be had.
pub fn raw_receive(rounds: u32) -> io::Result<RawReceive> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    enlarge_receive_buffer(&receiver, 64 << 20)?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(receiver.local_addr()?)?;
    let mut sender = BatchSender::new(sender, MESSAGES_PER_CALL);
    receiver.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut receiver = BatchReceiver::new(receiver);
    let mut mix = Mix::new(Version::V3, 1);
    let mut best: Option<RawReceive> = None;
    for _ in 0..rounds {
        for _ in 0..1500 {
            let frames: Vec<&[u8]> = mix.burst(MESSAGES_PER_CALL, now_micros()).collect();
            sender.send(&frames);
        }
        let (mut datagrams, mut cpu) = (0, Duration::ZERO);
        loop {
            let before = thread_cpu()?;
            let count = receiver.receive(|_| {})?;
            if count == 0 {
                break;
            }
            // The last call may have waited, but waiting costs no CPU time.
            cpu += thread_cpu()?.saturating_sub(before);
            datagrams += count as u64;
        }
        let round = RawReceive { datagrams, cpu };
        if best.is_none_or(|best| round.nanos_per_datagram() < best.nanos_per_datagram()) {
            best = Some(round);
        }
    }
    best.ok_or_else(|| io::Error::other("no rounds"))
}

fn thread_cpu() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
