//! Writing `payload` and `envelope`, which are nine tenths of all octets.
//!
//! The writer of the Parquet crate copies what goes into a page five times, each time into fresh memory. Here values go
//! from where rows are to the page, and from the page through the compressor; both are used again for the next page.

use std::{fmt, io};

use arrow::array::{Array, AsArray, BinaryArray, BinaryViewArray};
use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};
use zstd::bulk::Compressor;

use super::PAGE_ROWS;

/// Compresses pages, one after the other.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    packed: Vec<u8>,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// At a level of zstd, which may be one of the fast ones below zero.
    pub(super) fn new(level: i32) -> io::Result<Self> {
        Ok(Self {
            compressor: Compressor::new(level)?,
            packed: Vec::new(),
        })
    }

    fn pack(&mut self, octets: &[u8]) -> io::Result<Bytes> {
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(octets.len()));
        self.compressor
            .compress_to_buffer(octets, &mut self.packed)?;
        Ok(Bytes::copy_from_slice(&self.packed))
    }
}

/// A column of octets that every row has, in one row group.
pub(super) struct OctetsColumn {
    descriptor: ColumnDescPtr,
    /// Octets at which a page ends.
    limit: usize,
    page: Vec<u8>,
    page_rows: usize,
    rows: usize,
    /// Octets of the values, and of the pages with their headers before compression.
    values: usize,
    unpacked: usize,
    chunk: TrackedWrite<Vec<u8>>,
    pages: OffsetIndexBuilder,
}

impl fmt::Debug for OctetsColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OctetsColumn")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Plain(&'a BinaryArray),
    Views(&'a BinaryViewArray),
}

impl<'a> Source<'a> {
    fn of(array: &'a dyn Array) -> Result<Self> {
        let plain = array.as_binary_opt::<i32>().map(Self::Plain);
        plain
            .or_else(|| array.as_binary_view_opt().map(Self::Views))
            .ok_or_else(|| ParquetError::General("a column of octets has none".to_owned()))
    }

    fn value(self, row: usize) -> &'a [u8] {
        match self {
            Self::Plain(values) => values.value(row),
            Self::Views(values) => values.value(row),
        }
    }
}

impl OctetsColumn {
    pub(super) fn new(descriptor: ColumnDescPtr, limit: usize) -> Self {
        Self {
            descriptor,
            limit,
            page: Vec::with_capacity(limit),
            page_rows: 0,
            rows: 0,
            values: 0,
            unpacked: 0,
            chunk: TrackedWrite::new(Vec::new()),
            pages: OffsetIndexBuilder::new(),
        }
    }

    /// Adds the values at `places`: which of the arrays, and which of its rows.
    pub(super) fn write(
        &mut self,
        packer: &mut Packer,
        arrays: &[&dyn Array],
        places: &[(usize, usize)],
    ) -> Result<()> {
        let sources = arrays
            .iter()
            .map(|array| Source::of(*array))
            .collect::<Result<Vec<_>>>()?;
        for (array, row) in places {
            let Some(source) = sources.get(*array) else {
                return Err(ParquetError::IndexOutOfBound(*array, sources.len()));
            };
            let value = source.value(*row);
            if self.page_rows > 0 && self.page.len() + 4 + value.len() > self.limit {
                self.end_page(packer)?;
            }
            let length =
                u32::try_from(value.len()).map_err(|error| ParquetError::External(error.into()))?;
            self.page.extend_from_slice(&length.to_le_bytes());
            self.page.extend_from_slice(value);
            self.values += value.len();
            self.page_rows += 1;
            if self.page_rows >= PAGE_ROWS {
                self.end_page(packer)?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self, packer: &mut Packer) -> Result<()> {
        let too_large = |error: std::num::TryFromIntError| ParquetError::External(error.into());
        let page = Page::DataPage {
            buf: packer.pack(&self.page)?,
            num_values: u32::try_from(self.page_rows).map_err(too_large)?,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, self.page.len());
        let written = SerializedPageWriter::new(&mut self.chunk).write_page(page)?;
        self.unpacked += written.uncompressed_size;
        self.pages.append_row_count(self.page_rows as i64);
        self.pages.append_offset_and_size(
            i64::try_from(written.offset).map_err(too_large)?,
            i32::try_from(written.compressed_size).map_err(too_large)?,
        );
        self.rows += self.page_rows;
        self.page_rows = 0;
        self.page.clear();
        Ok(())
    }

    /// The octets of the column, and what the footer says of them.
    pub(super) fn finish(mut self, packer: &mut Packer) -> Result<(Bytes, ColumnCloseResult)> {
        if self.page_rows > 0 {
            self.end_page(packer)?;
        }
        let octets = self.chunk.into_inner()?;
        let metadata = ColumnChunkMetaData::builder(self.descriptor)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(octets.len() as i64)
            .set_total_uncompressed_size(self.unpacked as i64)
            .set_unencoded_byte_array_data_bytes(Some(self.values as i64))
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: octets.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.pages.build()),
        };
        Ok((octets.into(), close))
    }
}
