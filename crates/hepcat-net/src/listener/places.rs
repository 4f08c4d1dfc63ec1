use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use super::config::StreamLimits;

/// Connections that are open, in all and for each peer address, within their limits.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_per_peer: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// One open connection; its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    pub(super) fn new(limits: &StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.max_connections,
            most_per_peer: limits.max_connections_per_peer,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `peer`, or the name of the limit that is reached.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, &'static str> {
        let mut taken = self.taken.lock();
        if taken.total >= self.most {
            return Err("max_connections");
        }
        if taken.by_peer.get(&peer).copied().unwrap_or(0) >= self.most_per_peer {
            return Err("max_connections_per_peer");
        }
        taken.total += 1;
        *taken.by_peer.entry(peer).or_default() += 1;
        Ok(Place {
            places: Arc::clone(self),
            peer,
        })
    }

    /// Connections open now.
    pub(super) fn open(&self) -> usize {
        self.taken.lock().total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.total -= 1;
        if let Some(count) = taken.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn limits_hold_in_all_and_per_peer_and_places_come_back() {
        let limits = StreamLimits {
            max_connections: 3,
            max_connections_per_peer: 2,
            ..StreamLimits::default()
        };
        let places = Places::new(&limits);
        let (a, b) = (
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from([10, 0, 0, 1]),
        );
        let first = places.take(a).unwrap();
        let _second = places.take(a).unwrap();
        assert_eq!(places.take(a).unwrap_err(), "max_connections_per_peer");
        let third = places.take(b).unwrap();
        assert_eq!(places.take(b).unwrap_err(), "max_connections");
        drop(first);
        let _fourth = places.take(a).unwrap();
        drop(third);
        assert_eq!(places.open(), 2);
        assert_eq!(places.taken.lock().by_peer.len(), 1);
    }
}
