//! Writing a segment: rows in their order go in, a synced file under its final name comes out.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::interleave,
    datatypes::Field,
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
        },
    },
    basic::{Compression, Encoding, ZstdLevel},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnDescPtr, ColumnPath},
};

use super::{
    BLOCKS_KEY, ENTRY_KEY, PAGE_OCTETS, PAGE_ROWS, REPLACES_KEY, ROW_GROUP, SCHEMA_KEY,
    blocks::{BLOCK, BlockSums, to_hex},
    octets::{OctetsColumn, Packer},
    uniform::{self, Uniform},
};
use crate::{
    disk::{Disk, DiskFile, write_all},
    manifest::{SegmentEntry, Tail},
    paths::Paths,
    row::{Column, Form, SCHEMA_VERSION, Stamps, schema},
};

/// Octets that are gathered for one write.
const GATHER: usize = 256 << 10;

/// Octets that a segment which is being written holds in memory, about: the pages of a row group, what compresses them,
/// dictionaries and filters (measured).
pub(crate) fn written_octets(rows: u64) -> u64 {
    (6 << 20) + rows.min(ROW_GROUP as u64) * 180
}

/// Level of zstd in merged segments.
const LEVEL: i32 = 1;
/// And of `payload` and `envelope` in fresh ones, which will be read once or twice before they are merged.
const FRESH_LEVEL: i32 = -5;
/// Octets of a page of these in a fresh segment, before compression: what stays in the caches near the processor.
const FRESH_PAGE_OCTETS: usize = 64 << 10;
/// Rows of a page in a fresh segment, at most: many of them are read side by side when they are merged.
const FRESH_PAGE_ROWS: usize = 1_024;

/// Columns that have a Bloom filter in merged segments.
pub(crate) const FILTERED: &[Column] = &[
    Column::CallId,
    Column::CorrelationId,
    Column::AttachedTo,
    Column::FromUser,
    Column::ToUser,
    Column::RuriUser,
    Column::SrcIp,
    Column::DstIp,
];

/// Those that have one in fresh segments too. There are few rows behind each, and merging them comes soon: looking
/// through a dictionary costs less then than a filter that every value must go through.
const FILTERED_FRESH: &[Column] = &[Column::CallId, Column::CorrelationId, Column::AttachedTo];

/// Columns that most rows leave empty. What they hold, dictionaries keep small; a compressor for each of them, in each
/// segment, was two fifths of what writing a segment cost.
const SELDOM: &[Column] = &[
    Column::Record,
    Column::ClaimedAt,
    Column::VlanId,
    Column::SrcMac,
    Column::DstMac,
    Column::EthernetType,
    Column::TcpFlags,
    Column::IpTos,
    Column::Mos,
    Column::RFactor,
    Column::Jitter,
    Column::GeoLocation,
    Column::TransactionType,
    Column::EventType,
    Column::TagType,
    Column::TagValues,
    Column::PayloadJsonKeys,
    Column::GroupId,
    Column::KeepAlive,
    Column::AttachedBy,
    Column::SetupUs,
    Column::DurationUs,
    Column::LabelTable,
    Column::ErrorReason,
    Column::ErrorOffset,
];

/// Columns in which most calls have texts of their own: in a fresh segment a dictionary of them costs more than it saves.
const MANY: &[Column] = &[Column::FromUser, Column::ToUser, Column::RuriUser];

/// Of a row one is the caller's and the other the proxy's.
const PORTS: &[Column] = &[Column::SrcPort, Column::DstPort];

/// Columns that nearly all rows of a segment have in common, or few values of: a dictionary of some octets, and runs.
const UNIFORM: &[Column] = &[
    Column::Class,
    Column::Listener,
    Column::Agent,
    Column::LocalIp,
    Column::LocalPort,
    Column::HepTransport,
    Column::HepVersion,
    Column::IpFamily,
    Column::IpProtocol,
    Column::ProtocolType,
    Column::CaptureId,
    Column::NodeName,
];

static FRESH: LazyLock<WriterProperties> = LazyLock::new(|| properties(FILTERED_FRESH, true));
static MERGED: LazyLock<WriterProperties> = LazyLock::new(|| properties(FILTERED, false));

fn properties(filtered: &[Column], is_fresh: bool) -> WriterProperties {
    let zstd = ZstdLevel::try_new(LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_data_page_row_count_limit(if is_fresh { FRESH_PAGE_ROWS } else { PAGE_ROWS })
        .set_data_page_size_limit(PAGE_OCTETS)
        .set_write_batch_size(1_024)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("hepcat ", env!("CARGO_PKG_VERSION")).to_owned());
    for column in Column::ALL {
        let path = || ColumnPath::from(column.name());
        properties = match column.form() {
            // What a delta leaves of a time among those of its call has no pattern; of an identity, some octets do.
            Form::Instant | Form::Time => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED)
                .set_column_compression(path(), Compression::UNCOMPRESSED)
                .set_column_statistics_enabled(path(), EnabledStatistics::Chunk),
            Form::Id => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::PLAIN)
                .set_column_statistics_enabled(path(), EnabledStatistics::Chunk),
            Form::Int | Form::Long => {
                properties.set_column_statistics_enabled(path(), EnabledStatistics::Chunk)
            }
            // `octets` compresses them: a compressor of this writer would be made in vain.
            Form::Octets => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_compression(path(), Compression::UNCOMPRESSED),
            // It repeats within its call and nowhere else: a compressor sees that, and takes less than numbers of a
            // dictionary in which nearly every text stands for one call.
            Form::Text => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_LENGTH_BYTE_ARRAY),
            Form::Word | Form::Class => properties,
        };
        if is_fresh && (column.form() == Form::Text || MANY.contains(column)) {
            properties = properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::PLAIN);
        }
        if PORTS.contains(column) {
            // Two in turn: octets that repeat, where numbers of a dictionary would lie across octets.
            properties = properties.set_column_dictionary_enabled(path(), false);
        }
        if filtered.contains(column) {
            // Not for all columns at once: to say anything about filters there turns them on for every column.
            properties = properties
                .set_column_bloom_filter_enabled(path(), true)
                .set_column_bloom_filter_fpp(path(), 0.01)
                .set_column_bloom_filter_max_ndv(path(), ROW_GROUP as u64 / 5);
        }
        if is_fresh || SELDOM.contains(column) || UNIFORM.contains(column) {
            properties = properties.set_column_compression(path(), Compression::UNCOMPRESSED);
        }
    }
    properties.build()
}

/// Smallest and largest of what passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval(pub(crate) i64, pub(crate) i64);

impl Interval {
    pub(crate) const EMPTY: Self = Self(i64::MAX, i64::MIN);

    pub(crate) fn add(&mut self, value: i64) {
        self.0 = self.0.min(value);
        self.1 = self.1.max(value);
    }
}

/// What a segment says of itself but cannot know before its rows have passed.
#[derive(Debug)]
struct Passed {
    rows: u64,
    received: Interval,
    time: Interval,
    ids: Interval,
}

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    file: SerializedFileWriter<Sink>,
    groups: ArrowRowGroupWriterFactory,
    group: Option<Group>,
    packer: Packer,
    disk: Arc<dyn Disk>,
    paths: Paths,
    temporary: PathBuf,
    node: u16,
    entry: SegmentEntry,
    replaces: Vec<u64>,
    passed: Passed,
    is_finished: bool,
}

/// A row group that is being written.
#[derive(Debug)]
struct Group {
    /// In the order of the schema.
    columns: Vec<ColumnWriter>,
    rows: usize,
}

#[derive(Debug)]
enum ColumnWriter {
    Values(Box<ValuesColumn>),
    Octets(Box<OctetsColumn>),
}

/// A column of numbers or texts.
#[derive(Debug)]
struct ValuesColumn {
    column: Column,
    descriptor: ColumnDescPtr,
    is_filtered: bool,
    /// What all rows have in common until now, as long as they have.
    uniform: Option<Uniform>,
    /// Rows that it was given.
    rows: usize,
    writer: ArrowColumnWriter,
}

impl SegmentWriter {
    /// Begins the segment of `entry`, of which number, class, hour and level count.
    pub(crate) fn begin(
        disk: &Arc<dyn Disk>,
        paths: &Paths,
        node: u16,
        entry: SegmentEntry,
        replaces: Vec<u64>,
    ) -> io::Result<Self> {
        let temporary = paths
            .temporary()
            .join(format!("{:016x}.parquet", entry.number));
        let file = disk.create(&temporary)?;
        let is_fresh = entry.level == 0;
        let properties = if is_fresh { &FRESH } else { &MERGED };
        let options = ArrowWriterOptions::new()
            .with_properties(WriterProperties::clone(properties))
            .with_skip_arrow_metadata(true);
        let (file, groups) = ArrowWriter::try_new_with_options(Sink::new(file), schema(), options)
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(into_io)?;
        Ok(Self {
            file,
            groups,
            group: None,
            packer: Packer::new(if is_fresh { FRESH_LEVEL } else { LEVEL })?,
            disk: Arc::clone(disk),
            paths: paths.clone(),
            temporary,
            node,
            entry,
            replaces,
            passed: Passed {
                rows: 0,
                received: Interval::EMPTY,
                time: Interval::EMPTY,
                ids: Interval::EMPTY,
            },
            is_finished: false,
        })
    }

    /// Adds rows in their order: each of one of the batches, which are [`held`](super::held) and of one schema, and of
    /// one of its rows.
    pub(crate) fn write(
        &mut self,
        batches: &[&RecordBatch],
        mut places: &[(usize, usize)],
    ) -> io::Result<()> {
        self.passed.see(batches, places);
        while !places.is_empty() {
            let room = ROW_GROUP - self.group.as_ref().map_or(0, |group| group.rows);
            let (now, later) = places.split_at(places.len().min(room));
            self.write_in_group(batches, now).map_err(into_io)?;
            if now.len() == room {
                self.end_group().map_err(into_io)?;
            }
            places = later;
        }
        Ok(())
    }

    fn write_in_group(
        &mut self,
        batches: &[&RecordBatch],
        places: &[(usize, usize)],
    ) -> Result<()> {
        let group = match &mut self.group {
            Some(group) => group,
            none => {
                let index = self.file.flushed_row_groups().len();
                let columns = self.groups.create_column_writers(index)?;
                let is_fresh = self.entry.level == 0;
                none.insert(Group::new(columns, &self.file, is_fresh))
            }
        };
        let written = group.write(&mut self.packer, batches, places);
        group.rows += places.len();
        written
    }

    fn end_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let mut rows = self.file.next_row_group()?;
        for column in group.columns {
            match column {
                ColumnWriter::Values(column) => match &column.uniform {
                    Some(value) => {
                        let (descriptor, is_filtered) = (&column.descriptor, column.is_filtered);
                        let (octets, close) =
                            uniform::column(descriptor, value, column.rows, is_filtered)?;
                        rows.append_column(&octets, close)?;
                    }
                    None => column.writer.close()?.append_to_row_group(&mut rows)?,
                },
                ColumnWriter::Octets(column) => {
                    let (octets, close) = column.finish(&mut self.packer)?;
                    rows.append_column(&octets, close)?;
                }
            }
        }
        rows.close()?;
        Ok(())
    }

    /// Gives the file its footer and its name, durably. It does not count before the manifest says so.
    pub(crate) fn finish(mut self) -> io::Result<SegmentEntry> {
        let finished = self.complete()?;
        self.is_finished = true;
        Ok(finished)
    }

    fn complete(&mut self) -> io::Result<SegmentEntry> {
        self.end_group().map_err(into_io)?;
        self.file.flush()?;
        self.file.inner_mut().flush()?;
        let entry = SegmentEntry {
            rows: self.passed.rows,
            received: (self.passed.received.0, self.passed.received.1),
            time: (self.passed.time.0, self.passed.time.1),
            ids: (self.passed.ids.0, self.passed.ids.1),
            ..self.entry.clone()
        };
        let sums = to_hex(self.file.inner().sums.sums());
        let covered = self.file.inner().sums.sums().len() as u64 * BLOCK as u64;
        let facts = [
            (SCHEMA_KEY, SCHEMA_VERSION.to_string()),
            (ENTRY_KEY, serde_json::to_string(&entry).unwrap_or_default()),
            (
                REPLACES_KEY,
                serde_json::to_string(&self.replaces).unwrap_or_default(),
            ),
            (BLOCKS_KEY, sums),
        ];
        for (key, value) in facts {
            let fact = KeyValue::new(key.to_owned(), Some(value));
            self.file.append_key_value_metadata(fact);
        }
        self.file.finish().map_err(into_io)?;
        let sink = self.file.inner_mut();
        sink.flush()?;
        sink.file.sync()?;
        let octets = sink.length;
        let tail = super::open::tail(sink.file.as_ref(), octets, covered)?;
        let entry = SegmentEntry {
            octets,
            tail,
            ..entry
        };
        let directory = self.paths.partition(entry.hour);
        self.disk.make_directory(&directory)?;
        let path = self.paths.segment(self.node, &entry);
        self.disk.rename(&self.temporary, &path)?;
        self.disk.sync_directory(&directory)?;
        if let Some(day) = directory.parent() {
            self.disk.sync_directory(day)?;
        }
        self.disk.sync_directory(&self.paths.segments())?;
        Ok(entry)
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // Where this fails, the next start empties the directory.
            drop(self.disk.remove(&self.temporary));
        }
    }
}

impl Group {
    fn new(
        writers: Vec<ArrowColumnWriter>,
        file: &SerializedFileWriter<Sink>,
        is_fresh: bool,
    ) -> Self {
        let (filtered, page_octets) = if is_fresh {
            (FILTERED_FRESH, FRESH_PAGE_OCTETS)
        } else {
            (FILTERED, PAGE_OCTETS)
        };
        let descriptors = file.schema_descr().columns();
        let columns = writers.into_iter().zip(descriptors).zip(Column::ALL);
        let columns = columns.map(|((writer, descriptor), column)| match column.form() {
            Form::Octets => {
                let column = OctetsColumn::new(Arc::clone(descriptor), page_octets);
                ColumnWriter::Octets(Box::new(column))
            }
            _ => ColumnWriter::Values(Box::new(ValuesColumn {
                column: *column,
                descriptor: Arc::clone(descriptor),
                is_filtered: filtered.contains(column),
                uniform: None,
                rows: 0,
                writer,
            })),
        });
        Self {
            columns: columns.collect(),
            rows: 0,
        }
    }

    /// Column by column, so that what a column has stays at hand.
    fn write(
        &mut self,
        packer: &mut Packer,
        batches: &[&RecordBatch],
        places: &[(usize, usize)],
    ) -> Result<()> {
        for (index, writer) in self.columns.iter_mut().enumerate() {
            let arrays = (batches.iter())
                .map(|batch| batch.columns().get(index).map(AsRef::as_ref))
                .collect::<Option<Vec<&dyn Array>>>()
                .ok_or_else(|| ParquetError::General("a column is missing".to_owned()))?;
            match writer {
                ColumnWriter::Octets(writer) => writer.write(packer, &arrays, places)?,
                ColumnWriter::Values(writer) => writer.write(&arrays, places)?,
            }
        }
        Ok(())
    }
}

impl ValuesColumn {
    fn write(&mut self, arrays: &[&dyn Array], places: &[(usize, usize)]) -> Result<()> {
        let form = self.column.form();
        let was_uniform = self.rows == 0 || self.uniform.is_some();
        self.rows += places.len();
        if was_uniform {
            let uniform = Uniform::of(form, arrays, places);
            let before = self.rows - places.len();
            if uniform.is_some() && (before == 0 || uniform == self.uniform) {
                self.uniform = uniform;
                return Ok(());
            }
            if let Some(other) = self.uniform.take() {
                self.repeat(&other, before)?;
            }
        }
        if form.nullable() && uniform::is_absent(arrays) {
            return self.repeat(&Uniform::Absent, places.len());
        }
        let values = interleave(arrays, places)?;
        let field = Field::new(
            self.column.name(),
            values.data_type().clone(),
            form.nullable(),
        );
        self.put(&field, &values)
    }

    fn repeat(&mut self, value: &Uniform, rows: usize) -> Result<()> {
        let form = self.column.form();
        let field = Field::new(self.column.name(), form.data_type(), form.nullable());
        let mut left = rows;
        while left > 0 {
            let some = left.min(PAGE_ROWS);
            self.put(&field, &value.repeated(form, some))?;
            left -= some;
        }
        Ok(())
    }

    fn put(&mut self, field: &Field, values: &ArrayRef) -> Result<()> {
        for leaf in compute_leaves(field, values)? {
            self.writer.write(&leaf)?;
        }
        Ok(())
    }
}

impl Passed {
    fn see(&mut self, batches: &[&RecordBatch], places: &[(usize, usize)]) {
        let stamps: Vec<Stamps<'_>> = batches.iter().map(|batch| Stamps::new(batch)).collect();
        for (batch, row) in places {
            if let Some(stamps) = stamps.get(*batch) {
                self.received.add(stamps.received(*row));
                self.time.add(stamps.time(*row));
                self.ids.add(stamps.id(*row));
            }
        }
        self.rows += places.len() as u64;
    }
}

fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}

/// Where Parquet writes: gathered, summed, at the end of a file.
#[derive(Debug)]
struct Sink {
    file: Arc<dyn DiskFile>,
    length: u64,
    gathered: Vec<u8>,
    sums: BlockSums,
}

impl Sink {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        Self {
            file,
            length: 0,
            gathered: Vec::with_capacity(GATHER),
            sums: BlockSums::default(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.sums.update(octets);
        self.gathered.extend_from_slice(octets);
        if self.gathered.len() >= GATHER {
            self.flush()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        write_all(self.file.as_ref(), &self.gathered, self.length)?;
        self.length += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

/// What an entry has before its rows are known.
impl SegmentEntry {
    pub(crate) fn planned(number: u64, class: crate::row::Class, hour: i64, level: u8) -> Self {
        Self {
            number,
            class,
            hour,
            level,
            rows: 0,
            octets: 0,
            received: (0, 0),
            time: (0, 0),
            ids: (0, 0),
            tail: Tail::default(),
        }
    }
}
