//! A relay that does nothing: what any program between generator and sink costs at least.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use super::udp::{BatchReceiver, BatchSender, SLOTS, enlarge_receive_buffer};

/// Receives datagrams in batches and sends each batch on as it is: two system calls, and nothing in between.
#[derive(Debug)]
pub struct Forwarder {
    receiver: BatchReceiver,
    sender: BatchSender,
    address: SocketAddr,
}

impl Forwarder {
    /// Binds a port of loopback that forwards to `target`. `receive_buffer`: octets asked of the kernel.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn new(target: SocketAddr, receive_buffer: usize) -> io::Result<Self> {
        let from = UdpSocket::bind("127.0.0.1:0")?;
        enlarge_receive_buffer(&from, receive_buffer)?;
        let to = UdpSocket::bind("127.0.0.1:0")?;
        to.connect(target)?;
        Ok(Self {
            address: from.local_addr()?,
            receiver: BatchReceiver::new(from),
            sender: BatchSender::new(to, SLOTS),
        })
    }

    /// Where it receives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards until receiving fails.
    ///
    /// # Errors
    /// The failure.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let sender = &mut self.sender;
            self.receiver.receive_batch(|datagrams| {
                // What the target refuses is missing there.
                sender.send(datagrams);
            })?;
        }
    }
}
