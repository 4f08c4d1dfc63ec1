//! The kinds of columns: which Rust value, which arrow array, which octets in the log.

use std::fmt::Debug;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, Int32Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{
        BinaryType, DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, Utf8Type,
    },
};

use super::{
    class::Class,
    collect::{Numbers, Pieces},
};

/// How a column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Id,
    Class,
    Instant,
    Time,
    Int,
    Long,
    /// Text that repeats: read as a dictionary where it is filtered.
    Word,
    /// Text that hardly repeats beyond a call.
    Text,
    Octets,
}

impl Form {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Id | Self::Long => DataType::Int64,
            Self::Class | Self::Word | Self::Text => DataType::Utf8,
            Self::Instant | Self::Time => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Self::Int => DataType::Int32,
            Self::Octets => DataType::Binary,
        }
    }

    pub(crate) fn nullable(self) -> bool {
        !matches!(self, Self::Id | Self::Class | Self::Instant | Self::Octets)
    }
}

/// Octets of a row that do not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row breaks off or holds what no row has")]
pub(crate) struct Malformed;

/// Takes octets from the front; can only fail, never panic.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// A number of seven bits an octet, the lowest first.
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&octet, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_too_long| Malformed)?;
        self.take(length)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_signed(value: i64, out: &mut Vec<u8>) {
    put_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

fn put_octets(octets: &[u8], out: &mut Vec<u8>) {
    put_varint(octets.len() as u64, out);
    out.extend_from_slice(octets);
}

/// One kind of column.
pub(crate) trait Kind {
    type Value<'a>: Copy + Default;
    type Array: Array + 'static;
    /// Collects values, and is ready for more when it has finished a column.
    type Builder: Debug + Default;
    const FORM: Form;

    fn append(builder: &mut Self::Builder, value: Self::Value<'_>);
    fn finish(builder: &mut Self::Builder) -> ArrayRef;
    /// `index` is below the array's length.
    fn value(array: &Self::Array, index: usize) -> Self::Value<'_>;
    fn is_present(value: Self::Value<'_>) -> bool;
    fn encode(value: Self::Value<'_>, out: &mut Vec<u8>);
    fn decode<'a>(from: &mut Reader<'a>) -> Result<Self::Value<'a>, Malformed>;
    fn octets(value: Self::Value<'_>) -> usize;
}

macro_rules! number {
    ($(#[$doc:meta])* $kind:ident, $array:ident, $type:ident, $native:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value<'a> = Option<$native>;
            type Array = $array;
            type Builder = Numbers<$type>;
            const FORM: Form = Form::$kind;

            #[inline]
            fn append(builder: &mut Numbers<$type>, value: Option<$native>) {
                builder.push(value);
            }
            fn finish(builder: &mut Numbers<$type>) -> ArrayRef {
                builder.finish(Self::FORM)
            }
            fn value(array: &$array, index: usize) -> Option<$native> {
                array.is_valid(index).then(|| array.value(index))
            }
            #[inline]
            fn is_present(value: Option<$native>) -> bool {
                value.is_some()
            }
            fn encode(value: Option<$native>, out: &mut Vec<u8>) {
                put_signed(value.unwrap_or_default().into(), out);
            }
            fn decode<'a>(from: &mut Reader<'a>) -> Result<Option<$native>, Malformed> {
                let value = from.signed()?.try_into().map_err(|_too_large| Malformed)?;
                Ok(Some(value))
            }
            #[inline]
            fn octets(_value: Option<$native>) -> usize {
                size_of::<$native>()
            }
        }
    };
}

number!(
    /// A number of 32 bits, or nothing.
    Int, Int32Array, Int32Type, i32
);
number!(
    /// A number of 64 bits, or nothing.
    Long, Int64Array, Int64Type, i64
);
number!(
    /// Microseconds since 1970, or nothing.
    Time, TimestampMicrosecondArray, TimestampMicrosecondType, i64
);

macro_rules! required {
    ($(#[$doc:meta])* $kind:ident, $array:ident, $type:ident, $present:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value<'a> = i64;
            type Array = $array;
            type Builder = Numbers<$type>;
            const FORM: Form = Form::$kind;

            #[inline]
            fn append(builder: &mut Numbers<$type>, value: i64) {
                builder.push(Some(value));
            }
            fn finish(builder: &mut Numbers<$type>) -> ArrayRef {
                builder.finish(Self::FORM)
            }
            fn value(array: &$array, index: usize) -> i64 {
                array.value(index)
            }
            #[inline]
            fn is_present(value: i64) -> bool {
                $present && value != 0
            }
            fn encode(value: i64, out: &mut Vec<u8>) {
                put_signed(value, out);
            }
            fn decode<'a>(from: &mut Reader<'a>) -> Result<i64, Malformed> {
                from.signed()
            }
            #[inline]
            fn octets(_value: i64) -> usize {
                size_of::<i64>()
            }
        }
    };
}

required!(
    /// The identity of a row. Not in the log: it follows from the place there.
    Id, Int64Array, Int64Type, false
);
required!(
    /// Microseconds since 1970.
    Instant, TimestampMicrosecondArray, TimestampMicrosecondType, true
);

macro_rules! text {
    ($(#[$doc:meta])* $kind:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value<'a> = Option<&'a str>;
            type Array = StringArray;
            type Builder = Pieces;
            const FORM: Form = Form::$kind;

            #[inline]
            fn append(builder: &mut Pieces, value: Option<&str>) {
                builder.push(value.map(str::as_bytes));
            }
            fn finish(builder: &mut Pieces) -> ArrayRef {
                builder.finish::<Utf8Type>(Self::FORM)
            }
            fn value(array: &StringArray, index: usize) -> Option<&str> {
                array.is_valid(index).then(|| array.value(index))
            }
            #[inline]
            fn is_present(value: Option<&str>) -> bool {
                value.is_some()
            }
            fn encode(value: Option<&str>, out: &mut Vec<u8>) {
                put_octets(value.unwrap_or_default().as_bytes(), out);
            }
            fn decode<'a>(from: &mut Reader<'a>) -> Result<Option<&'a str>, Malformed> {
                let text = str::from_utf8(from.octets()?).map_err(|_not_utf8| Malformed)?;
                Ok(Some(text))
            }
            #[inline]
            fn octets(value: Option<&str>) -> usize {
                4 + value.map_or(0, str::len)
            }
        }
    };
}

text!(
    /// Text that repeats.
    Word
);
text!(
    /// Text that hardly repeats beyond a call.
    Text
);

/// The class, a word that every row has.
#[derive(Debug)]
pub(crate) struct ClassWord;

impl Kind for ClassWord {
    type Value<'a> = Class;
    type Array = StringArray;
    type Builder = Pieces;
    const FORM: Form = Form::Class;

    #[inline]
    fn append(builder: &mut Pieces, value: Class) {
        builder.push(Some(value.name().as_bytes()));
    }
    fn finish(builder: &mut Pieces) -> ArrayRef {
        builder.finish::<Utf8Type>(Self::FORM)
    }
    fn value(array: &StringArray, index: usize) -> Class {
        Class::from_name(array.value(index)).unwrap_or_default()
    }
    #[inline]
    fn is_present(_value: Class) -> bool {
        true
    }
    fn encode(value: Class, out: &mut Vec<u8>) {
        out.push(value.code());
    }
    fn decode<'a>(from: &mut Reader<'a>) -> Result<Class, Malformed> {
        let &[code] = from.take(1)? else {
            return Err(Malformed);
        };
        Class::from_code(code).ok_or(Malformed)
    }
    #[inline]
    fn octets(value: Class) -> usize {
        4 + value.name().len()
    }
}

/// Octets that every row has, though there may be none of them.
#[derive(Debug)]
pub(crate) struct Octets;

impl Kind for Octets {
    type Value<'a> = &'a [u8];
    type Array = BinaryArray;
    type Builder = Pieces;
    const FORM: Form = Form::Octets;

    #[inline]
    fn append(builder: &mut Pieces, value: &[u8]) {
        builder.push(Some(value));
    }
    fn finish(builder: &mut Pieces) -> ArrayRef {
        builder.finish::<BinaryType>(Self::FORM)
    }
    fn value(array: &BinaryArray, index: usize) -> &[u8] {
        array.value(index)
    }
    #[inline]
    fn is_present(value: &[u8]) -> bool {
        !value.is_empty()
    }
    fn encode(value: &[u8], out: &mut Vec<u8>) {
        put_octets(value, out);
    }
    fn decode<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        from.octets()
    }
    #[inline]
    fn octets(value: &[u8]) -> usize {
        4 + value.len()
    }
}
