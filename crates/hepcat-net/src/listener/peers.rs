use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use crate::Origin;

/// Peers of a datagram socket that are remembered at least. Each costs about 150 octets.
const REMEMBERED: usize = 4096;

/// Origins of the peers that were heard lately, so that a known peer costs no allocation.
///
/// Bounded against a flood of invented senders: when the young generation is full, the old one is forgotten.
#[derive(Debug)]
pub(super) struct Peers {
    template: Origin,
    last: Arc<Origin>,
    young: HashMap<SocketAddr, Arc<Origin>>,
    old: HashMap<SocketAddr, Arc<Origin>>,
    capacity: usize,
}

impl Peers {
    /// `template` is what all peers have in common; its peer is of no meaning.
    pub(super) fn new(template: Origin) -> Self {
        Self::with_capacity(template, REMEMBERED)
    }

    fn with_capacity(template: Origin, capacity: usize) -> Self {
        Self {
            last: Arc::new(template.clone()),
            template,
            young: HashMap::new(),
            old: HashMap::new(),
            capacity,
        }
    }

    pub(super) fn origin(&mut self, peer: SocketAddr) -> &Arc<Origin> {
        if self.last.peer != peer {
            self.last = self.find(peer);
        }
        &self.last
    }

    fn find(&mut self, peer: SocketAddr) -> Arc<Origin> {
        if let Some(origin) = self.young.get(&peer) {
            return Arc::clone(origin);
        }
        let origin = self.old.remove(&peer).unwrap_or_else(|| {
            let mut origin = self.template.clone();
            origin.peer = peer;
            Arc::new(origin)
        });
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(peer, Arc::clone(&origin));
        origin
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{ListenerId, Transport};

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn peers(capacity: usize) -> Peers {
        let origin = Origin::new(ListenerId(1), Transport::Udp, addr(0), addr(9060));
        Peers::with_capacity(origin, capacity)
    }

    #[test]
    fn a_known_peer_has_one_origin() {
        let mut peers = peers(4);
        let a = Arc::clone(peers.origin(addr(1)));
        let b = Arc::clone(peers.origin(addr(2)));
        assert!(Arc::ptr_eq(&a, peers.origin(addr(1))));
        assert!(Arc::ptr_eq(&b, peers.origin(addr(2))));
        assert_eq!((a.peer, b.peer), (addr(1), addr(2)));
    }

    #[test]
    fn a_flood_of_senders_stays_bounded_and_a_steady_one_is_kept() {
        let mut peers = peers(8);
        let steady = Arc::clone(peers.origin(addr(1)));
        for port in 100..10_000 {
            peers.origin(addr(port));
            assert!(Arc::ptr_eq(&steady, peers.origin(addr(1))));
            assert!(peers.young.len() + peers.old.len() <= 16);
        }
    }
}
