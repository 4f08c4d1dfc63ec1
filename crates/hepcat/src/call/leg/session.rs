//! What both sides said about media.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::call::{
    digest::{Digest, narrow},
    moment::Moment,
    sdp::{Description, Direction, Media, MediaKind},
    text::kept,
};

/// Sides that are told apart: two, and those of forks.
pub(super) const MAX_SIDES: usize = 4;
/// Addresses of one leg.
pub(super) const MAX_ENDPOINTS: usize = 8;
/// Codecs of one side that are kept.
const MAX_CODECS: usize = 6;

/// The session of one leg.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::call) struct Session {
    pub(super) sides: SmallVec<[Stated; 2]>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) hold: bool,
    pub(super) fax: bool,
}

/// What the side with one tag said first and last about the main media.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stated {
    pub(super) tag: u64,
    pub(super) first: Moment,
    pub(super) first_codecs: Box<str>,
    pub(super) last: Moment,
    /// Digest of the body that was last.
    pub(super) body: u64,
    pub(super) direction: Direction,
    pub(super) codecs: Box<str>,
}

/// An address and port where one side wants media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::call) struct Endpoint {
    pub(in crate::call) tag: u64,
    pub(in crate::call) address: IpAddr,
    pub(in crate::call) port: u16,
    pub(in crate::call) rtcp_port: u16,
    pub(in crate::call) kind: MediaKind,
    pub(in crate::call) first: Moment,
    pub(in crate::call) last: Moment,
    /// Digest of the address that the description came from.
    pub(in crate::call) source: u64,
}

impl Endpoint {
    pub(in crate::call) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl Session {
    /// Takes in a body that the side with `tag` sent. Gives whether there was a description in it.
    pub(super) fn hear(
        &mut self,
        digest: Digest,
        body: &[u8],
        tag: u64,
        at: Moment,
        source: u64,
        told: &mut SmallVec<[Endpoint; 2]>,
    ) -> bool {
        let key = narrow(digest.of(body));
        let same = self
            .sides
            .iter_mut()
            .find(|side| side.tag == tag && side.body == key);
        if let Some(side) = same
            && side.first <= at
            && at <= side.last
        {
            return true;
        }
        let Some(description) = Description::read(body) else {
            return false;
        };
        for media in &description.media {
            self.fax |= media.kind == MediaKind::Image && media.is_active();
            if let Some(address) = media.address
                && media.is_active()
                && !address.is_unspecified()
            {
                self.endpoint(media, address, tag, at, source, told);
            }
        }
        if let Some(main) = description.main() {
            self.state(main, tag, at, key);
        }
        true
    }

    fn endpoint(
        &mut self,
        media: &Media<'_>,
        address: IpAddr,
        tag: u64,
        at: Moment,
        source: u64,
        told: &mut SmallVec<[Endpoint; 2]>,
    ) {
        let known = self
            .endpoints
            .iter_mut()
            .find(|known| known.address == address && known.port == media.port && known.tag == tag);
        if let Some(known) = known {
            if at < known.first {
                known.source = source;
            }
            known.first = known.first.min(at);
            known.last = known.last.max(at);
            return told.push(*known);
        }
        if self.endpoints.len() >= MAX_ENDPOINTS {
            return;
        }
        let beside = media.port.checked_add(1).unwrap_or(media.port);
        let rtcp_port = if media.rtcp_mux {
            media.port
        } else {
            media.rtcp_port.unwrap_or(beside)
        };
        let endpoint = Endpoint {
            tag,
            address,
            port: media.port,
            rtcp_port,
            kind: media.kind,
            first: at,
            last: at,
            source,
        };
        self.endpoints.push(endpoint);
        told.push(endpoint);
    }

    fn state(&mut self, main: &Media<'_>, tag: u64, at: Moment, body: u64) {
        self.hold |= main.is_hold() && main.is_active();
        let place = self.sides.iter().position(|side| side.tag == tag);
        let Some(side) = place.and_then(|place| self.sides.get_mut(place)) else {
            if self.sides.len() < MAX_SIDES {
                let codecs = codecs(main);
                let first_codecs = codecs.clone();
                let direction = main.direction;
                self.sides.push(Stated {
                    tag,
                    first: at,
                    first_codecs,
                    last: at,
                    body,
                    direction,
                    codecs,
                });
            }
            return;
        };
        if at < side.first {
            side.first = at;
            side.first_codecs = codecs(main);
        }
        // Of two at one time the digest decides, so that the order of arrival does not.
        if (at, body) > (side.last, side.body) {
            if side.body != body {
                side.codecs = codecs(main);
                side.direction = main.direction;
                side.body = body;
            }
            side.last = at;
        }
    }

    /// Digests of earlier versions are longer.
    pub(super) fn narrow(&mut self) {
        for side in &mut self.sides {
            (side.tag, side.body) = (narrow(side.tag), narrow(side.body));
        }
        for endpoint in &mut self.endpoints {
            (endpoint.tag, endpoint.source) = (narrow(endpoint.tag), narrow(endpoint.source));
        }
    }

    pub(super) fn octets(&self) -> usize {
        let texts = self
            .sides
            .iter()
            .map(|side| side.codecs.len() + side.first_codecs.len());
        self.endpoints.capacity() * size_of::<Endpoint>() + texts.sum::<usize>()
    }

    pub(in crate::call) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    pub(super) fn codecs_of(&self, tag: u64) -> &str {
        self.side(tag).map_or("", |side| &side.codecs)
    }

    pub(super) fn direction_of(&self, tag: u64) -> Direction {
        self.side(tag)
            .map_or_else(Direction::default, |side| side.direction)
    }

    fn side(&self, tag: u64) -> Option<&Stated> {
        self.sides.iter().find(|side| side.tag == tag)
    }

    /// The codec that an answer to the caller's offer (or the reverse) settled on: the first of the later one that the
    /// earlier one has too. With one side only, its first. `answerer` is who answered the call, of several.
    pub(super) fn codec(&self, caller: u64, answerer: Option<u64>) -> Option<&str> {
        let one = self.side(caller);
        let other = answerer.and_then(|tag| self.side(tag)).or_else(|| {
            self.sides
                .iter()
                .filter(|side| side.tag != caller)
                .min_by_key(|side| (side.first, side.tag))
        });
        let first = |side: &'_ Stated| side.first;
        match (one, other) {
            (Some(one), Some(other)) => {
                let (offer, answer) = if first(one) <= first(other) {
                    (one, other)
                } else {
                    (other, one)
                };
                let offered = |name: &str| offer.codecs.split(',').any(|known| known == name);
                let mut names = answer.codecs.split(',');
                names
                    .clone()
                    .find(|name| offered(name))
                    .or_else(|| names.next())
            }
            (Some(side), None) | (None, Some(side)) => side.first_codecs.split(',').next(),
            (None, None) => None,
        }
        .filter(|name| !name.is_empty())
    }

    /// Whether both sides spoke and what they said last lets media flow one way at most.
    pub(super) fn is_one_way(&self) -> bool {
        self.sides.len() >= 2
            && self
                .sides
                .iter()
                .any(|side| matches!(side.direction, Direction::SendOnly | Direction::RecvOnly))
    }
}

/// `PCMA,opus`: names of codecs in their order, each once.
fn codecs(media: &Media<'_>) -> Box<str> {
    let mut names: SmallVec<[u8; 64]> = SmallVec::new();
    let mut count = 0;
    for codec in media.codecs.iter().filter(|codec| codec.is_media()) {
        let again = names
            .split(|octet| *octet == b',')
            .any(|name| name == codec.name);
        if again || count == MAX_CODECS {
            continue;
        }
        if count > 0 {
            names.push(b',');
        }
        names.extend_from_slice(codec.name);
        count += 1;
    }
    kept(&names)
}
