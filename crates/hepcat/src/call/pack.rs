//! What is kept of idle legs, as few octets: numbers as short as they are, times as differences, and what comes twice
//! once.
//!
//! Numbers are LEB128. A digest stands in full where it comes first, and as its place in the order of coming after that.
//! A text stands in full, or as the number of an earlier one, or as one of [`Texts`] that all legs share. Nothing says
//! which field is which: what reads must ask in the order of what wrote. Octets that do not fit are `None`, never a panic.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::moment::{Earliest, Moment};

/// Texts that are shared at most: what is common is far below, and it bounds what a flood of different ones takes.
const MAX_SHARED: usize = 4_096;
/// Places of texts that were seen once.
const CANDIDATES: usize = 4_096;
/// Digests of one leg that are known by their place.
const MAX_DIGESTS: usize = 0xff;
/// Says that a digest stands in full.
const NEW_DIGEST: u8 = 0xff;
/// Shared texts that one leg uses at most.
pub(super) const MAX_USED: usize = 0xff;

/// What the first number of a text says; what is greater is its length.
const NO_TEXT: u64 = 0;
const TEXT_AGAIN: u64 = 1;
const TEXT_SHARED: u64 = 2;
const TEXT_HERE: u64 = 3;

/// Texts that many legs have: programs, hosts, codecs, phrases. Counted, so that one that is used no more makes room.
#[derive(Debug, Default)]
pub(super) struct Texts {
    entries: Vec<Shared>,
    by_text: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
    /// Entries that nobody used when it was looked last.
    idle: Vec<u16>,
    /// What was seen once: a text is shared from the second time on, so that what is unique takes no place.
    seen: Vec<u32>,
}

#[derive(Debug, Default)]
struct Shared {
    text: Box<str>,
    uses: u32,
    is_idle: bool,
}

impl Texts {
    /// Takes a use of `text`, where it is shared.
    fn take(&mut self, text: &str) -> Option<u16> {
        if let Some(number) = self.by_text.get(text) {
            let entry = self.entries.get_mut(usize::from(*number))?;
            entry.uses += 1;
            return Some(*number);
        }
        if !self.is_seen_again(text) {
            return None;
        }
        let number = self.place()?;
        let entry = self.entries.get_mut(usize::from(number))?;
        let gone = std::mem::replace(&mut entry.text, text.into());
        entry.uses = 1;
        self.by_text.remove(&gone);
        self.by_text.insert(text.into(), number);
        Some(number)
    }

    fn is_seen_again(&mut self, text: &str) -> bool {
        use std::hash::BuildHasher;
        if self.seen.is_empty() {
            self.seen = vec![0; CANDIDATES];
        }
        let hash = self.by_text.hasher().hash_one(text);
        let [low, high] = [hash & 0xffff, hash >> 32];
        let place = usize::try_from(low).unwrap_or(0) % CANDIDATES;
        let mark = u32::try_from(high).unwrap_or(0) | 1;
        match self.seen.get_mut(place) {
            Some(seen) if *seen == mark => true,
            Some(seen) => {
                *seen = mark;
                false
            }
            None => false,
        }
    }

    fn place(&mut self) -> Option<u16> {
        if self.entries.len() < MAX_SHARED {
            self.entries.push(Shared::default());
            return u16::try_from(self.entries.len() - 1).ok();
        }
        while let Some(number) = self.idle.pop() {
            let entry = self.entries.get_mut(usize::from(number))?;
            entry.is_idle = false;
            if entry.uses == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Gives a use back.
    pub(super) fn release(&mut self, number: u16) {
        if let Some(entry) = self.entries.get_mut(usize::from(number)) {
            entry.uses = entry.uses.saturating_sub(1);
            if entry.uses == 0 && !entry.is_idle {
                entry.is_idle = true;
                self.idle.push(number);
            }
        }
    }

    /// Takes a use of the one with this number, as after a restart.
    pub(super) fn use_again(&mut self, number: u16) {
        if let Some(entry) = self.entries.get_mut(usize::from(number)) {
            entry.uses += 1;
        }
    }

    fn text(&self, number: u16) -> Option<&str> {
        let entry = self.entries.get(usize::from(number))?;
        Some(&entry.text)
    }
}

impl Serialize for Texts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|entry| &entry.text))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<Box<str>>::deserialize(deserializer)?;
        let mut shared = Self::default();
        for (number, text) in (0..).zip(texts.into_iter().take(MAX_SHARED)) {
            shared.by_text.insert(text.clone(), number);
            shared.idle.push(number);
            shared.entries.push(Shared {
                text,
                uses: 0,
                is_idle: true,
            });
        }
        Ok(shared)
    }
}

/// Writes.
#[derive(Debug)]
pub(super) struct Packer<'t> {
    pub(super) octets: Vec<u8>,
    /// Times are differences from it.
    base: Moment,
    digests: SmallVec<[u64; 24]>,
    /// Where texts that stand in full are.
    here: SmallVec<[(usize, usize); 16]>,
    /// Shared texts that were used.
    pub(super) used: SmallVec<[u16; 16]>,
    shared: &'t mut Texts,
}

impl<'t> Packer<'t> {
    /// Writes behind what is in `octets`. `known` digests are those that the reader knows too.
    pub(super) fn new(octets: Vec<u8>, base: Moment, known: &[u64], shared: &'t mut Texts) -> Self {
        Self {
            octets,
            base,
            digests: SmallVec::from_slice(known),
            here: SmallVec::new(),
            used: SmallVec::new(),
            shared,
        }
    }

    /// Digests that the reader knows too, from here on.
    pub(super) fn know(&mut self, known: &[u64]) {
        self.digests.extend_from_slice(known);
    }

    pub(super) fn octet(&mut self, octet: u8) {
        self.octets.push(octet);
    }

    /// Up to eight of them.
    pub(super) fn bits<const N: usize>(&mut self, bits: [bool; N]) {
        let octet = (bits.iter().rev()).fold(0, |octet, bit| octet << 1 | u8::from(*bit));
        self.octet(octet);
    }

    pub(super) fn number(&mut self, number: impl Into<u64>) {
        let mut number = number.into();
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.octets.push(low & 0x7f);
            }
            self.octets.push(low | 0x80);
        }
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(super) fn moment(&mut self, at: Moment) {
        let difference = at.as_micros().wrapping_sub(self.base.as_micros());
        self.number((difference << 1 ^ difference >> 63).cast_unsigned());
    }

    pub(super) fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.octet(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn earliest(&mut self, at: Earliest) {
        self.maybe(at.get(), Self::moment);
    }

    pub(super) fn plain(&mut self, number: u64) {
        self.octets.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn digest(&mut self, digest: u64) {
        let place = self.digests.iter().position(|known| *known == digest);
        if let Some(place) = place.and_then(|place| u8::try_from(place).ok()) {
            return self.octet(place);
        }
        self.octet(NEW_DIGEST);
        self.plain(digest);
        if self.digests.len() < MAX_DIGESTS {
            self.digests.push(digest);
        }
    }

    /// A text of this leg alone.
    pub(super) fn text(&mut self, text: &str) {
        let known = self.here.iter().position(|(start, length)| {
            *length == text.len()
                && self.octets.get(*start..start + length) == Some(text.as_bytes())
        });
        if let Some(place) = known {
            self.number(TEXT_AGAIN);
            return self.count(place);
        }
        self.number(text.len() as u64 + TEXT_HERE);
        self.here.push((self.octets.len(), text.len()));
        self.octets.extend_from_slice(text.as_bytes());
    }

    /// A text that others have too.
    pub(super) fn common(&mut self, text: &str) {
        if text.len() > 2
            && self.used.len() < MAX_USED
            && let Some(number) = self.shared.take(text)
        {
            self.used.push(number);
            self.number(TEXT_SHARED);
            return self.number(number);
        }
        self.text(text);
    }

    pub(super) fn maybe_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.number(NO_TEXT),
        }
    }

    pub(super) fn maybe_common(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.common(text),
            None => self.number(NO_TEXT),
        }
    }

    pub(super) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.octet(4);
                self.octets.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                self.octet(6);
                self.octets.extend_from_slice(&address.octets());
            }
        }
    }

    /// An address and port; of IPv6 the zone too.
    pub(super) fn socket(&mut self, socket: SocketAddr) {
        self.address(socket.ip());
        self.number(socket.port());
        if let SocketAddr::V6(socket) = socket {
            self.number(socket.flowinfo());
            self.number(socket.scope_id());
        }
    }
}

/// Reads what [`Packer`] wrote.
#[derive(Debug)]
pub(super) struct Unpacker<'p> {
    rest: &'p [u8],
    base: Moment,
    digests: SmallVec<[u64; 24]>,
    here: SmallVec<[&'p str; 16]>,
    shared: &'p Texts,
}

impl<'p> Unpacker<'p> {
    pub(super) fn new(octets: &'p [u8], base: Moment, known: &[u64], shared: &'p Texts) -> Self {
        Self {
            rest: octets,
            base,
            digests: SmallVec::from_slice(known),
            here: SmallVec::new(),
            shared,
        }
    }

    pub(super) fn know(&mut self, known: &[u64]) {
        self.digests.extend_from_slice(known);
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'p [u8] {
        self.rest
    }

    fn some<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (some, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*some)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.some::<1>().map(|[octet]| octet)
    }

    pub(super) fn bits<const N: usize>(&mut self) -> Option<[bool; N]> {
        let octet = self.octet()?;
        Some(std::array::from_fn(|place| octet >> place & 1 == 1))
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            number |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.long()?.try_into().ok()
    }

    /// So many things, read by `read`; not more than `most`.
    pub(super) fn list<T, L: Default + Extend<T>>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<L> {
        let count = self.number::<usize>()?;
        if count > most {
            return None;
        }
        let mut list = L::default();
        for _ in 0..count {
            list.extend(Some(read(self)?));
        }
        Some(list)
    }

    pub(super) fn moment(&mut self) -> Option<Moment> {
        let number = self.long()?;
        let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        Some(Moment::from_micros(
            self.base.as_micros().wrapping_add(difference),
        ))
    }

    #[expect(clippy::option_option, reason = "unreadable is not absent")]
    pub(super) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.octet()? {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }

    pub(super) fn earliest(&mut self) -> Option<Earliest> {
        let mut earliest = Earliest::default();
        if let Some(at) = self.maybe(Self::moment)? {
            earliest.tell(at);
        }
        Some(earliest)
    }

    pub(super) fn plain(&mut self) -> Option<u64> {
        self.some().map(u64::from_le_bytes)
    }

    pub(super) fn digest(&mut self) -> Option<u64> {
        match self.octet()? {
            NEW_DIGEST => {
                let digest = self.plain()?;
                if self.digests.len() < MAX_DIGESTS {
                    self.digests.push(digest);
                }
                Some(digest)
            }
            place => self.digests.get(usize::from(place)).copied(),
        }
    }

    #[expect(clippy::option_option, reason = "unreadable is not absent")]
    pub(super) fn maybe_text(&mut self) -> Option<Option<Box<str>>> {
        let text = match self.long()? {
            NO_TEXT => return Some(None),
            TEXT_AGAIN => {
                let place = self.number::<usize>()?;
                self.here.get(place)?
            }
            TEXT_SHARED => {
                let number = self.number()?;
                self.shared.text(number)?
            }
            length => {
                let length = usize::try_from(length - TEXT_HERE).ok()?;
                let (text, rest) = self.rest.split_at_checked(length)?;
                let text = std::str::from_utf8(text).ok()?;
                self.rest = rest;
                self.here.push(text);
                text
            }
        };
        Some(Some(text.into()))
    }

    pub(super) fn text(&mut self) -> Option<Box<str>> {
        self.maybe_text()?
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        match self.octet()? {
            4 => self
                .some()
                .map(|octets: [u8; 4]| Ipv4Addr::from(octets).into()),
            6 => self
                .some()
                .map(|octets: [u8; 16]| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }

    pub(super) fn socket(&mut self) -> Option<SocketAddr> {
        let (address, port) = (self.address()?, self.number()?);
        let mut socket = SocketAddr::new(address, port);
        if let SocketAddr::V6(socket) = &mut socket {
            socket.set_flowinfo(self.number()?);
            socket.set_scope_id(self.number()?);
        }
        Some(socket)
    }
}
