//! What the manifest says of one segment.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::row::Class;

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentEntry {
    pub(crate) number: u64,
    #[serde(serialize_with = "class_name", deserialize_with = "class_of_name")]
    pub(crate) class: Class,
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) level: u8,
    pub(crate) rows: u64,
    pub(crate) octets: u64,
    /// Smallest and largest `received_at`.
    pub(crate) received: (i64, i64),
    /// Smallest and largest time of a row.
    pub(crate) time: (i64, i64),
    /// Smallest and largest `row_id`.
    pub(crate) ids: (i64, i64),
    pub(crate) tail: Tail,
}

/// The part of a segment that its block checksums do not cover: its last octets, the footer among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) crc: u32,
}

fn class_name<S: Serializer>(class: &Class, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.name())
}

fn class_of_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Class, D::Error> {
    let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    Class::from_name(&name).ok_or_else(|| D::Error::custom("no class has this name"))
}
