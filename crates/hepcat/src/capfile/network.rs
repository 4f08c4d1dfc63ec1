//! From a packet to the payload of its IP datagram: link layers, VLAN tags, extension headers, fragments.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use etherparse::{
    EtherType, IpFragOffset, IpNumber, Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket,
    defrag::IpDefragBuf,
};
use pcap_parser::{
    Linktype,
    data::{PacketData, get_packetdata},
};

use super::{Report, packets::RawPacket};

/// Datagrams under reassembly at a time: with the 64 KiB that one can hold, 16 MiB at most.
const MAX_DATAGRAMS: usize = 256;
/// Fragments that one datagram may come in: 65,535 octets in pieces of 16 at worst, which nobody sends.
const MAX_FRAGMENTS: u32 = 4_096;
/// How long a datagram may stay incomplete, in the capture's time (RFC 791 and RFC 8200 say 15 to 60 s).
const PATIENCE: Duration = Duration::from_secs(30);

/// One whole IP datagram.
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: IpNumber,
    /// Innermost tag.
    pub(super) vlan: Option<u16>,
    /// Type of service, or traffic class.
    pub(super) tos: u8,
    pub(super) payload: Cow<'a, [u8]>,
    /// The capture has less of it than was on the wire.
    pub(super) cut: bool,
}

/// Takes packets apart, keeping fragments until their datagram is whole.
#[derive(Debug, Default)]
pub(super) struct Network {
    datagrams: HashMap<FragmentKey, Partial>,
    /// Oldest first, by order of arrival of the first fragment.
    ages: BTreeMap<u64, FragmentKey>,
    arrivals: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FragmentKey {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    /// Part of the key for IPv4 only (RFC 791); 0 for IPv6.
    protocol: u8,
    vlan: Option<u16>,
}

#[derive(Debug)]
struct Partial {
    buffer: IpDefragBuf,
    fragments: u32,
    arrival: u64,
    since: Duration,
}

struct Fragment {
    identification: u32,
    offset: IpFragOffset,
    more: bool,
}

impl Network {
    /// The datagram that this packet is or completes; what it is not is counted.
    pub(super) fn datagram<'a>(
        &mut self,
        packet: &'a RawPacket,
        report: &mut Report,
    ) -> Option<Datagram<'a>> {
        let sliced = match slice(packet.link, &packet.data) {
            Ok(sliced) => sliced,
            Err(reason) => {
                report.skip(reason);
                return None;
            }
        };
        let vlan = sliced.vlan_ids().last().map(|id| id.value());
        let Some(net) = sliced.net else {
            report.skip("not_ip");
            return None;
        };
        let Some((mut datagram, fragment)) = ip(&net, vlan) else {
            report.skip("not_ip");
            return None;
        };
        let Some(fragment) = fragment else {
            return Some(datagram);
        };
        if datagram.cut {
            report.skip("fragment_truncated");
            return None;
        }
        let now = packet.time.unwrap_or_default();
        let (protocol, payload) = self.collect(&datagram, &fragment, now, report)?;
        datagram.protocol = protocol;
        datagram.payload = Cow::Owned(payload);
        Some(datagram)
    }

    /// Counts what never became whole.
    pub(super) fn finish(&mut self, report: &mut Report) {
        report.fragments_evicted += self.datagrams.len() as u64;
        self.datagrams.clear();
        self.ages.clear();
    }

    fn collect(
        &mut self,
        datagram: &Datagram<'_>,
        fragment: &Fragment,
        now: Duration,
        report: &mut Report,
    ) -> Option<(IpNumber, Vec<u8>)> {
        let key = FragmentKey {
            source: datagram.source,
            destination: datagram.destination,
            identification: fragment.identification,
            protocol: if datagram.source.is_ipv4() {
                datagram.protocol.0
            } else {
                0
            },
            vlan: datagram.vlan,
        };
        self.evict(now, report);
        let arrivals = &mut self.arrivals;
        let ages = &mut self.ages;
        let partial = self.datagrams.entry(key).or_insert_with(|| {
            *arrivals += 1;
            ages.insert(*arrivals, key);
            Partial {
                buffer: IpDefragBuf::new(datagram.protocol, Vec::new(), Vec::new()),
                fragments: 0,
                arrival: *arrivals,
                since: now,
            }
        });
        partial.fragments += 1;
        let added = partial
            .buffer
            .add(fragment.offset, fragment.more, &datagram.payload);
        if added.is_err() || partial.fragments > MAX_FRAGMENTS {
            report.skip("bad_fragment");
            self.remove(key);
            return None;
        }
        if !partial.buffer.is_complete() {
            return None;
        }
        let whole = self.remove(key)?;
        Some((whole.buffer.ip_number(), whole.buffer.take_bufs().0))
    }

    /// Makes room for one more: the stale ones go, and the oldest when the table is full.
    fn evict(&mut self, now: Duration, report: &mut Report) {
        while let Some((_, &key)) = self.ages.first_key_value() {
            let full = self.datagrams.len() >= MAX_DATAGRAMS;
            let stale = self
                .datagrams
                .get(&key)
                .is_none_or(|p| now.saturating_sub(p.since) > PATIENCE);
            if !full && !stale {
                return;
            }
            self.remove(key);
            report.fragments_evicted += 1;
        }
    }

    fn remove(&mut self, key: FragmentKey) -> Option<Partial> {
        let partial = self.datagrams.remove(&key)?;
        self.ages.remove(&partial.arrival);
        Some(partial)
    }
}

/// Finds the IP header behind whatever the link puts before it.
fn slice(link: Linktype, data: &[u8]) -> Result<LaxSlicedPacket<'_>, &'static str> {
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).map_err(|_| "truncated"),
        Linktype::LINUX_SLL | Linktype::LINUX_SLL2 => {
            match get_packetdata(data, link, data.len()) {
                Some(PacketData::L3(ether_type, rest)) => Ok(LaxSlicedPacket::from_ether_type(
                    EtherType(ether_type),
                    rest,
                )),
                Some(_) => Err("not_ip"),
                None => Err("truncated"),
            }
        }
        // The family stands in the byte order of the host that captured (DLT_NULL) or of the network
        // (DLT_LOOP, 108); its value tells nothing that the version in the IP header does not.
        Linktype::NULL | Linktype(108) => ip_only(data.get(4..).ok_or("truncated")?),
        // 12 and 14 are what some systems write for raw IP.
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => ip_only(data),
        _ => Err("unsupported_link"),
    }
}

fn ip_only(data: &[u8]) -> Result<LaxSlicedPacket<'_>, &'static str> {
    LaxSlicedPacket::from_ip(data).map_err(|_| "not_ip")
}

fn ip<'a>(net: &LaxNetSlice<'a>, vlan: Option<u16>) -> Option<(Datagram<'a>, Option<Fragment>)> {
    match net {
        LaxNetSlice::Ipv4(slice) => {
            let header = slice.header();
            let payload = slice.payload();
            let fragment = header.is_fragmenting_payload().then(|| Fragment {
                identification: u32::from(header.identification()),
                offset: header.fragments_offset(),
                more: header.more_fragments(),
            });
            let datagram = Datagram {
                source: IpAddr::V4(Ipv4Addr::from(header.source())),
                destination: IpAddr::V4(Ipv4Addr::from(header.destination())),
                protocol: payload.ip_number,
                vlan,
                tos: header.dcp().value() << 2 | header.ecn().value(),
                payload: Cow::Borrowed(payload.payload),
                cut: payload.incomplete,
            };
            Some((datagram, fragment))
        }
        LaxNetSlice::Ipv6(slice) => {
            let header = slice.header();
            let payload = slice.payload();
            let fragment = slice
                .extensions()
                .clone()
                .into_iter()
                .find_map(|e| match e {
                    Ipv6ExtensionSlice::Fragment(f) if f.is_fragmenting_payload() => {
                        Some(Fragment {
                            identification: f.identification(),
                            offset: f.fragment_offset(),
                            more: f.more_fragments(),
                        })
                    }
                    _ => None,
                });
            let datagram = Datagram {
                source: IpAddr::V6(Ipv6Addr::from(header.source())),
                destination: IpAddr::V6(Ipv6Addr::from(header.destination())),
                protocol: payload.ip_number,
                vlan,
                tos: header.traffic_class(),
                payload: Cow::Borrowed(payload.payload),
                cut: payload.incomplete,
            };
            Some((datagram, fragment))
        }
        LaxNetSlice::Arp(_) => None,
    }
}
