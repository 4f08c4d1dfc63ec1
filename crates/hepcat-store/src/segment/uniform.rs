//! Columns that have one value in all rows of a row group, or none: most columns are like that. All that is done for such
//! a row is to see whether its value is still the same, and the column has one page.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayAccessor, ArrayRef, AsArray, Int32Array, Int64Array, StringArray},
    datatypes::{DataType, Int32Type, Int64Type},
};
use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, Type},
    bloom_filter::Sbbf,
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use crate::row::{Form, absent, put_varint};

/// The value that all rows of a column have, or that none of them has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uniform {
    Absent,
    Int(i32),
    Long(i64),
    Text(Box<str>),
}

impl Uniform {
    /// What the rows at `places` have in common, if they do: a place is one of the arrays and one of its rows.
    pub(super) fn of(form: Form, arrays: &[&dyn Array], places: &[(usize, usize)]) -> Option<Self> {
        if form.nullable() && is_absent(arrays) {
            return Some(Self::Absent);
        }
        if form == Form::Id {
            return None;
        }
        match arrays.first()?.data_type() {
            DataType::Int32 => common(
                arrays,
                places,
                |array| array.as_primitive_opt::<Int32Type>(),
                |ints| are_equal(ints.values()),
            )
            .map(Self::Int),
            DataType::Int64 => common(
                arrays,
                places,
                |array| array.as_primitive_opt::<Int64Type>(),
                |longs| are_equal(longs.values()),
            )
            .map(Self::Long),
            DataType::Utf8 => common(
                arrays,
                places,
                |array| array.as_string_opt::<i32>(),
                are_equal_texts,
            )
            .map(|text: &str| Self::Text(text.into())),
            DataType::Utf8View => common(
                arrays,
                places,
                |array| array.as_string_view_opt(),
                |texts| are_equal(texts.views()),
            )
            .map(|text: &str| Self::Text(text.into())),
            _ => None,
        }
    }

    /// A column of it.
    pub(super) fn repeated(&self, form: Form, rows: usize) -> ArrayRef {
        match self {
            Self::Absent => absent(form, rows),
            Self::Int(value) => Arc::new(Int32Array::from_value(*value, rows)),
            Self::Long(value) => Arc::new(Int64Array::from_value(*value, rows)),
            Self::Text(text) => {
                let texts = std::iter::repeat_n(&**text, rows);
                Arc::new(StringArray::from_iter_values(texts))
            }
        }
    }
}

/// Whether no row has a value.
pub(super) fn is_absent(arrays: &[&dyn Array]) -> bool {
    (arrays.iter()).all(|array| array.null_count() == array.len())
}

/// The value at the first place, if it is that at all others. `whole` says it of an array as one, which is quick.
fn common<'a, A>(
    arrays: &[&'a dyn Array],
    places: &[(usize, usize)],
    typed: impl Fn(&'a dyn Array) -> Option<&'a A>,
    whole: impl Fn(&'a A) -> bool,
) -> Option<<&'a A as ArrayAccessor>::Item>
where
    A: Array + 'static,
    &'a A: ArrayAccessor,
    <&'a A as ArrayAccessor>::Item: PartialEq + Copy,
{
    let ((array, row), others) = places.split_first()?;
    let first = typed(*arrays.get(*array)?)?;
    if first.is_null(*row) {
        return None;
    }
    let value = first.value(*row);
    // Most columns that are not uniform show it soon.
    if let Some((array, row)) = others.last() {
        let last = typed(*arrays.get(*array)?)?;
        if last.is_null(*row) || last.value(*row) != value {
            return None;
        }
    }
    let arrays = arrays.iter().map(|array| typed(*array));
    let arrays = arrays.collect::<Option<Vec<&A>>>()?;
    let is_whole = |array: &&'a A| {
        array.is_empty() || (array.null_count() == 0 && array.value(0) == value && whole(array))
    };
    if arrays.iter().all(is_whole) {
        return Some(value);
    }
    let is_same = |(array, row): &(usize, usize)| {
        (arrays.get(*array)).is_some_and(|array| array.is_valid(*row) && array.value(*row) == value)
    };
    others.iter().all(is_same).then_some(value)
}

fn are_equal<T: PartialEq>(values: &[T]) -> bool {
    (values.split_first()).is_none_or(|(first, others)| others.iter().all(|value| value == first))
}

/// Whether all texts of an array without nulls are the same: their octets are those of the text before.
fn are_equal_texts(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let (Some(begin), Some(end)) = (offsets.first(), offsets.last()) else {
        return true;
    };
    let length = texts.value(0).len();
    let in_steps = offsets.windows(2).all(|pair| {
        let [from, to] = pair else { return false };
        usize::try_from(to - from) == Ok(length)
    });
    let bounds = (usize::try_from(*begin), usize::try_from(*end));
    let (Ok(begin), Ok(end)) = bounds else {
        return false;
    };
    let octets = texts.value_data().get(begin..end).unwrap_or_default();
    in_steps && octets.get(length..) == octets.get(..octets.len().saturating_sub(length))
}

/// A column with its one value, and whether it has a Bloom filter.
pub(super) fn column(
    descriptor: &ColumnDescPtr,
    value: &Uniform,
    rows: usize,
    is_filtered: bool,
) -> Result<(Bytes, ColumnCloseResult)> {
    let too_large = |error: std::num::TryFromIntError| ParquetError::External(error.into());
    let mut chunk = TrackedWrite::new(Vec::new());
    let mut unpacked = 0;
    let mut put = |page: Page| {
        let octets = page.buffer().len();
        let written =
            SerializedPageWriter::new(&mut chunk).write_page(CompressedPage::new(page, octets))?;
        unpacked += written.uncompressed_size;
        Ok::<_, ParquetError>((written.offset, written.compressed_size))
    };
    let plain = match value {
        Uniform::Absent => None,
        Uniform::Int(value) => Some(value.to_le_bytes().to_vec()),
        Uniform::Long(value) => Some(value.to_le_bytes().to_vec()),
        Uniform::Text(text) => {
            let length = u32::try_from(text.len()).map_err(too_large)?;
            Some([&length.to_le_bytes(), text.as_bytes()].concat())
        }
    };
    let is_present = plain.is_some();
    if let Some(plain) = plain {
        put(Page::DictionaryPage {
            buf: plain.into(),
            num_values: 1,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
    }
    let (offset, octets) = put(Page::DataPage {
        buf: page(descriptor.max_def_level() > 0, is_present, rows).into(),
        num_values: u32::try_from(rows).map_err(too_large)?,
        encoding: if is_present {
            Encoding::RLE_DICTIONARY
        } else {
            Encoding::PLAIN
        },
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    })?;
    let offset = i64::try_from(offset).map_err(too_large)?;
    let mut pages = OffsetIndexBuilder::new();
    pages.append_row_count(rows as i64);
    pages.append_offset_and_size(offset, i32::try_from(octets).map_err(too_large)?);
    let octets = chunk.into_inner()?;
    let of_texts = match value {
        Uniform::Text(text) => Some((text.len() * rows) as i64),
        Uniform::Absent if descriptor.physical_type() == Type::BYTE_ARRAY => Some(0),
        _ => None,
    };
    let mut metadata = ColumnChunkMetaData::builder(Arc::clone(descriptor))
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![
            Encoding::PLAIN,
            Encoding::RLE,
            Encoding::RLE_DICTIONARY,
        ])
        .set_num_values(rows as i64)
        .set_total_compressed_size(octets.len() as i64)
        .set_total_uncompressed_size(unpacked as i64)
        .set_unencoded_byte_array_data_bytes(of_texts)
        .set_dictionary_page_offset(is_present.then_some(0))
        .set_data_page_offset(offset);
    if let Some(statistics) = statistics(descriptor.physical_type(), value, rows as u64) {
        metadata = metadata.set_statistics(statistics);
    }
    let close = ColumnCloseResult {
        bytes_written: octets.len() as u64,
        rows_written: rows as u64,
        metadata: metadata.build()?,
        bloom_filter: is_filtered.then(|| filter(value)),
        column_index: None,
        offset_index: Some(pages.build()),
    };
    Ok((octets.into(), close))
}

/// The data page: one run that says whether values are there, and one that says it is the first of the dictionary.
fn page(is_nullable: bool, is_present: bool, rows: usize) -> Vec<u8> {
    let run = |octet: u8| {
        let mut run = Vec::new();
        put_varint((rows as u64) << 1, &mut run);
        run.push(octet);
        run
    };
    let mut page = Vec::new();
    if is_nullable {
        let levels = run(u8::from(is_present));
        page.extend_from_slice(&[u8::try_from(levels.len()).unwrap_or_default(), 0, 0, 0]);
        page.extend(levels);
    }
    if is_present {
        const BITS: u8 = 1;
        page.push(BITS);
        page.extend(run(0));
    }
    page
}

/// Bounds of numbers, and of what is absent that it is.
fn statistics(of: Type, value: &Uniform, rows: u64) -> Option<Statistics> {
    match (value, of) {
        (Uniform::Int(value), _) => Some(Statistics::int32(
            Some(*value),
            Some(*value),
            None,
            Some(0),
            false,
        )),
        (Uniform::Long(value), _) => Some(Statistics::int64(
            Some(*value),
            Some(*value),
            None,
            Some(0),
            false,
        )),
        (Uniform::Text(_), _) => None,
        (Uniform::Absent, Type::INT32) => {
            Some(Statistics::int32(None, None, None, Some(rows), false))
        }
        (Uniform::Absent, Type::INT64) => {
            Some(Statistics::int64(None, None, None, Some(rows), false))
        }
        (Uniform::Absent, Type::BYTE_ARRAY) => {
            Some(Statistics::byte_array(None, None, None, Some(rows), false))
        }
        (Uniform::Absent, _) => None,
    }
}

fn filter(value: &Uniform) -> Sbbf {
    let mut filter = Sbbf::new_with_num_of_bytes(32);
    if let Uniform::Text(text) = value {
        filter.insert(text.as_bytes());
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: Form, arrays: &[ArrayRef]) -> Option<Uniform> {
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let all = arrays.iter().enumerate();
        let places: Vec<(usize, usize)> = all
            .flat_map(|(number, array)| (0..array.len()).map(move |row| (number, row)))
            .collect();
        Uniform::of(form, &arrays, &places)
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn a_value_that_all_rows_have_is_found_and_no_other() {
        let same = || texts(&[Some("ab"), Some("ab"), Some("ab")]);
        let found = of(Form::Word, &[same(), same()]);
        assert_eq!(found, Some(Uniform::Text("ab".into())));
        let of_some = same().slice(1, 1);
        assert_eq!(of(Form::Word, &[of_some, same()]), found);
        for other in [
            texts(&[Some("ab"), Some("abab"), Some("ab")]),
            texts(&[Some("ab"), Some("ba"), Some("ab")]),
            texts(&[Some("ab"), Some(""), Some("ab")]),
            texts(&[Some("ab"), None, Some("ab")]),
        ] {
            assert_eq!(of(Form::Word, &[same(), other]), None);
        }
        assert_eq!(
            of(Form::Word, &[texts(&[None, None]), texts(&[None])]),
            Some(Uniform::Absent)
        );
        assert_eq!(
            of(Form::Word, &[texts(&[Some(""), Some("")])]),
            Some(Uniform::Text("".into()))
        );
        let ints = |ints: &[i32]| -> ArrayRef { Arc::new(Int32Array::from(ints.to_vec())) };
        assert_eq!(
            of(Form::Int, &[ints(&[7, 7]), ints(&[7])]),
            Some(Uniform::Int(7))
        );
        assert_eq!(of(Form::Int, &[ints(&[7, 8, 7])]), None);
    }

    #[test]
    fn only_the_rows_that_are_written_count() {
        let array = texts(&[Some("ab"), Some("cd"), Some("ab")]);
        let arrays: [&dyn Array; 1] = [array.as_ref()];
        assert_eq!(
            Uniform::of(Form::Word, &arrays, &[(0, 0), (0, 2)]),
            Some(Uniform::Text("ab".into()))
        );
    }
}
