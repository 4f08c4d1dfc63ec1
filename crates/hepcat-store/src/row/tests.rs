use proptest::prelude::*;

use super::*;

/// Texts and octets from which rows borrow.
#[derive(Debug, Clone)]
struct Source {
    texts: Vec<Option<String>>,
    numbers: Vec<Option<i64>>,
    payload: Vec<u8>,
    envelope: Vec<u8>,
    class: usize,
}

fn source() -> impl Strategy<Value = Source> {
    (
        proptest::collection::vec(proptest::option::of("\\PC{0,12}"), 6),
        proptest::collection::vec(proptest::option::of(any::<i64>()), 6),
        proptest::collection::vec(any::<u8>(), 0..64),
        proptest::collection::vec(any::<u8>(), 0..16),
        0..Class::ALL.len(),
    )
        .prop_map(|(texts, numbers, payload, envelope, class)| Source {
            texts,
            numbers,
            payload,
            envelope,
            class,
        })
}

fn row(source: &Source) -> Row<'_> {
    let text = |index: usize| source.texts[index].as_deref();
    let number = |index: usize| source.numbers[index];
    #[expect(clippy::cast_possible_truncation, reason = "any number does")]
    let small = |index: usize| source.numbers[index].map(|number| number as i32);
    Row {
        class: Class::ALL[source.class],
        received_at: number(0).unwrap_or_default(),
        sent_at: number(1),
        capture_id: number(2),
        src_port: small(3),
        status: small(4),
        duration_us: number(5),
        call_id: text(0),
        from_user: text(1),
        record: text(2),
        labels: text(3),
        error_reason: text(4),
        agent: text(5),
        payload: &source.payload,
        envelope: &source.envelope,
        ..Row::default()
    }
}

proptest! {
    #[test]
    fn rows_come_back_from_columns_and_from_the_log(
        sources in proptest::collection::vec(source(), 0..20),
    ) {
        let mut builder = RowBatchBuilder::default();
        for source in &sources {
            builder.push(&row(source)).expect("small enough");
        }
        let (batch, octets) = builder.finish_with_frame();
        let octets = &octets[crate::log::FRAME_HEADER..];
        let expected: Vec<Row<'_>> = sources.iter().map(row).collect();
        prop_assert_eq!(&batch.rows().iter().collect::<Vec<_>>(), &expected);
        let again = decode(octets, sources.len()).expect("what was encoded");
        prop_assert_eq!(&again.rows().iter().collect::<Vec<_>>(), &expected);
        prop_assert_eq!(again.columns(), batch.columns());
    }

    #[test]
    fn damaged_rows_are_refused_or_read(octets: Vec<u8>, rows in 0_usize..40) {
        drop(decode(&octets, rows));
    }
}

#[test]
fn names_of_columns_are_portable_and_documented() {
    let document = include_str!("../../../../docs/store-format.md");
    for column in Column::ALL {
        let name = column.name();
        assert!(
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        );
        assert!(
            document.contains(&format!("| `{name}` |")),
            "{name} is not documented"
        );
        assert_eq!(Column::from_name(name), Some(*column));
    }
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
    assert_eq!(
        rows.count(),
        Column::ALL.len(),
        "the document has columns that there are not"
    );
}

#[test]
fn identities_have_three_parts() {
    let id = RowId::new(MAX_NODE, MAX_GENERATION, MAX_PLACE - 1);
    assert_eq!(id.get(), i64::MAX);
    assert_eq!((id.node(), id.generation()), (MAX_NODE, MAX_GENERATION));
    assert!(RowId::new(0, 1, 0) > RowId::new(0, 0, MAX_PLACE - 1));
}

#[test]
fn a_row_that_is_too_large_is_refused_and_the_batch_goes_on() {
    let payload = vec![b'x'; MAX_ROW_OCTETS];
    let mut builder = RowBatchBuilder::default();
    let large = Row {
        payload: &payload,
        ..Row::default()
    };
    assert!(builder.push(&large).is_err());
    builder.push(&Row::default()).expect("small enough");
    assert_eq!(builder.finish().len(), 1);
}
