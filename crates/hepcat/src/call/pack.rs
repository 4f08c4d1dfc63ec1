//! What is kept of idle legs, as few octets: numbers as short as they are, times as differences, and what comes twice
//! once.
//!
//! Numbers are LEB128. A digest stands in full where it comes first, and as its place in the order of coming after that.
//! A text stands in full, or as the number of an earlier one, or as one of [`Texts`] that all legs share. Nothing says
//! which field is which: what reads must ask in the order of what wrote. Octets that do not fit are `None`, never a panic.
//!
//! What is written is a sequence of the same things in either [`Form`]; only how each is written differs.

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
/// In the dense form, where a shared text is the next one of those that the leg uses.
const TEXT_USED: u64 = 3;
const DENSE_TEXT_HERE: u64 = 4;
/// An address in the dense form: its family, or this and its place among those that came before.
const KNOWN_ADDRESS: u8 = 8;
/// Addresses of one leg that are known by their place.
const MAX_ADDRESSES: usize = 0xff - KNOWN_ADDRESS as usize;
/// Moments of one leg that are known by their place; the next place says that one stands in full.
const MAX_MOMENTS: usize = 0x3f;
const FULL_MOMENT: u64 = MAX_MOMENTS as u64;

/// How things are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Each for itself: registrations, and legs of earlier versions.
    Plain,
    /// In few octets: moments and addresses that come again as places, yes and no as bits, and digests short.
    Dense,
}

/// Numbers of shared texts of which there is a use each.
pub(super) type Used = SmallVec<[u16; 16]>;

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

/// The first number of a text that stands in full, without its length.
const fn here(form: Form) -> u64 {
    match form {
        Form::Plain => TEXT_HERE,
        Form::Dense => DENSE_TEXT_HERE,
    }
}

/// Bits that were written, or are to be read.
#[derive(Debug, Default)]
struct Bits {
    octets: SmallVec<[u8; 16]>,
    at: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.at.is_multiple_of(8) {
            self.octets.push(0);
        }
        if let Some(last) = self.octets.last_mut() {
            *last |= u8::from(bit) << (self.at % 8);
        }
        self.at += 1;
    }

    fn next(&mut self) -> Option<bool> {
        let octet = self.octets.get(self.at / 8)?;
        let bit = octet >> (self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }
}

/// Writes.
#[derive(Debug)]
pub(super) struct Packer<'t> {
    pub(super) octets: Vec<u8>,
    form: Form,
    bits: Bits,
    /// Times are differences from it; in the dense form from the one that was new last.
    base: Moment,
    moments: SmallVec<[Moment; 32]>,
    addresses: SmallVec<[IpAddr; 4]>,
    digests: SmallVec<[u64; 24]>,
    /// Where texts that stand in full are.
    here: SmallVec<[(usize, usize); 16]>,
    /// Shared texts that were used.
    pub(super) used: Used,
    /// Those of which there is a use already.
    held: Used,
    shared: &'t mut Texts,
}

impl<'t> Packer<'t> {
    /// Writes behind what is in `octets`. `known` digests are those that the reader knows too.
    pub(super) fn new(
        octets: Vec<u8>,
        form: Form,
        base: Moment,
        known: &[u64],
        shared: &'t mut Texts,
    ) -> Self {
        Self {
            octets,
            form,
            bits: Bits::default(),
            base,
            moments: SmallVec::from_slice(&[base]),
            addresses: SmallVec::new(),
            digests: SmallVec::from_slice(known),
            here: SmallVec::new(),
            used: Used::new(),
            held: Used::new(),
            shared,
        }
    }

    /// Uses of shared texts that whoever writes has already: most are those that are written. What is left of them at
    /// the end is given back.
    pub(super) fn hold(&mut self, held: Used) {
        self.held = held;
    }

    /// Gives back uses that were not taken up.
    pub(super) fn release_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        held.into_iter()
            .for_each(|number| self.shared.release(number));
    }

    /// The bits that were written, to stand before the octets.
    pub(super) fn bits_before(&self) -> &[u8] {
        &self.bits.octets
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
        if self.form == Form::Dense {
            return bits.into_iter().for_each(|bit| self.bits.push(bit));
        }
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
        if self.form == Form::Dense
            && let Some(place) = self.moments.iter().position(|known| *known == at)
        {
            return self.number((place as u64) << 1);
        }
        let difference = at.as_micros().wrapping_sub(self.base.as_micros());
        let difference = (difference << 1 ^ difference >> 63).cast_unsigned();
        if self.form == Form::Plain {
            return self.number(difference);
        }
        if difference < 1 << 62 {
            self.number(difference << 1 | 1);
        } else {
            self.number(FULL_MOMENT << 1);
            self.plain(difference);
        }
        self.base = at;
        if self.moments.len() < MAX_MOMENTS {
            self.moments.push(at);
        }
    }

    pub(super) fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bits([value.is_some()]);
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

    /// A digest of [`narrow`] that hardly comes twice.
    pub(super) fn short(&mut self, digest: u64) {
        match self.form {
            Form::Plain => self.plain(digest),
            Form::Dense => {
                let [low @ .., _, _, _] = digest.to_le_bytes();
                self.octets.extend_from_slice(&low);
            }
        }
    }

    pub(super) fn digest(&mut self, digest: u64) {
        let place = self.digests.iter().position(|known| *known == digest);
        if let Some(place) = place.and_then(|place| u8::try_from(place).ok()) {
            return self.octet(place);
        }
        self.octet(NEW_DIGEST);
        self.short(digest);
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
        self.number(text.len() as u64 + here(self.form));
        self.here.push((self.octets.len(), text.len()));
        self.octets.extend_from_slice(text.as_bytes());
    }

    /// A text that others have too.
    pub(super) fn common(&mut self, text: &str) {
        if self.form == Form::Dense {
            let is_it = |number: &u16| self.shared.text(*number) == Some(text);
            if let Some(place) = self.used.iter().position(is_it) {
                self.number(TEXT_USED);
                return self.count(place);
            }
            if let Some(place) = self.held.iter().position(is_it) {
                self.used.push(self.held.swap_remove(place));
                return self.number(TEXT_SHARED);
            }
        }
        if text.len() > 2
            && self.used.len() < MAX_USED
            && let Some(number) = self.shared.take(text)
        {
            self.used.push(number);
            self.number(TEXT_SHARED);
            if self.form == Form::Plain {
                self.number(number);
            }
            return;
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
        if self.form == Form::Dense {
            let place = self.addresses.iter().position(|known| *known == address);
            if let Some(place) = place.and_then(|place| u8::try_from(place).ok()) {
                return self.octet(KNOWN_ADDRESS + place);
            }
            if self.addresses.len() < MAX_ADDRESSES {
                self.addresses.push(address);
            }
        }
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

    pub(super) fn port(&mut self, port: u16) {
        match self.form {
            Form::Plain => self.number(port),
            Form::Dense => self.octets.extend_from_slice(&port.to_le_bytes()),
        }
    }

    /// An address and port; of IPv6 the zone too.
    pub(super) fn socket(&mut self, socket: SocketAddr) {
        self.address(socket.ip());
        self.port(socket.port());
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
    form: Form,
    bits: Bits,
    /// Numbers of shared texts that are used, two octets each: those that were not read yet, and all.
    unread: &'p [u8],
    used: &'p [u8],
    base: Moment,
    moments: SmallVec<[Moment; 32]>,
    addresses: SmallVec<[IpAddr; 4]>,
    digests: SmallVec<[u64; 24]>,
    here: SmallVec<[&'p str; 16]>,
    shared: &'p Texts,
}

impl<'p> Unpacker<'p> {
    pub(super) fn new(
        octets: &'p [u8],
        form: Form,
        base: Moment,
        known: &[u64],
        shared: &'p Texts,
    ) -> Self {
        Self {
            rest: octets,
            form,
            bits: Bits::default(),
            unread: &[],
            used: &[],
            base,
            moments: SmallVec::from_slice(&[base]),
            addresses: SmallVec::new(),
            digests: SmallVec::from_slice(known),
            here: SmallVec::new(),
            shared,
        }
    }

    pub(super) fn know(&mut self, known: &[u64]) {
        self.digests.extend_from_slice(known);
    }

    /// What [`Packer::bits_before`] gave stands next, behind its length in one octet; `used` are numbers of shared texts.
    pub(super) fn begin_dense(&mut self, used: &'p [u8]) -> Option<()> {
        let length = usize::from(self.octet()?);
        let (bits, rest) = self.rest.split_at_checked(length)?;
        self.bits.octets = SmallVec::from_slice(bits);
        self.rest = rest;
        (self.unread, self.used) = (used, used);
        Some(())
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
        if self.form == Form::Dense {
            let mut bits = [false; N];
            for bit in &mut bits {
                *bit = self.bits.next()?;
            }
            return Some(bits);
        }
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
        let mut list = L::default();
        self.list_into(&mut list, most, &mut read)?;
        Some(list)
    }

    /// The same into a list that is empty.
    pub(super) fn list_into<T>(
        &mut self,
        list: &mut impl Extend<T>,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<()> {
        let count = self.number::<usize>()?;
        if count > most {
            return None;
        }
        for _ in 0..count {
            list.extend(Some(read(self)?));
        }
        Some(())
    }

    pub(super) fn moment(&mut self) -> Option<Moment> {
        let number = self.long()?;
        let number = match self.form {
            Form::Plain => number,
            Form::Dense if number & 1 == 1 => number >> 1,
            Form::Dense if number >> 1 == FULL_MOMENT => self.plain()?,
            Form::Dense => {
                let place = usize::try_from(number >> 1).ok()?;
                return self.moments.get(place).copied();
            }
        };
        let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        let at = Moment::from_micros(self.base.as_micros().wrapping_add(difference));
        if self.form == Form::Dense {
            self.base = at;
            if self.moments.len() < MAX_MOMENTS {
                self.moments.push(at);
            }
        }
        Some(at)
    }

    #[expect(clippy::option_option, reason = "unreadable is not absent")]
    pub(super) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.bits()? {
            [false] => Some(None),
            [true] => read(self).map(Some),
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

    /// What [`Packer::short`] wrote.
    pub(super) fn short(&mut self) -> Option<u64> {
        match self.form {
            Form::Plain => self.plain(),
            Form::Dense => {
                let [a, b, c, d, e] = self.some()?;
                Some(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
            }
        }
    }

    pub(super) fn digest(&mut self) -> Option<u64> {
        match self.octet()? {
            NEW_DIGEST => {
                let digest = self.short()?;
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
                let number = match self.form {
                    Form::Plain => self.number()?,
                    Form::Dense => {
                        let (number, unread) = self.unread.split_first_chunk()?;
                        self.unread = unread;
                        u16::from_le_bytes(*number)
                    }
                };
                self.shared.text(number)?
            }
            TEXT_USED if self.form == Form::Dense => {
                let place = self.number::<usize>()?;
                let used = self.used.get(place.checked_mul(2)?..)?;
                self.shared.text(u16::from_le_bytes(*used.first_chunk()?))?
            }
            length => {
                let length = usize::try_from(length - here(self.form)).ok()?;
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
        let address = match self.octet()? {
            4 => Ipv4Addr::from(self.some::<4>()?).into(),
            6 => Ipv6Addr::from(self.some::<16>()?).into(),
            place => {
                let place = usize::from(place.checked_sub(KNOWN_ADDRESS)?);
                return self.addresses.get(place).copied();
            }
        };
        if self.form == Form::Dense && self.addresses.len() < MAX_ADDRESSES {
            self.addresses.push(address);
        }
        Some(address)
    }

    pub(super) fn port(&mut self) -> Option<u16> {
        match self.form {
            Form::Plain => self.number(),
            Form::Dense => self.some().map(u16::from_le_bytes),
        }
    }

    pub(super) fn socket(&mut self) -> Option<SocketAddr> {
        let (address, port) = (self.address()?, self.port()?);
        let mut socket = SocketAddr::new(address, port);
        if let SocketAddr::V6(socket) = &mut socket {
            socket.set_flowinfo(self.number()?);
            socket.set_scope_id(self.number()?);
        }
        Some(socket)
    }
}
