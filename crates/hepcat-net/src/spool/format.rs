//! The octets of spool files, as `docs/spool-format.md` specifies them. All numbers are little-endian.

use std::{io, ops::Range};

use bytes::Bytes;
use crc32fast::Hasher;

use super::disk::{DiskFile, read_full};

/// First octets of every spool file.
const MAGIC: &[u8; 8] = b"HEPCATSP";
/// Version of the layout.
const VERSION: u16 = 1;
/// Octets of a file's header.
pub(super) const FILE_HEADER: usize = 40;
/// Octets of a record before its frame.
pub(super) const RECORD_HEADER: usize = 28;
/// First octets of every record; where one is damaged, the next is found by them.
const MARKER: [u8; 4] = [0xC5, b'S', b'p', 0xE1];
/// Longest frame of a record: the longest of HEP version 3.
pub(super) const MAX_FRAME: usize = 65_535;
/// Octets read from a file at once; more than the longest record.
const CHUNK: usize = 256 << 10;

/// What a spool file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// A random number that goes into the checksum of each record, so that no frame can hold a record that
    /// passes for one of this file.
    pub(super) salt: u32,
    /// Sequence number of the first record.
    pub(super) first: u64,
    /// When the file was begun, in milliseconds since 1970.
    pub(super) created: u64,
}

impl FileHeader {
    pub(super) fn encode(&self) -> [u8; FILE_HEADER] {
        let mut octets = [0; FILE_HEADER];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            octets[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(MAGIC);
        put(&VERSION.to_le_bytes());
        put(&u16::try_from(FILE_HEADER).unwrap_or_default().to_le_bytes());
        put(&self.salt.to_le_bytes());
        put(&self.first.to_le_bytes());
        put(&self.created.to_le_bytes());
        let checksum = crc32fast::hash(&octets[..FILE_HEADER - 4]);
        octets[FILE_HEADER - 4..].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// Whether `octets`, the whole of a file, may be the beginning of a header that was being written when the process was
    /// killed: there is no record behind it.
    pub(super) fn is_begun(octets: &[u8]) -> bool {
        let common = octets.len().min(MAGIC.len());
        octets.len() < FILE_HEADER && octets.get(..common) == MAGIC.get(..common)
    }

    /// `None` for anything that is no header of this version, whole and undamaged.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let header = octets.get(..FILE_HEADER)?;
        let (body, checksum) = header.split_at(FILE_HEADER - 4);
        let sound = header.starts_with(MAGIC)
            && number::<2>(header, 8).map(u16::from_le_bytes) == Some(VERSION)
            && number::<4>(checksum, 0).map(u32::from_le_bytes) == Some(crc32fast::hash(body));
        if !sound {
            return None;
        }
        Some(Self {
            salt: u32::from_le_bytes(number(header, 12)?),
            first: u64::from_le_bytes(number(header, 16)?),
            created: u64::from_le_bytes(number(header, 24)?),
        })
    }
}

fn number<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at + N)?.try_into().ok()
}

/// Appends a record to `octets`.
pub(super) fn encode_record(
    octets: &mut Vec<u8>,
    salt: u32,
    sequence: u64,
    time: u64,
    frame: &[u8],
) {
    let start = octets.len();
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    octets.extend_from_slice(&MARKER);
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(&length.to_le_bytes());
    octets.extend_from_slice(&sequence.to_le_bytes());
    octets.extend_from_slice(&time.to_le_bytes());
    octets.extend_from_slice(frame);
    let checksum = checksum(salt, &octets[start + 8..]);
    octets[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(salt: u32, octets: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(octets);
    hasher.finalize()
}

/// A record whose checksum holds; `frame` is where its frame stands in the octets looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parsed {
    sequence: u64,
    time: u64,
    frame: Range<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Record(Parsed),
    /// It may be one, but more octets are needed to tell.
    Short,
    Damaged,
}

fn look(octets: &[u8], at: usize, salt: u32) -> Look {
    let rest = octets.get(at..).unwrap_or_default();
    let Some(header) = rest.get(..RECORD_HEADER) else {
        return Look::Short;
    };
    let length = number(header, 8).map_or(usize::MAX, |n| u32::from_le_bytes(n) as usize);
    if !header.starts_with(&MARKER) || length > MAX_FRAME {
        return Look::Damaged;
    }
    let Some(checked) = rest.get(8..RECORD_HEADER + length) else {
        return Look::Short;
    };
    if number(header, 4).map(u32::from_le_bytes) != Some(checksum(salt, checked)) {
        return Look::Damaged;
    }
    let frame = at + RECORD_HEADER..at + RECORD_HEADER + length;
    Look::Record(Parsed {
        sequence: number(header, 12).map_or(0, u64::from_le_bytes),
        time: number(header, 20).map_or(0, u64::from_le_bytes),
        frame,
    })
}

/// One record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    /// When it was spooled, in milliseconds since 1970.
    pub(super) time: u64,
    /// Shares one allocation with its neighbours.
    pub(super) frame: Bytes,
}

/// Reads a file's records in order and passes over what is damaged: from a record that does not hold it looks for
/// the next marker whose record does.
#[derive(Debug)]
pub(super) struct Reader {
    salt: u32,
    /// Where in the file `chunk` begins.
    base: u64,
    chunk: Bytes,
    at: usize,
}

impl Reader {
    pub(super) fn new(salt: u32) -> Self {
        Self::at(salt, FILE_HEADER as u64)
    }

    /// Begins at a record in the middle of the file.
    pub(super) fn at(salt: u32, position: u64) -> Self {
        Self {
            salt,
            base: position,
            chunk: Bytes::new(),
            at: 0,
        }
    }

    /// The next sound record within the first `end` octets of the file.
    pub(super) fn next(&mut self, file: &dyn DiskFile, end: u64) -> io::Result<Option<Record>> {
        loop {
            match look(&self.chunk, self.at, self.salt) {
                Look::Record(record) => {
                    self.at = record.frame.end;
                    return Ok(Some(Record {
                        sequence: record.sequence,
                        time: record.time,
                        frame: self.chunk.slice(record.frame),
                    }));
                }
                Look::Damaged => self.skip_to_marker(),
                Look::Short => {
                    let had = self.chunk.len() - self.at;
                    if self.refill(file, end)? > had {
                        continue;
                    }
                    // The end of the file, inside what may have been a record.
                    if had <= MARKER.len() {
                        return Ok(None);
                    }
                    self.skip_to_marker();
                }
            }
        }
    }

    /// Where in the file the next record would begin.
    pub(super) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    fn skip_to_marker(&mut self) {
        let rest = self.chunk.get(self.at + 1..).unwrap_or_default();
        let found = rest
            .windows(MARKER.len())
            .position(|window| window == MARKER);
        // Where there is none, its first octets may still stand at the end.
        let skip = found.unwrap_or_else(|| rest.len().saturating_sub(MARKER.len() - 1));
        self.at = (self.at + 1 + skip).min(self.chunk.len());
    }

    /// Reads anew from where the reader stands; how many octets there are.
    fn refill(&mut self, file: &dyn DiskFile, end: u64) -> io::Result<usize> {
        let base = self.position();
        let left = usize::try_from(end.saturating_sub(base)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; CHUNK.min(left)];
        let filled = read_full(file, &mut chunk, base)?;
        chunk.truncate(filled);
        self.base = base;
        self.at = 0;
        self.chunk = chunk.into();
        Ok(filled)
    }
}

/// How far a spool file is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Octets up to the end of the last sound record.
    pub(super) octets: u64,
    /// One more than the highest sequence number.
    pub(super) end: u64,
    /// When its newest record was spooled.
    pub(super) newest: u64,
}

/// Looks through a whole file.
pub(super) fn scan(file: &dyn DiskFile, header: &FileHeader, length: u64) -> io::Result<Scan> {
    let mut reader = Reader::new(header.salt);
    let mut scan = Scan {
        octets: FILE_HEADER as u64,
        end: header.first,
        newest: header.created,
    };
    while let Some(record) = reader.next(file, length)? {
        if record.sequence < scan.end {
            continue;
        }
        scan.end = record.sequence + 1;
        scan.newest = scan.newest.max(record.time);
        scan.octets = reader.position();
    }
    Ok(scan)
}

#[cfg(test)]
mod tests {
    use std::io;

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::*;

    /// A file in memory.
    #[derive(Debug, Default)]
    struct Memory(Mutex<Vec<u8>>);

    impl DiskFile for Memory {
        fn read_at(&self, octets: &mut [u8], offset: u64) -> io::Result<usize> {
            let held = self.0.lock();
            let from = usize::try_from(offset).unwrap().min(held.len());
            // Short on purpose.
            let length = octets.len().min(held.len() - from).min(1000);
            octets[..length].copy_from_slice(&held[from..from + length]);
            Ok(length)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    const HEADER: FileHeader = FileHeader {
        salt: 0x1234_5678,
        first: 7,
        created: 99,
    };

    fn file(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = HEADER.encode().to_vec();
        for (sequence, frame) in (7..).zip(frames) {
            encode_record(&mut octets, HEADER.salt, sequence, 100 + sequence, frame);
        }
        octets
    }

    fn read(octets: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let end = octets.len() as u64;
        let file = Memory(Mutex::new(octets));
        let mut reader = Reader::new(HEADER.salt);
        let mut records = Vec::new();
        while let Some(record) = reader.next(&file, end).unwrap() {
            records.push((record.sequence, record.frame.to_vec()));
        }
        records
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..20)
    }

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_is_noticed() {
        let octets = HEADER.encode();
        assert_eq!(FileHeader::parse(&octets), Some(HEADER));
        for bit in 0..octets.len() * 8 {
            let mut damaged = octets;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::parse(&damaged), None, "bit {bit}");
        }
        for length in 0..octets.len() {
            assert_eq!(FileHeader::parse(&octets[..length]), None);
        }
    }

    #[test]
    fn a_record_inside_a_frame_is_none() {
        // What an agent could send that knows the format but not the salt.
        let mut inner = Vec::new();
        encode_record(&mut inner, 0, 8, 0, b"forged");
        let mut octets = file(&[inner, b"last".to_vec()]);
        octets[FILE_HEADER + 4] ^= 1;
        assert_eq!(read(octets), [(8, b"last".to_vec())]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(frames in frames()) {
            let expected: Vec<_> = (7..).zip(frames.clone()).collect();
            prop_assert_eq!(read(file(&frames)), expected);
        }

        #[test]
        fn a_flipped_bit_costs_one_record(frames in frames(), at in any::<prop::sample::Index>()) {
            let mut octets = file(&frames);
            let bit = FILE_HEADER * 8 + at.index((octets.len() - FILE_HEADER) * 8);
            octets[bit / 8] ^= 1 << (bit % 8);
            let records = read(octets);
            prop_assert_eq!(records.len(), frames.len() - 1);
            for (sequence, frame) in records {
                prop_assert_eq!(&frames[usize::try_from(sequence - 7).unwrap()], &frame);
            }
        }

        #[test]
        fn a_torn_tail_costs_the_last_record(frames in frames(), cut in any::<prop::sample::Index>()) {
            let mut octets = file(&frames);
            let last = RECORD_HEADER + frames.last().unwrap().len();
            octets.truncate(octets.len() - 1 - cut.index(last));
            let length = octets.len() as u64;
            let scan = scan(&Memory(Mutex::new(octets)), &HEADER, length).unwrap();
            prop_assert_eq!(scan.end, 7 + frames.len() as u64 - 1);
            let sound: usize = frames[..frames.len() - 1].iter().map(|f| RECORD_HEADER + f.len()).sum();
            prop_assert_eq!(scan.octets, (FILE_HEADER + sound) as u64);
        }

        #[test]
        fn any_octets_are_read_without_a_fault(octets in prop::collection::vec(any::<u8>(), 0..3000)) {
            read(octets);
        }
    }
}
