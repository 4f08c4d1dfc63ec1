//! The protobuf form that heplify 1.x could send: fourteen required fields of a proto2 message, one message a datagram.

use std::net::IpAddr;

use crate::{
    chunk::{ChunkType, VendorId},
    encode_error::EncodeError,
    error::{DecodeError, DecodeErrorKind},
    writer::ChunkWriter,
};

/// Field number to generic chunk type. The addresses come as text and become one type or the other.
const CHUNK_TYPES: [ChunkType; 15] = [
    ChunkType(0),
    ChunkType::IP_FAMILY,
    ChunkType::IP_PROTOCOL,
    ChunkType::SRC_IPV4,
    ChunkType::DST_IPV4,
    ChunkType::SRC_PORT,
    ChunkType::DST_PORT,
    ChunkType::TIME_SEC,
    ChunkType::TIME_USEC,
    ChunkType::PROTOCOL_TYPE,
    ChunkType::CAPTURE_ID,
    ChunkType::AUTH_KEY,
    ChunkType::PAYLOAD,
    ChunkType::CORRELATION_ID,
    ChunkType::VLAN_ID,
];

/// The version 3 frame that says the same as a datagram in protobuf form.
///
/// [`Message::parse`](crate::Message::parse) knows nothing of this form: whoever wants to accept it asks
/// [`sniff`](crate::sniff) first. An empty key or correlation ID and VLAN 0 become absent, for the form has no other
/// way to say so; texts need not be UTF-8.
///
/// # Errors
/// [`DecodeErrorKind::UnknownFormat`] for what is no such message, [`DecodeErrorKind::ChunkOverrun`] where a field
/// passes the end, [`DecodeErrorKind::MissingChunk`] where a field is missing, [`DecodeErrorKind::BadWidth`] for a
/// number that its chunk cannot hold, [`DecodeErrorKind::TooLarge`] for more than a frame can hold.
pub fn from_protobuf(datagram: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let fields = Fields::read(datagram)?;
    let [source, destination] = [fields.address(3)?, fields.address(4)?];
    let fixed: [(usize, usize); 8] = [
        (1, 1),
        (2, 1),
        (5, 2),
        (6, 2),
        (7, 4),
        (8, 4),
        (9, 1),
        (10, 4),
    ];

    let mut frame = Vec::with_capacity(datagram.len() + 64);
    let mut writer = ChunkWriter::new(&mut frame);
    let mut put = |chunk_type, value: &[u8]| {
        let written = writer.chunk(VendorId::GENERIC, chunk_type, value);
        written.map_err(|error| too_large(error, datagram.len()))
    };
    for (field, width) in fixed {
        let chunk_type = chunk_type(field);
        let octets = fields.number(field, width)?;
        put(chunk_type, octets.get(8 - width..).unwrap_or_default())?;
        if chunk_type == ChunkType::IP_PROTOCOL {
            match source {
                IpAddr::V4(address) => put(ChunkType::SRC_IPV4, &address.octets())?,
                IpAddr::V6(address) => put(ChunkType::SRC_IPV6, &address.octets())?,
            }
            match destination {
                IpAddr::V4(address) => put(ChunkType::DST_IPV4, &address.octets())?,
                IpAddr::V6(address) => put(ChunkType::DST_IPV6, &address.octets())?,
            }
        }
    }
    for field in [11, 13] {
        let text = fields.text(field)?;
        if !text.is_empty() {
            put(chunk_type(field), text)?;
        }
    }
    let [.., v1, v2] = fields.number(14, 2)?;
    if [v1, v2] != [0, 0] {
        put(ChunkType::VLAN_ID, &[v1, v2])?;
    }
    put(ChunkType::PAYLOAD, fields.text(12)?)?;
    let finished = writer.finish();
    finished.map_err(|error| too_large(error, datagram.len()))?;
    Ok(frame)
}

fn too_large(_: EncodeError, octets: usize) -> DecodeError {
    DecodeError::new(DecodeErrorKind::TooLarge, 0).lengths(usize::from(u16::MAX), octets)
}

fn chunk_type(field: usize) -> ChunkType {
    CHUNK_TYPES.get(field).copied().unwrap_or(ChunkType(0))
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Text(&'a [u8]),
}

/// The known fields by number; of a repeated one the last.
struct Fields<'a>([Option<Value<'a>>; CHUNK_TYPES.len()]);

impl<'a> Fields<'a> {
    fn read(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Self([None; CHUNK_TYPES.len()]);
        let mut cursor = Cursor {
            rest: datagram,
            length: datagram.len(),
        };
        while !cursor.rest.is_empty() {
            let key = cursor.varint()?;
            // Wire types of protobuf: 0 varint, 1 eight octets, 2 length and octets, 5 four octets.
            let value = match key & 7 {
                0 => Value::Number(cursor.varint()?),
                1 => Value::Text(cursor.take(8)?),
                2 => {
                    let length = cursor.varint()?;
                    Value::Text(cursor.take(length)?)
                }
                5 => Value::Text(cursor.take(4)?),
                _ => return Err(cursor.error(DecodeErrorKind::UnknownFormat)),
            };
            let field = usize::try_from(key >> 3).unwrap_or(usize::MAX);
            if let Some(place) = fields.0.get_mut(field) {
                *place = Some(value);
            }
        }
        Ok(fields)
    }

    fn get(&self, field: usize) -> Result<Value<'a>, DecodeError> {
        let value = self.0.get(field).copied().flatten();
        value.ok_or_else(|| error(DecodeErrorKind::MissingChunk, field))
    }

    fn text(&self, field: usize) -> Result<&'a [u8], DecodeError> {
        match self.get(field)? {
            Value::Text(text) => Ok(text),
            Value::Number(_) => Err(error(DecodeErrorKind::UnknownFormat, field)),
        }
    }

    /// A number that fits so many octets, big-endian in the last of eight.
    fn number(&self, field: usize, width: usize) -> Result<[u8; 8], DecodeError> {
        let Value::Number(number) = self.get(field)? else {
            return Err(error(DecodeErrorKind::UnknownFormat, field));
        };
        let octets = number.to_be_bytes();
        let above = octets.get(..8 - width).unwrap_or_default();
        if above.iter().any(|octet| *octet != 0) {
            return Err(error(DecodeErrorKind::BadWidth, field).lengths(width, 8));
        }
        Ok(octets)
    }

    fn address(&self, field: usize) -> Result<IpAddr, DecodeError> {
        let text = str::from_utf8(self.text(field)?).ok();
        let address = text.and_then(|text| text.parse().ok());
        address.ok_or_else(|| error(DecodeErrorKind::UnknownFormat, field))
    }
}

fn error(kind: DecodeErrorKind, field: usize) -> DecodeError {
    DecodeError::new(kind, 0).of_chunk(chunk_type(field))
}

struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    /// Seven bits an octet, the least first, at most ten octets.
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some((octet, rest)) = self.rest.split_first() else {
                return Err(self.error(DecodeErrorKind::ChunkOverrun));
            };
            self.rest = rest;
            number |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.error(DecodeErrorKind::UnknownFormat))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((octets, rest)) = self.rest.split_at_checked(length) else {
            return Err(self
                .error(DecodeErrorKind::ChunkOverrun)
                .lengths(length, self.rest.len()));
        };
        self.rest = rest;
        Ok(octets)
    }

    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.length - self.rest.len())
    }
}
