//! Taking what a datagram socket has, without waiting: 32 datagrams a system call on Linux, one elsewhere.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::UdpSocket;

/// Octets of a slot. A UDP datagram has at most 65,507 over IPv4 and 65,527 over IPv6: none is ever cut.
const SLOT: usize = 65_535;

/// Most datagrams that are taken at once.
pub(super) const SLOTS: usize = 32;

/// When the system is asked for datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Only where it has reported that there may be some.
    WhenReported,
    /// Anyway: what has just arrived may not have been reported yet.
    Now,
}

/// The reading side of one socket.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: Arc<UdpSocket>,
    v6: bool,
}

impl Receiver {
    pub(super) fn new(socket: Arc<UdpSocket>, local: SocketAddr) -> Self {
        Self {
            socket,
            v6: local.is_ipv6(),
        }
    }

    /// Waits until there may be datagrams. Cancel safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Shows up to [`SLOTS`] datagrams to `each` and says how many they were. Fewer, none included, means that
    /// the socket is empty.
    pub(super) fn receive(
        &self,
        ask: Ask,
        each: impl FnMut(&[u8], SocketAddr),
    ) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        return batched::receive(&self.socket, self.v6, ask, each);
        #[cfg(not(target_os = "linux"))]
        return singly::receive(&self.socket, ask, each);
    }

    pub(super) fn into_socket(self) -> Arc<UdpSocket> {
        self.socket
    }
}

/// `recvmmsg`. Against one call a datagram, with a full queue on loopback (`compare_ways_to_receive` below, wall
/// time on a busy machine): 930 ns for 1,130 with 64 octets, 1,260 for 1,400 with 629, no difference with 1,500.
#[cfg(target_os = "linux")]
mod batched {
    use std::{
        cell::RefCell,
        io::{self, IoSliceMut},
        net::{SocketAddr, SocketAddrV4, SocketAddrV6},
        os::fd::AsRawFd,
    };

    use nix::{
        errno::Errno,
        sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg},
    };
    use tokio::{io::Interest, net::UdpSocket};

    use super::{Ask, SLOT, SLOTS};

    thread_local! {
        /// One set for each thread of the runtime: the headers hold pointers and must stay on their thread, and
        /// sockets are read one at a time. Of the 2 MiB only pages that a datagram reached are real.
        static SLOTS_OF_THREAD: RefCell<Slots> = RefCell::new(Slots {
            octets: vec![0; SLOT * SLOTS],
            v4: MultiHeaders::preallocate(SLOTS, None),
            v6: MultiHeaders::preallocate(SLOTS, None),
        });
    }

    struct Slots {
        octets: Vec<u8>,
        // Apart, because the kernel writes the length of each address into its header, and the next call takes
        // that for the space there is: an IPv6 address after an IPv4 one would be cut.
        v4: MultiHeaders<SockaddrIn>,
        v6: MultiHeaders<SockaddrIn6>,
    }

    pub(super) fn receive(
        socket: &UdpSocket,
        v6: bool,
        ask: Ask,
        mut each: impl FnMut(&[u8], SocketAddr),
    ) -> io::Result<usize> {
        if ask == Ask::Now {
            return receive_now(socket, v6, &mut each);
        }
        let mut taken = 0;
        let outcome = socket.try_io(Interest::READABLE, || {
            taken = receive_now(socket, v6, &mut each)?;
            // Fewer than asked for: the queue is empty, as one more call would only confirm.
            if taken < SLOTS {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn receive_now(
        socket: &UdpSocket,
        v6: bool,
        mut each: impl FnMut(&[u8], SocketAddr),
    ) -> io::Result<usize> {
        SLOTS_OF_THREAD.with_borrow_mut(|slots| {
            let octets = &mut slots.octets;
            if v6 {
                batch(socket, &mut slots.v6, octets, |octets, peer| {
                    each(octets, SocketAddrV6::from(*peer).into());
                })
            } else {
                batch(socket, &mut slots.v4, octets, |octets, peer| {
                    each(octets, SocketAddrV4::from(*peer).into());
                })
            }
        })
    }

    fn batch<S: SockaddrLike + Copy>(
        socket: &UdpSocket,
        headers: &mut MultiHeaders<S>,
        octets: &mut [u8],
        mut each: impl FnMut(&[u8], &S),
    ) -> io::Result<usize> {
        let mut rest = octets.chunks_exact_mut(SLOT);
        let mut slices: [[IoSliceMut<'_>; 1]; SLOTS] =
            std::array::from_fn(|_| [IoSliceMut::new(rest.next().unwrap_or_default())]);
        let fd = socket.as_raw_fd();
        let datagrams = match recvmmsg(fd, headers, &mut slices, MsgFlags::MSG_DONTWAIT, None) {
            Ok(datagrams) => datagrams,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut taken = 0;
        for datagram in datagrams {
            taken += 1;
            if let Some(peer) = &datagram.address {
                each(datagram.iovs().next().unwrap_or_default(), peer);
            }
        }
        Ok(taken)
    }
}

/// One system call a datagram, on every system.
#[cfg(any(test, not(target_os = "linux")))]
mod singly {
    use std::{cell::RefCell, io, net::SocketAddr};

    use tokio::net::UdpSocket;

    use super::{Ask, SLOT, SLOTS};

    thread_local! {
        static SLOT_OF_THREAD: RefCell<Vec<u8>> = RefCell::new(vec![0; SLOT]);
    }

    pub(super) fn receive(
        socket: &UdpSocket,
        _ask: Ask,
        mut each: impl FnMut(&[u8], SocketAddr),
    ) -> io::Result<usize> {
        SLOT_OF_THREAD.with_borrow_mut(|slot| {
            for taken in 0..SLOTS {
                match socket.try_recv_from(slot) {
                    Ok((length, peer)) => each(&slot[..length], peer),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                    Err(error) if taken == 0 => return Err(error),
                    Err(_) => return Ok(taken),
                }
            }
            Ok(SLOTS)
        })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        time::{Duration, Instant},
    };

    use super::*;

    async fn pair(ip: impl Into<std::net::IpAddr>) -> (Arc<UdpSocket>, std::net::UdpSocket) {
        let ip = ip.into();
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        socket2::SockRef::from(&socket)
            .set_recv_buffer_size(8 << 20)
            .unwrap();
        let sender = std::net::UdpSocket::bind((ip, 0)).unwrap();
        sender.connect(socket.local_addr().unwrap()).unwrap();
        (Arc::new(socket), sender)
    }

    /// Everything that is queued, by one of the two ways.
    async fn drain(socket: &UdpSocket, v6: bool, batch: bool) -> Vec<(Vec<u8>, SocketAddr)> {
        let mut all = Vec::new();
        socket.readable().await.unwrap();
        loop {
            let each = |octets: &[u8], peer| all.push((octets.to_vec(), peer));
            let taken = if batch {
                batched::receive(socket, v6, Ask::WhenReported, each)
            } else {
                singly::receive(socket, Ask::WhenReported, each)
            };
            if taken.unwrap() < SLOTS {
                return all;
            }
        }
    }

    #[tokio::test]
    async fn both_ways_show_the_same_datagrams() {
        for (ip, v6) in [
            (std::net::IpAddr::from(Ipv4Addr::LOCALHOST), false),
            (Ipv6Addr::LOCALHOST.into(), true),
            (Ipv4Addr::LOCALHOST.into(), false),
        ] {
            for batch in [true, false] {
                let (socket, sender) = pair(ip).await;
                let sent: Vec<Vec<u8>> = (0..100_u8)
                    .map(|n| vec![n; usize::from(n % 7) * 30])
                    .chain([vec![7; 65_507]])
                    .collect();
                for datagram in &sent {
                    sender.send(datagram).unwrap();
                }
                let from = sender.local_addr().unwrap();
                let got = drain(&socket, v6, batch).await;
                let want: Vec<_> = sent.into_iter().map(|octets| (octets, from)).collect();
                assert!(got == want, "{ip} batch {batch}");
            }
        }
    }

    /// `cargo test --release -p hepcat-net -- --ignored --nocapture compare_ways_to_receive`
    #[tokio::test]
    #[ignore = "a measurement, not a test"]
    async fn compare_ways_to_receive() {
        for size in [64, 629, 1500] {
            for batch in [false, true, false, true] {
                let (socket, sender) = pair(Ipv4Addr::LOCALHOST).await;
                let (mut spent, mut count) = (Duration::ZERO, 0_usize);
                for _ in 0..200 {
                    for _ in 0..2000 {
                        sender.send(&vec![1; size]).unwrap();
                    }
                    socket.readable().await.unwrap();
                    let start = Instant::now();
                    loop {
                        let each = |octets: &[u8], _| {
                            std::hint::black_box(bytes::Bytes::copy_from_slice(octets));
                        };
                        let taken = if batch {
                            batched::receive(&socket, false, Ask::WhenReported, each)
                        } else {
                            singly::receive(&socket, Ask::WhenReported, each)
                        };
                        let taken = taken.unwrap();
                        count += taken;
                        if taken < SLOTS {
                            break;
                        }
                    }
                    spent += start.elapsed();
                }
                let each = spent.as_nanos() / count as u128;
                println!("{size} octets, batch {batch}: {each} ns each over {count}");
            }
        }
    }
}
