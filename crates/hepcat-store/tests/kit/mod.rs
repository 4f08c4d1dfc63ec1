//! Rows for tests, and ways to ask for them again.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test takes what it needs, so what is unused differs"
)]

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use hepcat_store::{
    Class, Envelope, Filter, Options, Part, Row, RowBatchBuilder, Search, Store, Ticket,
};

/// 2026-11-23 14:00:00 UTC.
pub(crate) const BEGIN: i64 = 1_795_442_400_000_000;
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What a row is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) serial: i64,
    pub(crate) received_at: i64,
    pub(crate) sent_at: Option<i64>,
    pub(crate) class: Class,
    pub(crate) call_id: Option<String>,
    pub(crate) from_user: Option<String>,
    pub(crate) method: Option<&'static str>,
    pub(crate) status: Option<i32>,
    pub(crate) src_ip: Option<String>,
    pub(crate) payload: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
}

impl Sample {
    /// Row number `serial` of a stream whose rows are a millisecond apart.
    pub(crate) fn nth(serial: i64, random: &mut fastrand::Rng) -> Self {
        let received_at = BEGIN + serial * 1_000;
        let sent_at = random.bool().then(|| received_at - random.i64(0..5_000));
        let call = serial / 3 % 50;
        let class = [
            Class::Call,
            Class::Call,
            Class::Registration,
            Class::Log,
            Class::Options,
        ][usize::try_from(serial % 5).expect("small")];
        let is_sip = class != Class::Log;
        let payload = format!(
            "INVITE sip:{serial}@b.example SIP/2.0\r\nCall-ID: call-{call}\r\nX-Noise: {:x}\r\n\r\n",
            random.u64(..)
        );
        let frame = [b"head-".as_slice(), payload.as_bytes(), b"-tail"].concat();
        Self {
            serial,
            received_at,
            sent_at,
            class,
            call_id: is_sip.then(|| format!("call-{call}")),
            from_user: is_sip.then(|| format!("+33{:04}", random.u32(0..40))),
            method: (is_sip && random.bool()).then_some("INVITE"),
            status: (is_sip && random.bool()).then(|| random.i32(100..700)),
            src_ip: is_sip.then(|| format!("10.0.{}.{}", random.u8(0..3), random.u8(0..5))),
            envelope: enveloped(&frame, 5..5 + payload.len()),
            payload: payload.into_bytes(),
        }
    }

    pub(crate) fn many(from: i64, count: i64, seed: u64) -> Vec<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        (from..from + count)
            .map(|serial| Self::nth(serial, &mut random))
            .collect()
    }

    pub(crate) fn row(&self) -> Row<'_> {
        let mut row = Row::default();
        row.received_at = self.received_at;
        row.sent_at = self.sent_at;
        row.class = self.class;
        row.capture_id = Some(self.serial);
        row.call_id = self.call_id.as_deref();
        row.from_user = self.from_user.as_deref();
        row.method = self.method;
        row.status = self.status;
        row.src_ip = self.src_ip.as_deref();
        row.payload = &self.payload;
        row.envelope = &self.envelope;
        row
    }

    pub(crate) fn time(&self) -> i64 {
        self.sent_at.unwrap_or(self.received_at)
    }
}

/// The envelope of a frame whose payload is at `at`.
pub(crate) fn enveloped(frame: &[u8], at: Range<usize>) -> Vec<u8> {
    let mut row = Row::default();
    row.payload = frame.get(at.clone()).expect("it is there");
    let mut envelope = Vec::new();
    Envelope::new(frame)
        .with(Part::Payload, at)
        .encode_into(&row, &mut envelope);
    envelope
}

pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.memory = 128 << 20;
    options.node = Some(7);
    options.maintenance = Duration::ZERO;
    options
}

pub(crate) fn open(directory: &Path, options: Options) -> Store {
    Store::open(directory, options).expect("the store opens")
}

pub(crate) fn append(store: &Store, samples: &[Sample]) -> Ticket {
    let mut rows = RowBatchBuilder::default();
    for sample in samples {
        rows.push(&sample.row()).expect("small enough");
    }
    store.append(rows).expect("appended")
}

/// Serial numbers of everything, and how often each is there; fails where a row is not what was appended.
pub(crate) fn serials(store: &Store) -> BTreeMap<i64, usize> {
    let mut serials = BTreeMap::new();
    for rows in store.search(Search::default()).expect("searched") {
        for row in rows.expect("read").rows().iter() {
            *serials
                .entry(row.capture_id.expect("a serial"))
                .or_insert(0) += 1;
        }
    }
    serials
}

/// Serial numbers of what fits, in the order in which they are found.
pub(crate) fn find(store: &Store, search: Search) -> Vec<i64> {
    let mut serials = Vec::new();
    for rows in store.search(search).expect("searched") {
        serials.extend(
            rows.expect("read")
                .rows()
                .iter()
                .filter_map(|row| row.capture_id),
        );
    }
    serials
}

pub(crate) fn fitting(store: &Store, filter: Filter) -> Vec<i64> {
    find(store, Search::new(filter))
}

/// Checks that every sample is there once, equal in every column, and nothing else.
pub(crate) fn assert_all(store: &Store, samples: &[Sample]) {
    let expected: BTreeMap<i64, &Sample> = samples
        .iter()
        .map(|sample| (sample.serial, sample))
        .collect();
    let mut seen = BTreeMap::new();
    let mut before = i64::MAX;
    for rows in store.search(Search::default()).expect("searched") {
        let rows = rows.expect("read");
        for row in rows.rows().iter() {
            let serial = row.capture_id.expect("a serial");
            assert!(row.received_at <= before, "newest first");
            before = row.received_at;
            *seen.entry(serial).or_insert(0) += 1;
            let sample = expected
                .get(&serial)
                .unwrap_or_else(|| panic!("{serial} is not ours"));
            let mut same = sample.row();
            same.row_id = row.row_id;
            assert_eq!(row, same);
            let frame = [b"head-".as_slice(), &sample.payload, b"-tail"].concat();
            assert_eq!(row.frame(), Some(frame));
        }
    }
    assert_eq!(seen.len(), expected.len());
    assert!(seen.values().all(|times| *times == 1), "every row once");
}

/// Waits until what is hot is frozen; of a store whose disk is too full to write it.
pub(crate) fn freeze(store: &Store) {
    let wanted = store.stats().frozen + 1;
    while store.stats().frozen < wanted {
        assert!(
            !store.flush(Duration::from_millis(20)),
            "the disk is not full"
        );
    }
}

/// What a kill leaves: the files as they are now.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// Every file below `directory`.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
