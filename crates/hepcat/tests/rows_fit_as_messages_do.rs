//! A query finds in the store what it would have found live: every row of a message that fits, and no other.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat::{
    pipeline::{Capture, Inflated},
    query::{FIELDS, Field, Kind, Problem, Query, Scope, Subject, Value},
    search::Asked,
    sink::store::row::{About, RowWriter},
};
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport, Unparsable};
use hepcat_store::{Class, Column, Fsync, Options, Row, RowBatchBuilder, Store};
use hepcat_testkit::{traffic::Traffic, vectors};
use hepcat_wire::{ChunkType, Message, MessageBuilder, ProtocolType, Version};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// 2023-11-14, when the first message is received, microseconds since 1970. Each is received at a time of its own, by
/// which it is known.
const BEGIN: i64 = 1_700_000_000_000_000;
const APART: i64 = 1_500_007;

/// What was received, and a store that has it.
struct Received {
    arrivals: Vec<(Arrival, &'static str)>,
    store: Store,
    _directory: tempfile::TempDir,
}

impl Received {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        let arrivals: Vec<_> = frames()
            .into_iter()
            .enumerate()
            .map(|(index, frame)| (arrival(index, frame), ["edge", "Core-2"][index % 2]))
            .collect();
        // One part in segments, one in memory.
        let (first, second) = arrivals.split_at(arrivals.len() / 2);
        for (part, is_flushed) in [(first, true), (second, false)] {
            let mut writer = RowWriter::default();
            for (arrival, listener) in part {
                let inflated = Inflated::default();
                let capture = Capture::new(arrival, listener, Some(&inflated)).unwrap();
                match (&capture, arrival) {
                    (Capture::Message(view), _) => writer.message(
                        view,
                        &About {
                            listener,
                            ..About::default()
                        },
                    ),
                    (_, Arrival::Unparsable(unparsable)) => writer.unparsable(unparsable, listener),
                    _ => unreachable!("an arrival of a third kind"),
                }
                .unwrap();
            }
            store.append(writer.take()).unwrap().wait().unwrap();
            if is_flushed {
                assert!(store.flush(Duration::from_secs(60)));
            }
        }
        Self {
            arrivals,
            store,
            _directory: directory,
        }
    }

    /// Places of the messages that fit live.
    fn live(&self, query: &Query) -> BTreeSet<usize> {
        let fits = |(arrival, listener): &(Arrival, &str)| {
            let inflated = Inflated::default();
            query.matches(&Capture::new(arrival, listener, Some(&inflated)).unwrap())
        };
        let all = self.arrivals.iter().enumerate();
        all.filter(|(_, one)| fits(one)).map(|(at, _)| at).collect()
    }

    /// Places of the messages whose rows are found.
    fn found(&self, query: &Query) -> BTreeSet<usize> {
        let mut search = Asked::of_messages(query).search();
        search.columns = Some(vec![Column::ReceivedAt]);
        let mut places = BTreeSet::new();
        for batch in self.store.search(search).unwrap() {
            let batch = batch.unwrap();
            for at in 0..batch.len() {
                let received = batch.rows().get(at).unwrap().received_at;
                let place = usize::try_from((received - BEGIN) / APART).unwrap();
                assert!(places.insert(place), "a row twice");
            }
        }
        places
    }

    fn compare(&self, text: &str) -> usize {
        let query = match Query::parse(text) {
            Ok(query) => query,
            Err(error) if is_limit(error.problem()) => return 0,
            Err(error) => panic!("{}", error.render(text)),
        };
        let (live, found) = (self.live(&query), self.found(&query));
        let differ = live.symmetric_difference(&found).next();
        if let Some(place) = differ {
            let (arrival, _) = &self.arrivals[*place];
            let payload = match arrival {
                Arrival::Message(envelope) => envelope.message.payload().octets(),
                _ => None,
            };
            panic!(
                "{text}\nfits live: {}, found: {}\n{:?}\n{}",
                live.contains(place),
                found.contains(place),
                Asked::of_messages(&query),
                String::from_utf8_lossy(payload.unwrap_or_default()),
            );
        }
        live.len()
    }
}

fn open(directory: &tempfile::TempDir) -> Store {
    let mut options = Options::default();
    options.memory = 64 << 20;
    options.fsync = Fsync::Never;
    options.maintenance = Duration::ZERO;
    options.node = Some(1);
    Store::open(directory.path(), options).unwrap()
}

/// Whether a query was refused because it asks for too much, which some that are made here do.
fn is_limit(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::TooLong | Problem::TooManyRegexes | Problem::TooDeep
    )
}

fn arrival(index: usize, frame: Vec<u8>) -> Arrival {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let origin = Arc::new(match index % 3 {
        0 => Origin::new(
            ListenerId(0),
            Transport::Udp,
            address("192.0.2.7:33000"),
            address("192.0.2.1:9060"),
        ),
        1 => Origin::new(
            ListenerId(1),
            Transport::Tcp,
            address("[::ffff:10.1.2.3]:40000"),
            address("[::1]:9060"),
        ),
        _ => Origin::new(
            ListenerId(1),
            Transport::Tls,
            address("[2001:db8::17]:40001"),
            address("[2001:db8::1]:9061"),
        ),
    });
    let micros = BEGIN + i64::try_from(index).unwrap() * APART;
    // Of nanoseconds the store keeps none.
    let received = UNIX_EPOCH
        + Duration::from_micros(u64::try_from(micros).unwrap())
        + Duration::from_nanos(123);
    let decoded = Message::parse_lax(Bytes::from(frame.clone()))
        .and_then(|message| message.check_capture().map(|()| message));
    match decoded {
        Ok(message) => Arrival::Message(Envelope::new(message, origin, received)),
        Err(error) => {
            Arrival::Unparsable(Unparsable::new(Bytes::from(frame), error, origin, received))
        }
    }
}

/// Frames of real programs, traffic, and what neither of them has.
fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = vectors()
        .into_iter()
        .filter(|vector| !vector.is_stream())
        .map(|vector| vector.octets)
        .collect();
    frames.extend(
        Traffic::new(20.0, BEGIN + 100 * APART, 7)
            .take(120)
            .map(|message| message.frame),
    );
    frames.extend(odd_frames());
    frames
}

fn odd_frames() -> Vec<Vec<u8>> {
    let long = "9".repeat(300);
    let payloads: [&[u8]; 14] = [
        b"INVITE sip:J\xfcrgen:secret@B\xfcro.example;transport=tls SIP/2.0\r\nf: \"J\xfcrg\" <sip:J\xfcrgen@a.example>;tag=\xfc1\r\nt: <sip:user@domain@proxy.example>\r\ni: Odd-\xfc@host\r\nCSeq: 1 INVITE\r\nUser-Agent: \xfcA/1.0\r\nX-Foo: fold\r\n ed \xfc\r\n\r\n",
        "INVITE sip:J\u{fc}rgen@b\u{fc}ro.example SIP/2.0\r\nFrom: <sip:J\u{dc}RGEN@a.example>;tag=U\r\nTo: <sip:\u{fffd}@x>\r\nCall-ID: odd-\u{fffd}-2\r\nCSeq: 2 INVITE\r\nUser-Agent: \u{fc}A/1.0\r\n\r\n".as_bytes(),
        b"invite sip:alice@a.example SIP/2.0\r\nFrom: <sip:alice@a.example>\r\nTo: <tel:+4930123;phone-context=x>\r\nCall-ID: lower\r\nCSeq: 3 invite\r\n\r\n",
        b"SIP/2.0 200 OK\r\nFrom: <sip:host-only.example>\r\nTo: sip:bob@b.example;tag=t\r\nCall-ID: no-cseq\r\nServer: S/2\r\n\r\n",
        b"SIP/2.0 486 Busy Here\r\nCSeq: 4 Invite\r\nFrom: <sip:@empty.example>\r\n\r\n",
        b"REGISTER sip:reg.example SIP/2.0\r\nCSeq: 99999999999 REGISTER\r\nX-CID: other-leg\r\nSession-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKodd\r\n\r\n",
        b"FROBNICATE sip:[2001:db8::7]:5061 SIP/2.0\r\nFrom: <sip:100%25@[2001:db8::9]:5060>\r\nCSeq: 5 FROBNICATE\r\n\r\nbody with 100% and \xff\xfe",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"",
        b"\xff\xfe\x00 not SIP",
        b"no call, but a line\nand another line",
        b"{\"CallID\":\"json-1\",\"Event\":\"x\"}",
        b"K SIP/2.0",
        b"SIP/2.0 999 \xe2\x84\xaa\xc3\x9f\r\nFrom: \"\xe2\x84\xaa\" <sip:\xe2\x84\xaaelvin@k.example>\r\n\r\n",
    ];
    let mut frames = Vec::new();
    let mut number = 0_u32;
    let mut add = |payload: &[u8]| {
        number += 1;
        let correlation: &[u8] =
            [&b""[..], b"corr-\xfc", b"other-leg\0", b"Corr-1"][number as usize % 4];
        let (source, destination) = [
            ("[::ffff:10.1.2.3]:5060", "[2001:db8::7]:5061"),
            ("[2001:db8::9]:0", "[::ffff:10.1.2.200]:65535"),
            ("10.1.255.255:5080", "192.0.2.9:5060"),
        ][number as usize % 3];
        let seconds = match number % 5 {
            0 => 0,
            1 => 1_500_000_000,
            2 => 1_900_000_000,
            _ => 1_700_000_400,
        };
        let builder = MessageBuilder::new()
            .source(source.parse().unwrap())
            .destination(destination.parse().unwrap())
            .time(seconds, number)
            .protocol_type(ProtocolType([1, 100, 5, 250][number as usize % 4]))
            .capture_id([7, u32::MAX, 0][number as usize % 3])
            .node_name([&b"Paris 1\0"[..], b"\xfcnode", b""][number as usize % 3])
            .payload(payload);
        let builder = if number.is_multiple_of(3) {
            // An empty one, too.
            builder.forced_generic_chunk(ChunkType::CORRELATION_ID, correlation)
        } else {
            builder
        };
        let compressed = number.is_multiple_of(4);
        if let Ok(frame) = builder.compressed(compressed).encode(Version::V3) {
            frames.push(frame);
        }
    };
    for payload in payloads {
        add(payload);
        add(payload);
    }
    add(
        format!("INVITE sip:{long}@long.example SIP/2.0\r\nFrom: <sip:{long}@x>\r\n\r\n")
            .as_bytes(),
    );
    // Cut anywhere, a frame may decode no more.
    for vector in vectors()
        .into_iter()
        .take(40)
        .filter(|one| !one.is_stream())
    {
        let length = vector.octets.len();
        for cut in [5, 11, length / 3, length - 1] {
            frames.push(vector.octets[..cut.min(length)].to_vec());
        }
    }
    frames
}

/// Something that a field was seen to say.
#[derive(Debug, Clone)]
struct Said {
    name: String,
    kind: Kind,
    text: String,
}

/// Everything that was received, field by field, so that queries find something.
fn said(received: &Received) -> Vec<Vec<Said>> {
    let headers = ["Subject", "f", "Via", "X-Foo", "contact", "Content-Type"];
    let headers = headers.map(|name| (format!("header.{name}"), Field::Header(name.into())));
    let fields = FIELDS
        .iter()
        .filter(|entry| entry.scope == Scope::Message)
        .map(|entry| (entry.name.to_owned(), entry.field.clone()));
    let of_field = |(name, field): (String, Field)| {
        let mut texts = BTreeSet::new();
        for (arrival, listener) in &received.arrivals {
            let inflated = Inflated::default();
            let capture = Capture::new(arrival, listener, Some(&inflated)).unwrap();
            capture.any(&field, &mut |value| {
                texts.insert(written(value));
                false
            });
        }
        assert!(!texts.is_empty(), "nothing says anything of {name}");
        let kind = field.kind();
        let said = |text| Said {
            name: name.clone(),
            kind,
            text,
        };
        texts.into_iter().map(said).collect()
    };
    fields.chain(headers).map(of_field).collect()
}

fn written(value: Value<'_>) -> String {
    match value {
        Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::Number(number) => number.to_string(),
        Value::Address(address) => address.to_string(),
        Value::Endpoint(address, port) => {
            let address = address.map(|address| format!("[{address}]"));
            let port = port.map(|port| format!(":{port}"));
            address.unwrap_or_default() + &port.unwrap_or_default()
        }
        Value::Time(micros) => jiff::Timestamp::from_microsecond(micros)
            .unwrap()
            .to_string(),
        other => panic!("{other:?}"),
    }
}

/// A condition on what was said, or on something near it. `at` and `length` choose a part of a text.
fn condition(said: &Said, way: u8, at: usize, length: usize) -> String {
    let Said { name, kind, text } = said;
    if way == 0 {
        return format!("{name}:*");
    }
    let numbers = |way| match way {
        1 => format!("{name}>{text}"),
        2 => format!("{name}<={text}"),
        3 => format!("{name}:({text}, 0..{length})"),
        4 => format!("{name}:0..{text}0"),
        _ => format!("{name}:{text}"),
    };
    match kind {
        Kind::Number => numbers(way),
        Kind::Status if way > 8 => format!("{name}:{}xx", text.get(..1).unwrap_or("1")),
        Kind::Status => numbers(way),
        Kind::ProtocolType if way > 8 => format!("{name}:(unparsable, sip)"),
        Kind::ProtocolType if text == "unparsable" => format!("{name}:{text}"),
        Kind::ProtocolType => format!("{name}:({text}, {length})"),
        Kind::Choice(_) => format!("{name}:{text}"),
        Kind::Network => match way {
            1..4 => format!("{name}:{text}/{}", at % 33),
            4..7 => format!("{name}:({text}, 10.0.0.0/8, ::/0)"),
            _ => format!("{name}:{text}"),
        },
        Kind::Endpoint => endpoint(name, text, way, at),
        Kind::Time => match way {
            1 => format!("{name}>{text}"),
            2 => format!("{name}<={text}"),
            3 => format!("{name}>={text}"),
            4 => format!("{name}<{text}"),
            5 => format!("{name}:{}Z", text.get(..10).unwrap_or(text)),
            6 => format!("{name}:..{text}"),
            7 => format!("{name}:({text}..{text}, 2001-01-01Z..2015-06-07T10:00+02:00)"),
            _ => format!("{name}:{}Z", text.get(..16).unwrap_or(text)),
        },
        _ => text_condition(name, *kind, text, way, at, length),
    }
}

fn endpoint(name: &str, text: &str, way: u8, at: usize) -> String {
    let (address, port) = text.rsplit_once(']').unwrap_or(("", text));
    let bare = address.trim_start_matches('[');
    let port = port.trim_start_matches(':');
    match way {
        1 if !port.is_empty() => format!("{name}:{port}"),
        2 if !bare.is_empty() => format!("{name}:{bare}/{}", at % 33),
        3 if !port.is_empty() => format!("{name}::{port}..65535"),
        4 if !bare.is_empty() => format!("{name}:[{bare}/{}]:0..5070", at % 33),
        5 if !bare.is_empty() => format!("{name}:({bare}, 5061)"),
        _ => format!("{name}:{text}"),
    }
}

fn text_condition(name: &str, kind: Kind, text: &str, way: u8, at: usize, length: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    // Whole where that is not long; else as much as a query may be.
    let whole: String = characters.iter().take(320).collect();
    let from = at % (characters.len() + 1);
    let part: String = characters.iter().skip(from).take(length).collect();
    let rest: String = characters.iter().skip(from + length + 1).take(20).collect();
    let start: String = characters.iter().take(length).collect();
    let end: String = characters[characters.len().saturating_sub(length)..]
        .iter()
        .collect();
    let quoted = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        let text = text.replace('\n', "\\n").replace('\r', "\\r");
        format!("\"{text}\"")
    };
    let expression = |text: &str| format!("\"{}\"", text.replace('"', "\\\""));
    if kind == Kind::Body && part.is_empty() {
        return format!("{name}:*");
    }
    match way {
        1 if kind != Kind::Body => format!("{name}:{}", quoted(&whole.to_uppercase())),
        2 => format!("{name}:{}*", quoted(&start)),
        3 => format!("{name}:*{}", quoted(&end)),
        4 => format!("{name}:*{}*", quoted(&part)),
        5 => format!("{name}:*{}?{}*", quoted(&part), quoted(&rest)),
        6 => format!("{name}:{}*{}", quoted(&start), quoted(&end)),
        7 => format!("{name}~{}", expression(&regex::escape(&part))),
        8 => format!(
            "{name}~{}",
            expression(&format!("(?i)^{}", regex::escape(&start)))
        ),
        9 => format!(
            "{name}~{}",
            expression(&format!("{}.$", regex::escape(&part)))
        ),
        10 => format!("{name}~\"^.{{{length}}}$\""),
        11 => format!(
            "{name}:({}, {}*)",
            quoted(&part.to_lowercase()),
            quoted(&start)
        ),
        12 if kind == Kind::Body => quoted(&part.to_uppercase()),
        _ => format!(
            "{name}:{}",
            quoted(if kind == Kind::Body { &part } else { &whole })
        ),
    }
}

fn conditions(said: Vec<Vec<Said>>) -> impl Strategy<Value = String> {
    let fields = prop::sample::select(said);
    let one = fields.prop_flat_map(|said: Vec<Said>| prop::sample::select(said));
    (one, 0_u8..16, 0_usize..60, 1_usize..12)
        .prop_map(|(said, way, at, length)| condition(&said, way, at, length))
}

fn queries(said: Vec<Vec<Said>>) -> impl Strategy<Value = String> {
    conditions(said).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.join(" ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.join(" OR ")),
            inner.clone().prop_map(|part| format!("NOT {part}")),
            inner.prop_map(|part| format!("({part})")),
        ]
    })
}

/// 1,500 queries, or as many as `PROPTEST_CASES` says.
#[test]
fn any_query_finds_what_it_would_have_found_live() {
    let received = Received::new();
    let said = said(&received);
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_500;
    }
    config.failure_persistence = None;
    let mut runner = TestRunner::new_with_rng(
        config,
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let count = received.arrivals.len();
    let telling = std::cell::Cell::new(0);
    let run = runner.run(&queries(said), |text| {
        let fitting = received.compare(&text);
        if (1..count).contains(&fitting) {
            telling.set(telling.get() + 1);
        }
        Ok(())
    });
    run.unwrap();
    // Queries that fit nothing, or everything, would say little.
    assert!(telling.get() > 500, "{} of some", telling.get());
}

#[test]
fn every_value_of_every_field_is_found_again() {
    let received = Received::new();
    for field in said(&received) {
        for said in field.iter().step_by(field.len().div_ceil(25)) {
            for way in [0, 15] {
                let text = condition(said, way, 3, 8);
                // Text that is no UTF-8 stands in `said` with replacement characters.
                let found = received.compare(&text);
                let is_body = said.kind == Kind::Body;
                assert!(
                    found > 0 || is_body || said.text.contains('\u{fffd}') || said.text.len() > 300,
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn what_only_the_store_knows_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let mut rows = RowBatchBuilder::default();
    let several = r#"[{"table":"Fraud","f1":"a"},{"table":"other","f2":"b","report":{}}]"#;
    for (place, (table, f1, labels, attached)) in [
        (Some("fraud"), Some("blocked"), None, None),
        (Some("Fraud"), Some("a"), Some(several), None),
        (None, None, None, Some("Call-1")),
        (None, None, None, None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut row = Row::default();
        row.received_at = i64::try_from(place).unwrap();
        row.label_table = table;
        row.label_f1 = f1;
        row.labels = labels;
        row.attached_to = attached;
        rows.push(&row).unwrap();
    }
    let mut record = Row::default();
    record.class = Class::Record;
    record.received_at = 9;
    record.label_table = Some("fraud");
    rows.push(&record).unwrap();
    store.append(rows).unwrap().wait().unwrap();
    for (text, expected) in [
        ("table:fraud", &[0, 1][..]),
        ("table:other", &[1]),
        ("f1:block*", &[0]),
        ("f2:b", &[1]),
        ("f3:*", &[]),
        ("-table:*", &[2, 3]),
        ("attached_to:Call-1", &[2]),
        ("attached_to:call-1", &[]),
        ("", &[0, 1, 2, 3]),
        ("flagged OR f1!=blocked", &[1, 2, 3]),
    ] {
        let query = Query::parse_in(Scope::Stored, text).unwrap();
        let mut found = Vec::new();
        for batch in store.search(Asked::of_messages(&query).search()).unwrap() {
            found.extend(batch.unwrap().rows().iter().map(|row| row.received_at));
        }
        found.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_query_says_in_which_time_it_can_be_answered() {
    let asked = |text: &str| {
        let query = Query::parse_in(Scope::Stored, text).unwrap();
        Asked::of_messages(&query)
    };
    let second = 1_000_000;
    let hour = 3_600 * second;
    let one = "time:1970-01-01T01:00Z..1970-01-01T02:00Z";
    let other = "time:1970-01-01T03:00Z..1970-01-01T04:00Z";
    assert_eq!(asked(one).time, hour..2 * hour + 1);
    assert_eq!(asked(&format!("{one} OR {other}")).time, hour..4 * hour + 1);
    assert!(asked(&format!("{one} {other}")).time.is_empty());
    assert_eq!(
        asked("time<1970-01-01T01:00Z method:*").time,
        i64::MIN..hour
    );
    assert_eq!(
        asked("received>1970-01-01T01:00Z").received,
        hour + 1..i64::MAX
    );

    for text in [
        "",
        "busy",
        "method:INVITE OR time>1970-01-02Z",
        "NOT time>1970-01-02Z",
        "time<1970-01-02Z",
    ] {
        let asked = asked(text);
        assert!(asked.is_unbounded(), "{text}");
        assert_eq!(asked.since_unless_bounded(hour).time.start, hour, "{text}");
    }
    for text in ["busy time>1970-01-02Z", "received>1970-01-02Z"] {
        let asked = asked(text);
        assert!(!asked.is_unbounded(), "{text}");
        let before = asked.time.clone();
        assert_eq!(asked.since_unless_bounded(hour).time, before, "{text}");
    }
    for (text, reads) in [
        ("busy", true),
        ("header.X:*", true),
        ("user:x ua~\"a\"", false),
    ] {
        assert_eq!(asked(text).reads_payload, reads, "{text}");
    }
}
