//! What is sent for an item of a file: its HEP frame, or why there is none.

use std::time::Duration;

use bytes::Bytes;
use hepcat_net::Transport;
use hepcat_wire::{
    IpProtocol, Message, MessageBuilder, ProtocolType, TimeSource, Version, convert,
};

use crate::capfile::{Carrier, Content, Item};

/// How frames are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) transport: Transport,
    pub(super) capture_id: u32,
    /// `None`: SIP becomes version 3, HEP stays what it is.
    pub(super) version: Option<Version>,
    /// The time of a frame is when it was captured, and not when it is sent.
    pub(super) recorded_time: bool,
}

impl Recipe {
    /// The frame for an item that is sent `now` (since 1970), or the label of why it is left out.
    pub(super) fn frame(&self, item: Item, now: Duration) -> Result<Bytes, &'static str> {
        if item.seen.is_some_and(|seen| seen.cut) {
            return Err("truncated");
        }
        match item.content {
            Content::Sip => self.sip(&item, now),
            Content::Hep => self.hep(item, now),
            Content::Other(what) => Err(what),
        }
    }

    fn sip(&self, item: &Item, now: Duration) -> Result<Bytes, &'static str> {
        // Only capture files hold SIP, and they tell who sent it to whom.
        let seen = item.seen.ok_or("no_addresses")?;
        let version = self.version.unwrap_or(Version::V3);
        let time = match seen.time {
            Some(recorded) if self.recorded_time => recorded,
            _ => now,
        };
        let mut builder = MessageBuilder::new()
            .ip_protocol(match seen.carrier {
                Carrier::Udp => IpProtocol::UDP,
                Carrier::Tcp => IpProtocol::TCP,
            })
            .source(seen.source)
            .destination(seen.destination)
            .payload(&item.octets);
        if version != Version::V1 {
            builder = builder.time_since_epoch(time).capture_id(self.capture_id);
        }
        if version == Version::V3 {
            builder = builder.protocol_type(ProtocolType::SIP);
            if let Some(vlan @ 1..) = seen.vlan {
                builder = builder.vlan_id(vlan);
            }
        }
        let frame = builder.encode(version).map_err(|e| e.reason())?;
        Ok(Bytes::from(frame))
    }

    /// As it is, its time untouched. On a stream only a whole frame of version 3 may stand, or the
    /// receiver loses its place.
    fn hep(&self, item: Item, now: Duration) -> Result<Bytes, &'static str> {
        if let Some(version) = self.version {
            let message = Message::parse_lax(item.octets.as_slice()).map_err(|e| e.reason())?;
            if message.version() != version {
                let arrival = item.seen.and_then(|seen| seen.time).unwrap_or(now);
                let converted = match version {
                    Version::V1 => convert::to_v1(&message),
                    Version::V2 => convert::to_v2(&message, arrival),
                    _ => convert::to_v3(&message, arrival),
                };
                return converted.map(Bytes::from).map_err(|e| e.reason());
            }
        }
        if self.transport == Transport::Udp {
            return Ok(Bytes::from(item.octets));
        }
        match Message::parse_lax(item.octets.as_slice()) {
            Ok(message) if message.version() == Version::V3 => {
                let length = message.as_frame().len();
                let mut frame = item.octets;
                frame.truncate(length);
                Ok(Bytes::from(frame))
            }
            Ok(_) => Err("not_for_a_stream"),
            Err(error) => Err(error.reason()),
        }
    }
}

/// When an item was recorded: with its packet, or by what its HEP frame says.
pub(super) fn recorded_at(item: &Item) -> Option<Duration> {
    if let Some(seen) = item.seen {
        return seen.time;
    }
    let message = Message::parse_lax(item.octets.as_slice()).ok()?;
    let time = message.time(Duration::from_secs(u64::from(u32::MAX)));
    (time.source == TimeSource::Sent).then_some(time.since_epoch)
}
