//! Opening a segment: its footer, its checksums, and readers over parts of it.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{BooleanArray, RecordBatch, new_null_array},
    buffer::BooleanBuffer,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder, RowSelection,
        },
    },
    bloom_filter::Sbbf,
    errors::ParquetError,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData},
        statistics::Statistics,
    },
};

use super::{
    BLOCKS_KEY, ENTRY_KEY, REPLACES_KEY, SCHEMA_KEY, SegmentError,
    blocks::{BLOCK, CheckedFile, from_hex},
    same,
    whole::{self, Whole},
};
use crate::{
    disk::{Disk, DiskFile, read_exact},
    manifest::{Footer, SegmentEntry, Tail},
    row::{Column, Form, SCHEMA_VERSION, schema},
};

/// Rows that are decoded at a time, at most.
const BATCH_ROWS: usize = 4_096;
/// Octets that are decoded at a time, about: large rows are decoded few at a time.
const BATCH_OCTETS: u64 = 2 << 20;
/// No tail is longer.
const MAX_TAIL: u64 = 256 << 20;

/// A segment whose footer was read.
#[derive(Debug)]
pub(crate) struct Opened {
    file: CheckedFile,
    plain: ArrowReaderMetadata,
    /// The same with repeating texts as dictionaries.
    words: ArrowReaderMetadata,
    /// Whether `correlation_id` is held as `same` says.
    is_shortened: bool,
    /// Octets that this holds, about.
    pub(crate) memory: u64,
}

/// Reads rows of a row group.
#[derive(Debug)]
pub(crate) struct GroupReader {
    rows: ParquetRecordBatchReader,
    is_shortened: bool,
}

/// The last octets of a file, from the end of its `covered` ones on.
pub(super) fn tail(file: &dyn DiskFile, length: u64, covered: u64) -> io::Result<Tail> {
    let rest = length.checked_sub(covered).filter(|rest| *rest <= MAX_TAIL);
    let rest = rest.and_then(|rest| usize::try_from(rest).ok());
    let mut octets = vec![0; rest.ok_or(io::ErrorKind::InvalidData)?];
    read_exact(file, &mut octets, covered)?;
    Ok(Tail {
        at: covered,
        crc: crc32fast::hash(&octets),
    })
}

/// Opens the file at `path`; what `entry` says of it is checked.
pub(super) fn open(
    disk: &dyn Disk,
    path: &Path,
    entry: Option<&SegmentEntry>,
) -> Result<Opened, SegmentError> {
    let file = disk.open(path).map_err(SegmentError::Io)?;
    let length = file.length().map_err(SegmentError::Io)?;
    if let Some(entry) = entry {
        if entry.octets != length {
            return Err(SegmentError::Damaged(format!(
                "the file has {length} octets, not {}",
                entry.octets
            )));
        }
        let tail = tail(file.as_ref(), length, entry.tail.at).map_err(SegmentError::Io)?;
        if tail != entry.tail {
            return Err(SegmentError::Damaged(
                "the footer does not have its checksum".into(),
            ));
        }
    }
    let unchecked = CheckedFile {
        file,
        length,
        sums: Arc::from([]),
    };
    guarded(|| {
        let options = reader_options();
        let metadata = ArrowReaderMetadata::load(&unchecked, options)?;
        let parquet = Arc::clone(metadata.metadata());
        let sums = fact(&parquet, BLOCKS_KEY)
            .and_then(from_hex)
            .filter(|sums| sums.len() as u64 * BLOCK as u64 <= length)
            .ok_or_else(|| ParquetError::General("no block sums".into()))?;
        let version = fact(&parquet, SCHEMA_KEY)
            .and_then(|version| version.parse::<u32>().ok())
            .filter(|version| *version <= SCHEMA_VERSION)
            .ok_or_else(|| ParquetError::General("the schema is of no known version".into()))?;
        let supplied = |words: bool| {
            let schema = supplied_schema(&parquet, |column| field(column, words));
            ArrowReaderMetadata::try_new(Arc::clone(&parquet), reader_options().with_schema(schema))
        };
        let memory = parquet.memory_size() as u64 + sums.len() as u64 * 4 + (32 << 10);
        Ok(Opened {
            plain: supplied(false)?,
            words: supplied(true)?,
            file: CheckedFile {
                sums: sums.into(),
                ..unchecked
            },
            is_shortened: version >= same::SINCE,
            memory,
        })
    })
}

/// What the footer of the file at `path` says, for a manifest that is made anew.
pub(crate) fn footer_of(disk: &dyn Disk, path: &Path) -> Result<Footer, SegmentError> {
    let opened = open(disk, path, None)?;
    let metadata = opened.plain.metadata();
    let parse = || {
        let entry: SegmentEntry = serde_json::from_str(fact(metadata, ENTRY_KEY)?).ok()?;
        let replaces: Vec<u64> = serde_json::from_str(fact(metadata, REPLACES_KEY)?).ok()?;
        Some((entry, replaces))
    };
    let (entry, replaces) =
        parse().ok_or_else(|| SegmentError::Damaged("the footer has no entry".into()))?;
    let octets = opened.file.length;
    let covered = opened.file.sums.len() as u64 * BLOCK as u64;
    let tail = tail(opened.file.file.as_ref(), octets, covered).map_err(SegmentError::Io)?;
    Ok(Footer {
        entry: SegmentEntry {
            octets,
            tail,
            ..entry
        },
        replaces,
    })
}

impl Opened {
    pub(crate) fn row_groups(&self) -> &[RowGroupMetaData] {
        self.plain.metadata().row_groups()
    }

    /// Smallest and largest value of a column in a row group, where the footer says.
    pub(crate) fn bounds(&self, group: usize, column: Column) -> Option<(i64, i64)> {
        let group = self.row_groups().get(group)?;
        let index = self.column_index(column)?;
        match group.columns().get(index)?.statistics()? {
            Statistics::Int32(values) => {
                Some(((*values.min_opt()?).into(), (*values.max_opt()?).into()))
            }
            Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
            _ => None,
        }
    }

    /// Whether a row group can have one of these texts in a column, by its Bloom filters.
    pub(crate) fn may_hold(
        &self,
        group: usize,
        column: Column,
        texts: &[Box<[u8]>],
    ) -> Result<bool, SegmentError> {
        if column == Column::CorrelationId && self.is_shortened {
            let held: Vec<Box<[u8]>> = texts.iter().map(|text| same::held(text)).collect();
            return Ok(self.filter_admits(group, column, &held)?
                || self.filter_admits(group, Column::CallId, texts)?);
        }
        self.filter_admits(group, column, texts)
    }

    fn filter_admits(
        &self,
        group: usize,
        column: Column,
        texts: &[Box<[u8]>],
    ) -> Result<bool, SegmentError> {
        let filter = self.filter(group, column)?;
        Ok(filter.is_none_or(|filter| texts.iter().any(|text| filter.check(&**text))))
    }

    /// The Bloom filter of a column in a row group, where there is one.
    pub(crate) fn filter(
        &self,
        group: usize,
        column: Column,
    ) -> Result<Option<Sbbf>, SegmentError> {
        let Some(index) = self.column_index(column) else {
            return Ok(None);
        };
        guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(
                self.file.clone(),
                self.plain.clone(),
            )
            .get_row_group_column_bloom_filter(group, index)
        })
    }

    /// A reader over some columns of a row group, and of these the rows that `selected` names.
    pub(crate) fn read(
        &self,
        group: usize,
        columns: &[Column],
        selected: Option<&BooleanBuffer>,
        words: bool,
    ) -> Result<GroupReader, SegmentError> {
        let metadata = if words { &self.words } else { &self.plain };
        let is_shortened = self.is_shortened && columns.contains(&Column::CorrelationId);
        let beside = (is_shortened && !columns.contains(&Column::CallId)).then_some(Column::CallId);
        let indices: Vec<usize> = columns
            .iter()
            .chain(&beside)
            .filter_map(|column| self.column_index(*column))
            .collect();
        let batch_rows = self.batch_rows(group, &indices);
        guarded(|| {
            let mask = ProjectionMask::leaves(metadata.parquet_schema(), indices);
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                self.file.clone(),
                metadata.clone(),
            )
            .with_row_groups(vec![group])
            .with_batch_size(batch_rows)
            .with_projection(mask);
            let builder = match selected {
                Some(selected) => {
                    let filter = BooleanArray::new(selected.clone(), None);
                    builder.with_row_selection(RowSelection::from_filters(&[filter]))
                }
                None => builder,
            };
            Ok(GroupReader {
                rows: builder.build()?,
                is_shortened,
            })
        })
    }

    /// A reader over all rows, for a merge; so many are decoded at a time.
    pub(crate) fn whole(&self, step: usize) -> Result<Whole, SegmentError> {
        let parquet = Arc::clone(self.plain.metadata());
        let schema = supplied_schema(&parquet, whole::field);
        let metadata = guarded(|| {
            ArrowReaderMetadata::try_new(parquet, reader_options().with_schema(schema))
        })?;
        Ok(Whole::new(
            self.file.clone(),
            metadata,
            self.is_shortened,
            step,
        ))
    }

    fn batch_rows(&self, group: usize, columns: &[usize]) -> usize {
        let Some(group) = self.row_groups().get(group) else {
            return BATCH_ROWS;
        };
        let octets: i64 = columns
            .iter()
            .filter_map(|column| group.columns().get(*column))
            .map(|column| column.uncompressed_size())
            .sum();
        rows_in(BATCH_OCTETS, octets, group.num_rows()).clamp(1, BATCH_ROWS)
    }

    /// Octets of a row of this group in memory, in the mean and about.
    pub(crate) fn row_octets(&self, group: usize) -> u64 {
        let mean = |group: &RowGroupMetaData| group.total_byte_size() / group.num_rows().max(1);
        let mean = self.row_groups().get(group).map_or(0, mean);
        u64::try_from(mean).unwrap_or_default()
    }

    fn column_index(&self, column: Column) -> Option<usize> {
        self.plain.schema().index_of(column.name()).ok()
    }
}

/// How many rows have `room` octets, where `rows` have `octets`.
fn rows_in(room: u64, octets: i64, rows: i64) -> usize {
    let (octets, rows) = (octets.max(1).cast_unsigned(), rows.max(1).cast_unsigned());
    let rows = u128::from(room) * u128::from(rows) / u128::from(octets);
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// The next rows of a reader: all `columns`, those that the segment lacks without values.
pub(crate) fn read_rows(
    reader: &mut GroupReader,
    columns: &[Column],
    words: bool,
) -> Result<Option<RecordBatch>, SegmentError> {
    guarded(|| {
        let Some(mut batch) = reader.rows.next().transpose()? else {
            return Ok(None);
        };
        if reader.is_shortened {
            batch = same::restored(&batch)?;
        }
        if batch.num_columns() == columns.len() {
            let wanted: Vec<usize> = columns
                .iter()
                .filter_map(|column| batch.schema_ref().index_of(column.name()).ok())
                .collect();
            if wanted.len() == columns.len() {
                return Ok(Some(batch.project(&wanted)?));
            }
        }
        let fields: Vec<Field> = columns.iter().map(|column| field(*column, words)).collect();
        let arrays = columns
            .iter()
            .zip(&fields)
            .map(
                |(column, field)| match batch.column_by_name(column.name()) {
                    Some(array) => Arc::clone(array),
                    None => new_null_array(field.data_type(), batch.num_rows()),
                },
            )
            .collect();
        Ok(Some(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            arrays,
        )?))
    })
}

fn field(column: Column, words: bool) -> Field {
    let data_type = match column.form() {
        Form::Word | Form::Class if words => WORD.clone(),
        form => form.data_type(),
    };
    Field::new(column.name(), data_type, column.form().nullable())
}

static WORD: LazyLock<DataType> =
    LazyLock::new(|| DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));

/// The schema in which a file is read: ours for its columns.
fn supplied_schema(metadata: &ParquetMetaData, field: impl Fn(Column) -> Field) -> SchemaRef {
    let ours = schema();
    let fields: Vec<Field> = metadata
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .filter_map(|leaf| {
            let column = Column::from_name(leaf.name())?;
            ours.field_with_name(leaf.name()).ok()?;
            Some(field(column))
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn reader_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional)
}

fn fact<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    metadata
        .file_metadata()
        .key_value_metadata()?
        .iter()
        .find(|fact| fact.key == key)?
        .value
        .as_deref()
}

/// Runs what reads a file: neither an error nor a panic of the Parquet crate over damaged octets goes further than
/// this segment.
pub(crate) fn guarded<T>(
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, SegmentError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(into_segment_error(error)),
        Err(panic) => Err(SegmentError::Damaged(describe(panic.as_ref()))),
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("reading it panics: {}", text.unwrap_or("without a word"))
}

fn into_segment_error(error: ParquetError) -> SegmentError {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            // The end of the file where octets should be is damage; everything else is the system's.
            Ok(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                SegmentError::Damaged(error.to_string())
            }
            Ok(error) if error.get_ref().is_none() => SegmentError::Io(*error),
            Ok(error) => SegmentError::Damaged(error.to_string()),
            Err(source) => SegmentError::Damaged(source.to_string()),
        },
        other => SegmentError::Damaged(other.to_string()),
    }
}
