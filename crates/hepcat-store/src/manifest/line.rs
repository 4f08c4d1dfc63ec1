//! Lines of the manifest: a checksum and a JSON object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::entry::SegmentEntry;

/// Why a step was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    #[default]
    Flush,
    Compact,
    Retention,
    Damaged,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) add: Vec<SegmentEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remove: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<u32>,
    /// By the name of a class: retention removed rows of it that were received up to then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) expired: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) why: Why,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FirstLine {
    pub(super) manifest: u64,
    pub(super) node: u16,
    pub(super) next_segment: u64,
    pub(super) next_generation: u32,
    pub(super) done: u32,
    #[serde(rename = "content")]
    pub(super) line: Line,
}

pub(super) fn write<T: Serialize>(content: &T) -> Vec<u8> {
    let json = serde_json::to_vec(content).unwrap_or_default();
    let mut octets = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    octets.extend_from_slice(&json);
    octets.push(b'\n');
    octets
}

/// The content of a line that is complete and holds.
pub(super) fn read<T: DeserializeOwned>(octets: &[u8]) -> Option<T> {
    let line = octets.strip_suffix(b"\n")?;
    let (crc, json) = line.split_at_checked(9)?;
    let crc = str::from_utf8(crc.strip_suffix(b" ")?).ok()?;
    let crc = u32::from_str_radix(crc, 16).ok()?;
    if crc32fast::hash(json) != crc {
        return None;
    }
    serde_json::from_slice(json).ok()
}
