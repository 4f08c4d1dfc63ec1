//! The engine, asked: without HTTP, and without what makes JSON of rows.

use std::{
    fs,
    ops::Range,
    time::{Duration, Instant},
};

use hepcat_store::{Column, Filter, Search, Store, TextTest};
use nix::time::ClockId;
use serde_json::{Value, json};

use crate::{Fallible, cpu, samples::Samples};

/// Samples that each question is asked with.
const SAMPLES: usize = 5;

struct Question {
    name: &'static str,
    hours: i64,
    limit: Option<u64>,
    /// One for each sample.
    filters: Vec<Filter>,
}

/// Asks everything, each question once with a cold page cache where that can be had, then warm.
pub(crate) fn ask(store: &Store, samples: &Samples) -> Fallible<Vec<Value>> {
    println!("the engine, milliseconds: cold once, warm the median and most of {SAMPLES} samples");
    let mut figures = Vec::new();
    for question in questions(samples)? {
        let range = samples.since(question.hours)..samples.end;
        let first = question.filters.first().ok_or("no samples")?;
        // The octets of segments leave memory; what the store itself remembers of them stays.
        let dropped = fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
        let (cold, _) = search(store, first, &range, question.limit)?;
        let mut walls = Vec::new();
        let (mut used, mut rows) = (Duration::ZERO, 0);
        for filter in &question.filters {
            // The first time brings pages in.
            search(store, filter, &range, question.limit)?;
            let before = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID);
            let (wall, found) = search(store, filter, &range, question.limit)?;
            used += cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(before);
            walls.push(wall.as_secs_f64() * 1e3);
            rows += found;
        }
        walls.sort_by(f64::total_cmp);
        let median = walls.get(walls.len() / 2).copied().unwrap_or(f64::NAN);
        let most = walls.last().copied().unwrap_or(f64::NAN);
        let count = question.filters.len().max(1);
        let cold = dropped.then_some(cold.as_secs_f64() * 1e3);
        let cpu_ms = used.as_secs_f64() * 1e3 / count as f64;
        let rows = rows as f64 / count as f64;
        println!(
            "  {:24} {:>3} h  cold {:>8}  warm {median:8.1}  most {most:8.1}  CPU {cpu_ms:8.1}  {rows:.0} rows",
            question.name,
            question.hours,
            cold.map_or_else(|| "-".to_owned(), |cold| format!("{cold:.1}"))
        );
        figures.push(json!({
            "what": question.name,
            "hours": question.hours,
            "cold_ms": cold,
            "warm_ms": median,
            "most_ms": most,
            "cpu_ms": cpu_ms,
            "rows": rows,
        }));
    }
    Ok(figures)
}

fn search(
    store: &Store,
    filter: &Filter,
    range: &Range<i64>,
    limit: Option<u64>,
) -> Fallible<(Duration, u64)> {
    let mut search = Search::new(filter.clone());
    search.time = range.clone();
    search.limit = limit;
    let begun = Instant::now();
    let mut found = 0;
    for rows in store.search(search)? {
        found += rows?.len() as u64;
    }
    Ok((begun.elapsed(), found))
}

fn questions(samples: &Samples) -> Fallible<Vec<Question>> {
    let mut questions = Vec::new();
    let mut add = |name, hours: &[i64], limit, filters: Vec<Filter>| {
        questions.extend(hours.iter().map(|&hours| Question {
            name,
            hours,
            limit,
            filters: filters.clone(),
        }));
    };
    let messages = || Filter::Present(Column::Record).negated();
    let spread = |texts: &[String]| -> Vec<String> {
        let step = (texts.len() / SAMPLES).max(1);
        texts
            .iter()
            .rev()
            .step_by(step)
            .take(SAMPLES)
            .cloned()
            .collect()
    };
    let call_ids = spread(&samples.call_ids);
    let of_call = |id: &String| Filter::All(vec![messages(), Filter::is(Column::CallId, id)]);
    add(
        "Call-ID exact",
        &[24, 6, 1],
        None,
        call_ids.iter().map(of_call).collect(),
    );
    let of_user = |user: &String| {
        let either = [Column::FromUser, Column::ToUser].map(|column| Filter::is(column, user));
        Filter::All(vec![messages(), Filter::Any(either.into())])
    };
    let users = spread(&samples.users);
    add(
        "user exact",
        &[24, 6, 1],
        None,
        users.iter().map(of_user).collect(),
    );
    let statuses = [486, 404, 480, 503, 487];
    let of_status =
        |status: i64| Filter::All(vec![messages(), Filter::equals(Column::Status, status)]);
    add(
        "newest 200 of a status",
        &[24, 1],
        Some(200),
        statuses.into_iter().map(of_status).collect(),
    );
    let tags = spread(&samples.tags);
    let of_tag = |tag: &String| -> Fallible<Filter> {
        let test = TextTest::contains(&format!("ftag={tag}"), true)?;
        Ok(Filter::All(vec![
            messages(),
            Filter::Text(Column::Payload, test),
        ]))
    };
    add(
        "payload text",
        &[1, 2, 4],
        None,
        tags.iter().map(of_tag).collect::<Fallible<_>>()?,
    );
    Ok(questions)
}
