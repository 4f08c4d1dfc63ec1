//! Codec for HEP, the Homer Encapsulation Protocol, in versions 1, 2 and 3: octets in, fields out, and back.
//!
//! It does no I/O, reads no clock, spawns nothing and holds no `unsafe` code. Decoding copies and allocates nothing,
//! and no input makes it panic. It does not know what a payload means: for SIP there is `hepcat-sip`.
//!
//! ```text
//! datagram ──────────────► sniff ──► Message::parse ──► fields, chunks, payload
//! stream ──► Deframer ─────────────────┘    │
//!                                           ├──► as_frame: the same octets again
//! fields ──► MessageBuilder ──► frame       ├──► Rewrite: some chunks edited, the rest untouched
//!                                           └──► convert: another version
//! ```
//!
//! Three types to know: [`Message`], a view over one frame; [`MessageBuilder`], which makes one; and [`Deframer`],
//! which cuts a TCP stream into frames.
//!
//! ```
//! use hepcat_wire::{Message, MessageBuilder, ProtocolType, Version};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let frame = MessageBuilder::new()
//!     .source("192.0.2.1:5060".parse()?)
//!     .destination("198.51.100.2:5070".parse()?)
//!     .time(1_700_735_504, 123_456)
//!     .capture_id(2001)
//!     .payload(b"OPTIONS sip:example.org SIP/2.0\r\n\r\n")
//!     .encode(Version::V3)?;
//!
//! let message = Message::parse(&frame)?;
//! assert_eq!(message.protocol_type(), Some(ProtocolType::SIP));
//! assert_eq!(message.src_port(), Some(5060));
//! assert_eq!(message.as_frame(), frame);
//! # Ok(())
//! # }
//! ```
//!
//! Layouts and numbers are those of HEP3 rev. 37 and, where it is silent or programs differ from it, of captured
//! frames; `docs/wire.md` has the table.

#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod auth;
mod capture_id;
mod chunk;
pub mod convert;
mod defects;
mod deframer;
mod encode;
mod encode_error;
mod error;
mod field_map;
mod fields;
#[doc(hidden)]
pub mod fuzz_bodies;
mod gzip;
mod limits;
mod message;
mod optional;
mod payload;
mod protobuf;
mod protocol_type;
mod rewrite;
mod time;
mod v12;
mod v3;
mod version;
mod writer;

pub use bytes;

pub use crate::{
    auth::{AuthKeys, keys_equal},
    capture_id::CaptureIdFix,
    chunk::{Chunk, ChunkType, Chunks, VendorId, trim_nul},
    defects::{Defect, Defects},
    deframer::{Deframer, DeframerConfig, OnGarbage},
    encode::MessageBuilder,
    encode_error::EncodeError,
    error::{DecodeError, DecodeErrorKind},
    field_map::AddressFamily,
    gzip::gunzip,
    limits::{MixedFamilies, SizeLimit},
    message::Message,
    payload::{InflateLimit, Payload},
    protobuf::from_protobuf,
    protocol_type::{IpProtocol, ProtocolType},
    rewrite::{Rewrite, Target},
    time::{ByteOrder, MessageTime, TimeBlock, TimeSource},
    v3::fixed_width,
    v12::HeaderV12,
    version::{Sniffed, Version, sniff},
    writer::ChunkWriter,
};
