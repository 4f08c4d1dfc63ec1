//! What was appended is found: from memory, from the log, from segments, each row once and equal.

mod kit;

use hepcat_store::{
    Cancel, Class, Column, Filter, Fsync, OpenError, RowId, RowTest, Search, SearchError, Store,
    TextTest,
};
use kit::{LIMIT, Sample, append, assert_all, copy_tree, find, fitting, open, options};

#[test]
fn rows_are_found_before_and_after_each_step_of_their_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 3_000, 1);
    let store = open(directory.path(), options());
    let tickets: Vec<_> = samples
        .chunks(100)
        .map(|chunk| append(&store, chunk))
        .collect();
    for ticket in &tickets {
        assert_eq!(ticket.wait().expect("kept").rows, 100);
    }
    assert_all(&store, &samples);
    assert!(store.flush(LIMIT));
    assert_eq!(
        (store.stats().rows_in_memory, store.stats().rows_in_segments),
        (0, 3_000)
    );
    assert_all(&store, &samples);
    store.close();
    let store = open(directory.path(), options());
    assert_all(&store, &samples);
    assert_eq!(store.stats().kept, 0);
}

#[test]
fn rows_are_visible_as_soon_as_their_ticket_is_done_and_for_every_policy() {
    for fsync in [Fsync::Always, Fsync::Interval(LIMIT / 3_000), Fsync::Never] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = options();
        options.fsync = fsync;
        let store = open(directory.path(), options);
        for sample in Sample::many(0, 20, 2).chunks(1) {
            append(&store, sample).wait().expect("kept");
            let first = find(&store, {
                let mut search = Search::default();
                search.limit = Some(1);
                search
            });
            assert_eq!(first, [sample[0].serial]);
        }
        assert_eq!(store.stats().kept, 20);
    }
}

#[test]
fn a_log_that_was_not_closed_is_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 500, 3);
    let store = open(directory.path(), options());
    for chunk in samples.chunks(50) {
        append(&store, chunk).wait().expect("kept");
    }
    // What a kill leaves: the files as they are now.
    copy_tree(directory.path(), copy.path());
    let killed = open(copy.path(), options());
    assert_eq!(killed.stats().replayed, 500);
    assert_all(&killed, &samples);
}

#[test]
fn two_nodes_on_one_directory_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    let second = Store::open(directory.path(), options());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    drop(store);
    open(directory.path(), options());
}

#[test]
fn filters_mean_the_same_in_memory_and_in_segments() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 2_000, 4);
    let store = open(directory.path(), options());
    append(&store, &samples).wait().expect("kept");
    let questions = [
        Filter::is(Column::CallId, "call-7"),
        Filter::is(Column::CallId, "no such call"),
        Filter::Class(vec![Class::Log]),
        Filter::Text(
            Column::FromUser,
            TextTest::glob("+330?1*", false).expect("a pattern"),
        ),
        Filter::Text(
            Column::Payload,
            TextTest::contains("SIP:1234@B", true).expect("a text"),
        ),
        Filter::Text(
            Column::Method,
            TextTest::is_one_of_ignoring_case(["invite"]),
        ),
        Filter::Number(Column::Status, vec![400..=499, 180..=189]),
        Filter::Present(Column::Status).negated(),
        Filter::Text(
            Column::SrcIp,
            TextTest::addresses(vec![
                "10.0.1.0".parse().expect("an address")..="10.0.1.255".parse().expect("an address"),
            ]),
        ),
        Filter::All(vec![
            Filter::is(Column::Method, "INVITE"),
            Filter::Any(vec![
                Filter::equals(Column::Status, 486),
                Filter::is(Column::FromUser, "+330007").negated(),
            ]),
        ]),
        Filter::Any(Vec::new()),
    ];
    let before: Vec<Vec<i64>> = questions
        .iter()
        .map(|one| fitting(&store, one.clone()))
        .collect();
    assert!(store.flush(LIMIT));
    let after: Vec<Vec<i64>> = questions
        .iter()
        .map(|one| fitting(&store, one.clone()))
        .collect();
    assert_eq!(before, after);
    let sizes: Vec<bool> = before.iter().map(Vec::is_empty).collect();
    assert_eq!(sizes.iter().filter(|empty| **empty).count(), 2, "{sizes:?}");
    let expected: Vec<i64> = samples
        .iter()
        .rev()
        .filter(|sample| sample.call_id.as_deref() == Some("call-7"))
        .map(|sample| sample.serial)
        .collect();
    assert_eq!(before[0], expected);
}

#[test]
fn a_cursor_goes_on_where_the_last_search_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 1_000, 5);
    let store = open(directory.path(), options());
    append(&store, &samples[..600]).wait().expect("kept");
    assert!(store.flush(LIMIT));
    append(&store, &samples[600..]).wait().expect("kept");
    let mut search = Search::default();
    search.limit = Some(70);
    let mut all = Vec::new();
    loop {
        let mut found = store.search(search.clone()).expect("searched");
        let mut rows = 0;
        for batch in found.by_ref() {
            let batch = batch.expect("read");
            rows += batch.len();
            all.extend(batch.rows().iter().filter_map(|row| row.capture_id));
        }
        if rows == 0 {
            break;
        }
        let cursor = found.cursor().expect("rows were found");
        search.after = Some(cursor.to_string().parse().expect("a cursor"));
    }
    assert_eq!(all, (0..1_000).rev().collect::<Vec<_>>());
}

#[test]
fn rows_are_read_by_their_identities_wherever_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 900, 8);
    let store = open(directory.path(), options());
    let mut ids = Vec::new();
    for (round, chunk) in samples.chunks(300).enumerate() {
        let first = append(&store, chunk).wait().expect("kept").first;
        ids.extend((0..300).map(|row| RowId::from_number(first.get() + row)));
        if round < 2 {
            assert!(store.flush(LIMIT));
        }
    }
    // The same one twice, one that never was.
    let wanted = [ids[0], ids[450], ids[0], ids[899], RowId::from_number(3)];
    let mut found = store.read(&wanted).expect("searched");
    let mut rows = Vec::new();
    for batch in found.by_ref() {
        for row in batch.expect("read").rows().iter() {
            rows.push((row.id(), row.capture_id.expect("a serial")));
        }
    }
    assert_eq!(rows, [(ids[899], 899), (ids[450], 450), (ids[0], 0)]);
    // Of the first generation, only the segment that begins with row 0; of the second, those of its four classes.
    assert_eq!(found.report().segments, 5);
    assert_eq!(store.read(&[]).expect("searched").count(), 0);
}

#[test]
fn a_search_ends_when_it_is_cancelled_late_or_too_large() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    append(&store, &Sample::many(0, 1_000, 6))
        .wait()
        .expect("kept");
    let cancel = Cancel::default();
    let mut search = Search::default();
    search.cancel = cancel.clone();
    let mut found = store.search(search).expect("searched");
    cancel.cancel();
    assert!(matches!(found.next(), Some(Err(SearchError::Cancelled))));
    assert!(found.next().is_none());
    let mut search = Search::default();
    search.deadline = Some(std::time::Duration::ZERO);
    let mut found = store.search(search).expect("searched");
    assert!(matches!(found.next(), Some(Err(SearchError::Deadline))));
    let mut search = Search::default();
    search.memory = 1_000;
    let mut found = store.search(search).expect("searched");
    assert!(matches!(found.next(), Some(Err(SearchError::Memory))));
}

#[test]
fn tests_of_whole_rows_see_words_that_a_segment_keeps_in_a_dictionary() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 1_000, 9);
    let store = open(directory.path(), options());
    append(&store, &samples[..500]).wait().expect("kept");
    assert!(store.flush(LIMIT));
    append(&store, &samples[500..]).wait().expect("kept");
    let columns = vec![Column::FromUser, Column::SrcIp];
    let test = RowTest::new(columns, |row| {
        let user = row.from_user.is_some_and(|user| user.ends_with('7'));
        user && row.src_ip.is_some_and(|ip| ip.starts_with("10.0.1."))
    });
    let mut found = find(&store, Search::new(Filter::Rows(test)));
    found.sort_unstable();
    let fits = |sample: &&Sample| {
        let user = (sample.from_user.as_deref()).is_some_and(|user| user.ends_with('7'));
        user && (sample.src_ip.as_deref()).is_some_and(|ip| ip.starts_with("10.0.1."))
    };
    let expected: Vec<i64> = samples
        .iter()
        .filter(fits)
        .map(|sample| sample.serial)
        .collect();
    assert!(expected.first().is_some_and(|first| *first < 500));
    assert_eq!(found, expected);
}
