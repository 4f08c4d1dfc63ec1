//! Writing a segment: rows in their order go in, a synced file under its final name comes out.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use arrow::array::RecordBatch;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

use super::{
    BLOCKS_KEY, ENTRY_KEY, PAGE_OCTETS, PAGE_ROWS, REPLACES_KEY, ROW_GROUP, SCHEMA_KEY,
    blocks::{BLOCK, BlockSums, to_hex},
};
use crate::{
    disk::{Disk, DiskFile, write_all},
    manifest::{SegmentEntry, Tail},
    paths::Paths,
    row::{Column, Form, SCHEMA_VERSION, Stamps, schema},
};

/// Octets that are gathered for one write.
const GATHER: usize = 256 << 10;

/// Octets that a segment which is being written holds in memory, about: the pages of a row group, its dictionaries
/// and filters.
pub(crate) fn written_octets(rows: u64) -> u64 {
    (4 << 20) + rows.min(ROW_GROUP as u64) * 100
}

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
    let zstd = ZstdLevel::try_new(1).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_data_page_row_count_limit(PAGE_ROWS)
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
            Form::Octets => properties.set_column_dictionary_enabled(path(), false),
            // It repeats within its call and nowhere else: a compressor sees that, and takes less than numbers of a
            // dictionary in which nearly every text stands for one call.
            Form::Text => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_LENGTH_BYTE_ARRAY),
            Form::Word | Form::Class => properties,
        };
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
        let is_whole = is_fresh && column.form() != Form::Octets;
        if is_whole || SELDOM.contains(column) || UNIFORM.contains(column) {
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
    writer: ArrowWriter<Sink>,
    disk: Arc<dyn Disk>,
    paths: Paths,
    temporary: PathBuf,
    node: u16,
    entry: SegmentEntry,
    replaces: Vec<u64>,
    passed: Passed,
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
        let properties = if entry.level == 0 { &FRESH } else { &MERGED };
        let options = ArrowWriterOptions::new()
            .with_properties(WriterProperties::clone(properties))
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Sink::new(file), schema(), options)
            .map_err(io::Error::other)?;
        Ok(Self {
            writer,
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
        })
    }

    /// Adds rows, already in their order.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.passed.see(batch);
        let held = super::same::shortened(batch).map_err(io::Error::other)?;
        self.writer.write(&held).map_err(into_io)
    }

    /// Gives the file its footer and its name, durably. It does not count before the manifest says so.
    pub(crate) fn finish(mut self) -> io::Result<SegmentEntry> {
        let finished = self.complete();
        if finished.is_err() {
            // Where this fails too, the next start empties the directory.
            drop(self.disk.remove(&self.temporary));
        }
        finished
    }

    fn complete(&mut self) -> io::Result<SegmentEntry> {
        self.writer.flush().map_err(into_io)?;
        self.writer.inner_mut().flush()?;
        let entry = SegmentEntry {
            rows: self.passed.rows,
            received: (self.passed.received.0, self.passed.received.1),
            time: (self.passed.time.0, self.passed.time.1),
            ids: (self.passed.ids.0, self.passed.ids.1),
            ..self.entry.clone()
        };
        let sums = to_hex(self.writer.inner().sums.sums());
        let covered = self.writer.inner().sums.sums().len() as u64 * BLOCK as u64;
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
            self.writer.append_key_value_metadata(fact);
        }
        self.writer.finish().map_err(into_io)?;
        let sink = self.writer.inner_mut();
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

impl Passed {
    fn see(&mut self, batch: &RecordBatch) {
        let stamps = Stamps::new(batch);
        for row in 0..batch.num_rows() {
            self.received.add(stamps.received(row));
            self.time.add(stamps.time(row));
            self.ids.add(stamps.id(row));
        }
        self.rows += batch.num_rows() as u64;
    }
}

fn into_io(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<io::Error>() {
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
