//! Where packed legs lie, and how they are found.
//!
//! A leg is found by any of its keys: its Call-ID, its media addresses, its branches. Of a key half is kept, so a leg may
//! be found that is not meant; it is unpacked, and does no harm. What is behind it in its queue was heard of later.
//!
//! A leg that wakes keeps its place, and its keys go on leading there: most are parked again soon, and each key costs a
//! look at memory that is nowhere near.

use std::collections::VecDeque;

use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::call::{
    leg::{Head, Kept, Keys},
    pack::Texts,
};

/// What a parked leg takes beside its octets: its place, that in its queue, and what an allocation rounds up to.
const PLACE_OCTETS: usize = 56;
/// What a key takes, with the empty places of its table.
const KEY_OCTETS: usize = 14;

/// What parked legs wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// They are over.
    Over,
    /// In call, and something may still be sent again.
    Fresh,
    /// In call, and nothing else is known of them.
    Talking,
    /// Anything but a call, and not over.
    Other,
    /// A call that is not answered.
    Setup,
}

/// In the order in which they give way.
pub(super) const QUEUES: [Queue; 5] = [
    Queue::Over,
    Queue::Talking,
    Queue::Fresh,
    Queue::Other,
    Queue::Setup,
];

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    place: u32,
    generation: u32,
}

#[derive(Debug, Default)]
struct Place {
    /// Nothing where there is no leg, or one that is awake.
    packed: Box<[u8]>,
    generation: u32,
    /// Whether some of its keys do not lead here, as others had them.
    is_partly_known: bool,
}

/// Packed legs.
#[derive(Debug, Default)]
pub(super) struct Parked {
    pub(super) texts: Texts,
    /// Room in which legs are packed.
    pub(super) room: Vec<u8>,
    places: Vec<Place>,
    vacant: Vec<u32>,
    /// Half of a key, and the place of its leg.
    keys: HashTable<(u32, u32)>,
    queues: [VecDeque<Spot>; QUEUES.len()],
    generation: u32,
    count: usize,
    octets: usize,
    saving: Option<Saving>,
    /// Whether legs are written apart from the state.
    pub(super) is_apart: bool,
}

/// What is being written while legs come and go.
#[derive(Debug)]
struct Saving {
    /// Places before it are written.
    next: usize,
    /// Legs that were parked later are not meant.
    generation: u32,
    /// Legs that went before they were written.
    aside: Vec<Box<[u8]>>,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What they take in memory, about.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Puts a leg in by its `keys`, into the place that it has `kept`. `is_whole` where these are all that it has.
    pub(super) fn put(
        &mut self,
        packed: Box<[u8]>,
        keys: &[u64],
        is_whole: bool,
        kept: Option<Kept>,
        queue: Queue,
    ) {
        let (place, known) = match kept {
            Some(Kept { place, keys, .. }) => (place, keys),
            None => (self.new_place(), Keys::new()),
        };
        self.generation = self.generation.wrapping_add(1);
        self.octets += packed.len();
        self.count += 1;
        for key in keys.iter().filter(|key| !known.contains(key)) {
            let entry = (half(*key), place);
            self.octets += KEY_OCTETS;
            self.keys
                .insert_unique(hash(entry.0), entry, |(half, _)| hash(*half));
        }
        if let Some(slot) = self.places.get_mut(place as usize) {
            *slot = Place {
                packed,
                generation: self.generation,
                is_partly_known: !is_whole,
            };
        }
        let spot = Spot {
            place,
            generation: self.generation,
        };
        self.enqueue(spot, queue);
    }

    fn new_place(&mut self) -> u32 {
        self.octets += PLACE_OCTETS;
        self.vacant.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn enqueue(&mut self, spot: Spot, queue: Queue) {
        let most = 2 * self.count + 1_024;
        let places = &self.places;
        if let Some(queue) = self.queues.get_mut(queue as usize) {
            queue.push_back(spot);
            if queue.len() > most {
                queue.retain(|spot| is_there(places, *spot));
            }
        }
    }

    /// The legs that may have this key and are not awake.
    pub(super) fn with_key(&self, key: u64) -> SmallVec<[Spot; 2]> {
        if self.count == 0 {
            return SmallVec::new();
        }
        let found = self.keys.iter_hash(hash(half(key)));
        found
            .filter(|(known, _)| *known == half(key))
            .filter_map(|(_, place)| {
                let known = self.places.get(*place as usize)?;
                let spot = Spot {
                    place: *place,
                    generation: known.generation,
                };
                (!known.packed.is_empty()).then_some(spot)
            })
            .collect()
    }

    pub(super) fn packed(&self, spot: Spot) -> Option<&[u8]> {
        let place = self.places.get(spot.place as usize)?;
        (place.generation == spot.generation && !place.packed.is_empty()).then_some(&place.packed)
    }

    pub(super) fn head(&self, spot: Spot) -> Option<Head<'_>> {
        Head::of(self.packed(spot)?)
    }

    /// Takes a leg out, and says what place it keeps; nothing where it keeps none. What it was put in with is among `keys`.
    pub(super) fn take(&mut self, spot: Spot, keys: Keys) -> Option<Kept> {
        let place = self.places.get_mut(spot.place as usize)?;
        if place.generation != spot.generation || place.packed.is_empty() {
            return None;
        }
        let packed = std::mem::take(&mut place.packed);
        let is_partly_known = place.is_partly_known;
        self.octets -= packed.len();
        self.count -= 1;
        let used = Head::of(&packed).map(|head| head.used().collect());
        if let Some(saving) = &mut self.saving
            && spot.place as usize >= saving.next
            && is_before(spot.generation, saving.generation)
        {
            saving.aside.push(packed);
        }
        let kept = Kept {
            place: spot.place,
            keys,
            used: used.unwrap_or_default(),
        };
        if is_partly_known {
            self.vacate(&kept);
            return None;
        }
        Some(kept)
    }

    /// Gives a place up.
    pub(super) fn vacate(&mut self, kept: &Kept) {
        for key in &kept.keys {
            let entry = (half(*key), kept.place);
            if let Ok(entry) = self.keys.find_entry(hash(entry.0), |known| *known == entry) {
                entry.remove();
                self.octets -= KEY_OCTETS;
            }
        }
        kept.used
            .iter()
            .for_each(|number| self.texts.release(*number));
        self.octets -= PLACE_OCTETS;
        self.vacant.push(kept.place);
    }

    /// The leg of a queue that was heard of longest ago.
    pub(super) fn front(&mut self, queue: Queue) -> Option<Spot> {
        let places = &self.places;
        let queue = self.queues.get_mut(queue as usize)?;
        while let Some(spot) = queue.front() {
            if is_there(places, *spot) {
                return Some(*spot);
            }
            queue.pop_front();
        }
        None
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Spot, &[u8])> {
        (0..).zip(&self.places).filter_map(|(place, known)| {
            let spot = Spot {
                place,
                generation: known.generation,
            };
            (!known.packed.is_empty()).then_some((spot, &*known.packed))
        })
    }

    /// Each of them, to change its head.
    pub(super) fn each_mut(&mut self, mut change: impl FnMut(&mut [u8])) {
        for place in &mut self.places {
            if !place.packed.is_empty() {
                change(&mut place.packed);
            }
        }
    }

    /// From here on [`Self::save`] gives what is there now.
    pub(super) fn begin_saving(&mut self) {
        self.saving = Some(Saving {
            next: 0,
            generation: self.generation,
            aside: Vec::new(),
        });
    }

    /// Adds legs, each behind its length, until there are `enough` octets. Gives whether that was the last.
    pub(super) fn save(&mut self, to: &mut Vec<u8>, enough: usize) -> bool {
        let Some(saving) = &mut self.saving else {
            return true;
        };
        let mut add = |packed: &[u8]| {
            let length = u32::try_from(packed.len()).unwrap_or(u32::MAX);
            to.extend_from_slice(&length.to_le_bytes());
            to.extend_from_slice(packed);
            to.len() >= enough
        };
        while let Some(packed) = saving.aside.pop() {
            if add(&packed) {
                return false;
            }
        }
        while let Some(place) = self.places.get(saving.next) {
            saving.next += 1;
            if !place.packed.is_empty()
                && is_before(place.generation, saving.generation)
                && add(&place.packed)
            {
                return false;
            }
        }
        self.saving = None;
        true
    }
}

fn is_there(places: &[Place], spot: Spot) -> bool {
    let place = places.get(spot.place as usize);
    place.is_some_and(|place| place.generation == spot.generation && !place.packed.is_empty())
}

/// Whether `one` is not after `other`; the numbers go round.
fn is_before(one: u32, other: u32) -> bool {
    other.wrapping_sub(one) < 1 << 31
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "half of a key is what is kept"
)]
fn half(key: u64) -> u32 {
    key as u32
}

fn hash(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Serialize for Parked {
    /// The texts, and the legs.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Legs<'p>(&'p Parked);
        impl Serialize for Legs<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let legs = self.0.iter().filter(|_| !self.0.is_apart);
                serializer.collect_seq(legs.map(|(_, packed)| packed))
            }
        }
        (&self.texts, Legs(self)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Parked {
    /// Legs without keys: the tracker puts them in anew.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (texts, legs) = <(Texts, Vec<Box<[u8]>>)>::deserialize(deserializer)?;
        let mut parked = Self {
            texts,
            ..Self::default()
        };
        for packed in legs {
            parked.put(packed, &[], false, None, Queue::Other);
        }
        Ok(parked)
    }
}
