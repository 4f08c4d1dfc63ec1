//! DuckDB and ClickHouse read the store's segments as they are: they see every value of every column, and a question
//! has the rows for an answer that a search of ours finds.

#[path = "../examples/store_figures/envelope.rs"]
mod envelope;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hepcat_store::{
    Class, Column, Filter, Options, Row, RowBatchBuilder, Search, Store, TextTest,
    arrow::{
        array::{Array, AsArray, RecordBatch},
        datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType},
    },
};
use hepcat_testkit::{
    skipped,
    traffic::{Dialog, SipMessage, Traffic},
};

use envelope::envelope_of;

/// 2026-11-23 13:59:59 UTC: the rows are of two hours.
const BEGIN: i64 = 1_795_442_399_000_000;
const LIMIT: Duration = Duration::from_secs(60);

/// A reader of Parquet: a script that prints the rows of each query that it is given, values apart by tabulators, and
/// a line `--` behind each; and how SQL says a few things there.
struct Reader {
    script: &'static str,
    table: fn(&Path) -> String,
    micros: fn(&str) -> String,
    text: fn(&str) -> String,
}

const DUCKDB: Reader = Reader {
    script: r#"
import duckdb, sys
for query in sys.argv[1:]:
    for row in duckdb.sql(query).fetchall():
        print(*row, sep="\t")
    print("--")
"#,
    table: |store| {
        format!(
            "read_parquet('{}/segments/*/*/*.parquet', hive_partitioning = false)",
            store.display()
        )
    },
    micros: |column| format!("epoch_us({column})"),
    text: |number| format!("cast({number} as varchar)"),
};

const CLICKHOUSE: Reader = Reader {
    script: r#"
import chdb, sys
for query in sys.argv[1:]:
    sys.stdout.write(chdb.query(query, "TSV").bytes().decode())
    print("--")
"#,
    table: |store| {
        format!(
            "file('{}/segments/*/*/*.parquet', Parquet)",
            store.display()
        )
    },
    micros: |column| format!("toUnixTimestamp64Micro({column})"),
    text: |number| format!("toString({number})"),
};

#[test]
#[ignore = "beside programs of others: cargo xtask test interop"]
fn duckdb_finds_what_a_search_finds() {
    finds_the_same(&DUCKDB);
}

#[test]
#[ignore = "beside programs of others: cargo xtask test interop"]
fn clickhouse_finds_what_a_search_finds() {
    finds_the_same(&CLICKHOUSE);
}

fn finds_the_same(reader: &Reader) {
    // Made by `cargo xtask test interop`, outside the tree.
    let Some(python) = env::var_os("HEPCAT_PYTHON").map(PathBuf::from) else {
        skipped("HEPCAT_PYTHON names no Python that has duckdb and chdb-core");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let messages: Vec<SipMessage> = Traffic::new(1_000.0, BEGIN, 7).take(3_000).collect();
    let store = filled(directory.path(), &messages);
    let table = (reader.table)(directory.path());
    let newest_first = "order by received_at desc, row_id desc";
    let columns: Vec<String> = Column::ALL.iter().map(|one| said(reader, *one)).collect();
    let mut queries = vec![format!(
        "select {} from {table} {newest_first}",
        columns.join(", ")
    )];
    let questions = questions(&messages, reader.micros);
    queries.extend(
        questions
            .iter()
            .map(|(_, sql)| format!("select row_id from {table} where {sql} {newest_first}")),
    );
    let output = Command::new(python)
        .args(["-c", reader.script])
        .args(&queries)
        .output()
        .expect("Python runs");
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{faults}");
    let output = String::from_utf8(output.stdout).expect("text");
    let mut answers = output.split_terminator("--\n");

    let everything = answers.next().expect("an answer");
    let ours = search(&store, Search::default(), all_values);
    assert_eq!((everything.lines().count(), ours.len()), (3_000, 3_000));
    for (theirs, ours) in everything.lines().zip(&ours) {
        assert_eq!(theirs, ours);
    }
    for ((filter, sql), theirs) in questions.into_iter().zip(answers) {
        let ours = search(&store, Search::new(filter), |batch, row| {
            let ids = batch.column(0).as_primitive::<Int64Type>();
            ids.value(row).to_string()
        });
        assert!(!ours.is_empty() && ours.len() < 3_000, "{sql}");
        assert_eq!(theirs.lines().collect::<Vec<_>>(), ours, "{sql}");
    }
}

/// A store whose segments are of both kinds: merged, and as they were written first.
fn filled(directory: &Path, messages: &[SipMessage]) -> Store {
    let mut options = Options::default();
    options.memory = 128 << 20;
    options.maintenance = Duration::ZERO;
    options.compact_segments = 3;
    let store = Store::open(directory, options).expect("the store opens");
    let mut envelope = Vec::new();
    for (part, chunk) in messages.chunks(600).enumerate() {
        let mut rows = RowBatchBuilder::default();
        for message in chunk {
            envelope.clear();
            let mut row = row(message);
            envelope_of(message).encode_into(&row, &mut envelope);
            row.envelope = &envelope;
            rows.push(&row).expect("small enough");
        }
        store.append(rows).expect("appended").wait().expect("kept");
        assert!(store.flush(LIMIT));
        if part == 3 {
            assert!(store.compact().merges > 0);
        }
    }
    store
}

fn row(message: &SipMessage) -> Row<'_> {
    let mut row = Row::default();
    row.received_at = message.at + 300;
    // Every clock is believed but that of keep-alives.
    let believed = message.dialog != Some(Dialog::Options);
    row.sent_at = believed.then_some(message.at);
    row.claimed_at = (!believed).then_some(message.at);
    row.class = match message.dialog {
        Some(Dialog::Call) => Class::Call,
        Some(Dialog::Registration) => Class::Registration,
        _ => Class::Options,
    };
    row.src_ip = Some(&message.source.0);
    row.src_port = Some(message.source.1.into());
    row.dst_ip = Some(&message.destination.0);
    row.capture_id = Some(i64::from(u32::MAX));
    row.method = message.method;
    row.status = message.status.map(Into::into);
    row.cseq_number = Some(message.cseq.into());
    row.call_id = Some(&message.call_id);
    row.correlation_id = match message.status {
        None => Some(&message.call_id),
        Some(status) if status < 200 => Some("=another's"),
        Some(401) => Some("ours"),
        Some(_) => None,
    };
    row.from_user = Some(&message.from_user);
    row.to_user = Some(&message.to_user);
    row.to_tag = message.to_tag.as_deref();
    row.user_agent = Some("Ünïcode/1.0 \"quoted\"\t\\");
    row.error_offset = Some(-1);
    row.payload = &message.payload;
    row
}

/// What `docs/store-format.md` says of the column.
const CORRELATION: &str = "case when correlation_id = '=' then call_id \
     when correlation_id like '=%' then substring(correlation_id, 2) else correlation_id end";

/// The same questions for us and in SQL.
fn questions(messages: &[SipMessage], micros: fn(&str) -> String) -> Vec<(Filter, String)> {
    let picked = &messages[1_234];
    let prefix: String = picked.from_user.chars().take(9).collect();
    let middle = messages[1_500].at;
    let time = format!("{} >= {middle}", micros("coalesce(sent_at, received_at)"));
    vec![
        (
            Filter::is(Column::CallId, &picked.call_id),
            format!("call_id = '{}'", picked.call_id),
        ),
        (
            Filter::Text(
                Column::FromUser,
                TextTest::glob(&format!("{prefix}*"), false).expect("a pattern"),
            ),
            format!("from_user like '{prefix}%'"),
        ),
        (
            Filter::is(Column::CorrelationId, &picked.call_id),
            format!("{CORRELATION} = '{}'", picked.call_id),
        ),
        (
            Filter::is(Column::CorrelationId, "=another's"),
            format!("{CORRELATION} = '=another''s'"),
        ),
        (
            Filter::All(vec![
                Filter::Number(Column::Status, vec![400..=699]),
                Filter::Class(vec![Class::Call]),
            ]),
            "status between 400 and 699 and class = 'call'".to_owned(),
        ),
        (
            Filter::Text(
                Column::Payload,
                TextTest::contains("CSeq: 1 ", false).expect("a text"),
            ),
            format!("hex(payload) like '%{}%'", hex(b"CSeq: 1 ")),
        ),
        (
            Filter::Any(vec![
                Filter::Number(Column::SentAt, vec![middle..=i64::MAX]),
                Filter::All(vec![
                    Filter::Present(Column::SentAt).negated(),
                    Filter::Number(Column::ReceivedAt, vec![middle..=i64::MAX]),
                ]),
            ]),
            time,
        ),
    ]
}

/// How a reader says a value so that it is the same text everywhere: numbers as they are, times in microseconds,
/// texts and octets in hexadecimal, nothing as a stroke.
fn said(reader: &Reader, column: Column) -> String {
    let name = match column {
        Column::CorrelationId => CORRELATION,
        _ => column.name(),
    };
    let text = match data_type(column) {
        DataType::Utf8 | DataType::Binary => format!("hex({name})"),
        DataType::Timestamp(..) => (reader.text)(&(reader.micros)(name)),
        _ => (reader.text)(name),
    };
    format!("coalesce({text}, '-')")
}

fn data_type(column: Column) -> DataType {
    let empty = RowBatchBuilder::default().finish();
    let schema = empty.columns().schema();
    let field = schema.field_with_name(column.name()).expect("a column");
    field.data_type().clone()
}

/// Every value of a row, as the readers say it.
fn all_values(batch: &RecordBatch, row: usize) -> String {
    let values: Vec<String> = batch
        .columns()
        .iter()
        .map(|array| value(array.as_ref(), row))
        .collect();
    values.join("\t")
}

fn value(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "-".to_owned();
    }
    match array.data_type() {
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Timestamp(..) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            times.value(row).to_string()
        }
        DataType::Utf8 => hex(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        other => panic!("{other} is no portable type"),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// What a search finds, the newest first, each row as a text.
fn search(store: &Store, search: Search, say: fn(&RecordBatch, usize) -> String) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in store.search(search).expect("searched") {
        let batch = batch.expect("read");
        rows.extend((0..batch.len()).map(|row| say(batch.columns(), row)));
    }
    rows
}
