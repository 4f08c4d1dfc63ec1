//! Reading a log file back.

use std::{io, path::Path};

use super::{FILE_HEADER, FRAME_HEADER, MAGIC, MAX_FRAME, VERSION, frame};
use crate::{
    disk::{Disk, read_exact},
    row::RowBatch,
};

/// How a log file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind its last frame.
    Clean,
    /// With a frame that does not hold, at this octet.
    Torn(u64),
    /// It is no log file of this generation.
    Foreign,
    /// It has a version that is newer than this program.
    Newer(u16),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The rows with their identities, frame by frame.
    pub(crate) batches: Vec<RowBatch>,
    pub(crate) rows: u32,
    pub(crate) end: End,
}

/// Reads the log file at `path` as far as it holds.
pub(crate) fn replay(disk: &dyn Disk, path: &Path, generation: u32) -> io::Result<Replayed> {
    let mut batches = Vec::new();
    let (rows, end) = walk(disk, path, generation, &mut |rows| batches.push(rows))?;
    Ok(Replayed { batches, rows, end })
}

/// The same without keeping anything: how many rows there are, and how it ends.
pub(crate) fn verify(disk: &dyn Disk, path: &Path, generation: u32) -> io::Result<(u32, End)> {
    walk(disk, path, generation, &mut |_rows| {})
}

fn walk(
    disk: &dyn Disk,
    path: &Path,
    generation: u32,
    see: &mut dyn FnMut(RowBatch),
) -> io::Result<(u32, End)> {
    let file = disk.open(path)?;
    let length = file.length()?;
    let mut header = [0; FILE_HEADER];
    if length < FILE_HEADER as u64 {
        // Killed while it was made: there are no rows in it.
        return Ok((0, End::Torn(0)));
    }
    read_exact(file.as_ref(), &mut header, 0)?;
    let (node, version, end) = read_header(&header, generation);
    if let Some(end) = end {
        return Ok((0, end));
    }
    let mut count = 0;
    let mut at = FILE_HEADER as u64;
    let mut octets = Vec::new();
    while at < length {
        let frame = next(file.as_ref(), &mut octets, at, length, generation, count)?;
        let Some(rows) = frame.and_then(|frame| frame::decode_rows(&frame, version).ok()) else {
            return Ok((count, End::Torn(at)));
        };
        if rows.is_empty() {
            // The mark of the end: what is behind it was another generation's.
            break;
        }
        at += octets.len() as u64;
        let batch = rows.identified(node, generation, count);
        count += u32::try_from(batch.len()).unwrap_or(u32::MAX);
        see(batch);
    }
    Ok((count, End::Clean))
}

/// Number of the node, version, and what is wrong with it.
fn read_header(header: &[u8; FILE_HEADER], generation: u32) -> (u16, u16, Option<End>) {
    let [
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
        v0,
        v1,
        n0,
        n1,
        g0,
        g1,
        g2,
        g3,
    ] = *header;
    let version = u16::from_le_bytes([v0, v1]);
    let node = u16::from_le_bytes([n0, n1]);
    let end = if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
        Some(End::Foreign)
    } else if version > VERSION {
        Some(End::Newer(version))
    } else if u32::from_le_bytes([g0, g1, g2, g3]) != generation || node > crate::row::MAX_NODE {
        Some(End::Foreign)
    } else {
        None
    };
    (node, version, end)
}

/// The frame at `at`, whose octets are left in `octets`; `None` where it does not hold.
fn next<'a>(
    file: &dyn crate::disk::DiskFile,
    octets: &'a mut Vec<u8>,
    at: u64,
    length: u64,
    generation: u32,
    place: u32,
) -> io::Result<Option<frame::Sealed<'a>>> {
    let rest = usize::try_from(length - at).unwrap_or(usize::MAX);
    if rest < FRAME_HEADER {
        return Ok(None);
    }
    let mut head = [0; 4];
    read_exact(file, &mut head, at)?;
    let frame_length = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
    if frame_length > MAX_FRAME || frame_length.saturating_add(8) > rest {
        return Ok(None);
    }
    octets.clear();
    octets.resize(frame_length + 8, 0);
    read_exact(file, octets, at)?;
    Ok(frame::unseal(octets, generation).filter(|frame| frame.place == place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        disk::{SystemDisk, write_all},
        log::{COMPRESSED, seal},
        row::{Row, RowBatchBuilder},
    };

    /// A frame as version 1 has it: the rows under zstd, and their length before.
    fn compressed_frame(rows: RowBatchBuilder, generation: u32) -> Vec<u8> {
        let (batch, plain) = rows.finish_with_frame();
        let body = zstd::bulk::compress(&plain[FRAME_HEADER..], 1).expect("compressed");
        let mut frame = vec![0; FRAME_HEADER];
        frame.extend_from_slice(&body);
        seal(
            &mut frame,
            batch.len().try_into().expect("few"),
            generation,
            0,
        );
        let length = u32::try_from(plain.len() - FRAME_HEADER).expect("short");
        frame[16..20].copy_from_slice(&length.to_le_bytes());
        let mut crc = crc32fast::Hasher::new_with_initial(generation);
        crc.update(&frame[8..]);
        frame[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
        frame
    }

    #[test]
    fn a_file_of_version_1_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0000000007.log");
        let mut rows = RowBatchBuilder::default();
        for payload in [&b"INVITE"[..], b"BYE"] {
            let row = Row {
                payload,
                received_at: 1,
                ..Row::default()
            };
            rows.push(&row).expect("small enough");
        }
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&COMPRESSED.to_le_bytes());
        octets.extend_from_slice(&3_u16.to_le_bytes());
        octets.extend_from_slice(&7_u32.to_le_bytes());
        octets.extend_from_slice(&compressed_frame(rows, 7));
        let file = SystemDisk.create(&path).expect("a file");
        write_all(file.as_ref(), &octets, 0).expect("written");
        let replayed = replay(&SystemDisk, &path, 7).expect("readable");
        assert_eq!((replayed.rows, replayed.end), (2, End::Clean));
        let payloads: Vec<&[u8]> = (replayed.batches.iter())
            .flat_map(|batch| {
                batch
                    .rows()
                    .iter()
                    .map(|row| row.payload)
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(payloads, [&b"INVITE"[..], b"BYE"]);
    }
}
