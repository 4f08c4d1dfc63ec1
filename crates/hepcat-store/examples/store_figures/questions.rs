//! What is asked of the store, and what that costs.

use std::time::{Duration, Instant};

use hepcat_store::{Column, Filter, Search, Store, TextTest};
use hepcat_testkit::traffic::{Dialog, SipMessage, Traffic};
use nix::time::ClockId;
use serde_json::{Value, json};

use crate::{BEGIN, Fallible, SECOND, cpu};

pub(crate) fn ask(store: &Store, rows: u64, rate: f64) -> Fallible<Vec<Value>> {
    let sample: Vec<SipMessage> = Traffic::new(rate, BEGIN, 1)
        .take(usize::try_from(rows / 2)?.min(400_000))
        .filter(|message| message.dialog == Some(Dialog::Call))
        .collect();
    let picked = sample.last().ok_or("no traffic")?;
    let end = {
        let mut search = Search::default();
        search.limit = Some(1);
        let first = store.search(search)?.next().ok_or("no rows")??;
        first.rows().get(0).map_or(0, |row| row.received_at)
    };
    let text = |column, text: &str| Filter::is(column, text);
    let hour = end - 3_600 * SECOND..i64::MAX;
    let all = i64::MIN..i64::MAX;
    let prefix: String = picked.from_user.chars().take(9).collect();
    let questions: Vec<(&str, Filter, std::ops::Range<i64>, Option<u64>)> = vec![
        (
            "Call-ID exact, all",
            text(Column::CallId, &picked.call_id),
            all.clone(),
            None,
        ),
        (
            "from_user exact, all",
            text(Column::FromUser, &picked.from_user),
            all.clone(),
            None,
        ),
        (
            "from_user prefix, newest 200",
            Filter::Text(
                Column::FromUser,
                TextTest::glob(&format!("{prefix}*"), false)?,
            ),
            all.clone(),
            Some(200),
        ),
        (
            "to_user substring, all",
            Filter::Text(Column::ToUser, TextTest::contains("1234567", false)?),
            all.clone(),
            None,
        ),
        (
            "INVITE + 486, newest 200",
            Filter::All(vec![
                text(Column::CseqMethod, "INVITE"),
                Filter::equals(Column::Status, 486),
            ]),
            all.clone(),
            Some(200),
        ),
        ("newest 200", Filter::default(), all.clone(), Some(200)),
        (
            "src_ip exact, last hour",
            text(Column::SrcIp, &picked.source.0),
            hour.clone(),
            None,
        ),
        (
            "payload text, last hour",
            Filter::Text(Column::Payload, TextTest::contains("nonce=\"0000", false)?),
            hour.clone(),
            None,
        ),
        (
            "payload text in either case, last hour",
            Filter::Text(Column::Payload, TextTest::contains("NONCE=\"0000", true)?),
            hour,
            None,
        ),
    ];
    let mut figures = Vec::new();
    println!("queries over {rows} rows, page cache warm, best of 3 (wall ms, CPU ms)");
    for (name, filter, time, limit) in questions {
        let mut best = (Duration::MAX, Duration::ZERO);
        let (mut found_rows, mut report) = (0, None);
        for _ in 0..3 {
            let mut search = Search::new(filter.clone());
            search.time = time.clone();
            search.limit = limit;
            let (begun, before) = (Instant::now(), cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID));
            let mut found = store.search(search)?;
            found_rows = 0;
            for rows in found.by_ref() {
                found_rows += rows?.len();
            }
            let used = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(before);
            best = best.min((begun.elapsed(), used));
            report = Some(found.report());
        }
        let report = report.unwrap_or_default();
        println!(
            "  {name:40} {:9.1} {:9.1}   {found_rows} rows; row groups read {}, skipped {}",
            best.0.as_secs_f64() * 1e3,
            best.1.as_secs_f64() * 1e3,
            report.groups_read,
            report.groups_skipped
        );
        figures.push(json!({
            "what": name,
            "wall_ms": best.0.as_secs_f64() * 1e3,
            "cpu_ms": best.1.as_secs_f64() * 1e3,
            "rows": found_rows,
        }));
    }
    Ok(figures)
}
