//! Frames of agents that nobody has decided about yet: the latest few of each, to look at.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use hepcat_net::Arrival;

/// Frames kept of one address: enough to see what it is.
pub(crate) const FRAMES: usize = 32;

/// Octets kept of one address; a single frame may have more.
const OCTETS: usize = 64 << 10;

/// Addresses of which frames are kept, so that all of this stays below 32 MiB. Those that come after are counted
/// and listed like the others, but nothing of theirs is kept.
const ADDRESSES: usize = 256;

/// The latest frames of quarantined addresses.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    kept: HashMap<IpAddr, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Arrival>,
    octets: usize,
}

impl Quarantine {
    /// Keeps a frame, and lets the oldest of its address go for it.
    pub(crate) fn keep(&mut self, address: IpAddr, arrival: &Arrival) {
        if self.kept.len() >= ADDRESSES && !self.kept.contains_key(&address) {
            return;
        }
        let kept = self.kept.entry(address).or_default();
        kept.octets += octets(arrival);
        kept.frames.push_back(arrival.clone());
        while kept.frames.len() > FRAMES || (kept.octets > OCTETS && kept.frames.len() > 1) {
            let Some(oldest) = kept.frames.pop_front() else {
                break;
            };
            kept.octets -= octets(&oldest);
        }
    }

    /// What is kept of an address, oldest first.
    pub(crate) fn of(&self, address: IpAddr) -> Vec<Arrival> {
        let kept = self.kept.get(&address);
        kept.map_or_else(Vec::new, |kept| kept.frames.iter().cloned().collect())
    }

    /// Forgets an address: somebody has decided about it.
    pub(crate) fn release(&mut self, address: IpAddr) {
        self.kept.remove(&address);
    }
}

fn octets(arrival: &Arrival) -> usize {
    match arrival {
        Arrival::Message(envelope) => envelope.message.as_received().len(),
        Arrival::Unparsable(unparsable) => unparsable.frame.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc, time::SystemTime};

    use bytes::Bytes;
    use hepcat_net::{Envelope, ListenerId, Origin, Transport};
    use hepcat_testkit::frame;
    use hepcat_wire::Message;

    use super::*;

    fn arrival(payload: &[u8]) -> Arrival {
        let any = "10.0.0.1:1".parse().unwrap();
        let origin = Arc::new(Origin::new(ListenerId(0), Transport::Udp, any, any));
        let octets = Bytes::from(frame::Meta::default().v3(payload));
        let message = Message::parse_lax(octets).unwrap();
        Arrival::Message(Envelope::new(message, origin, SystemTime::UNIX_EPOCH))
    }

    fn address(last: usize) -> IpAddr {
        let [_, _, third, fourth] = u32::try_from(last).unwrap().to_be_bytes();
        IpAddr::from(Ipv4Addr::new(10, 0, third, fourth))
    }

    #[test]
    fn the_latest_few_are_kept_of_each_and_no_more() {
        let mut quarantine = Quarantine::default();
        for number in 0..100u32 {
            quarantine.keep(address(1), &arrival(&number.to_be_bytes()));
        }
        let kept = quarantine.of(address(1));
        assert_eq!(kept.len(), FRAMES);
        let Some(Arrival::Message(latest)) = kept.last() else {
            panic!("a message");
        };
        assert_eq!(
            latest.message.payload().octets(),
            Some(&99u32.to_be_bytes()[..])
        );
        quarantine.release(address(1));
        assert!(quarantine.of(address(1)).is_empty());
    }

    #[test]
    fn large_frames_and_many_addresses_do_not_make_it_grow() {
        let mut quarantine = Quarantine::default();
        let large = arrival(&[b'x'; 60_000]);
        for at in 0..2 * ADDRESSES {
            for _ in 0..3 {
                quarantine.keep(address(at), &large);
            }
        }
        assert_eq!(quarantine.kept.len(), ADDRESSES);
        for kept in quarantine.kept.values() {
            assert_eq!(kept.frames.len(), 1);
            assert_eq!(kept.octets, octets(&large));
        }
    }
}
