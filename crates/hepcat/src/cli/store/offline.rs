//! A data directory that no node has open, looked at without changing what is kept there.

use std::path::Path;

use hepcat_store::{Inspection, OpenError, Retention};
use jiff::Timestamp;

use super::Failure;
use crate::{
    config::{Config, StoreConfig},
    node::spelled,
    state::{DirectoryLock, StateError},
    status::{CheckStatus, RetentionPlan, StoreReport, StoreStatus},
};

/// What a node would say of its clock in such a store: rows that are so much older than now are no reason to believe it.
const GAP_SECONDS: i64 = 7 * 86_400;

/// The directory, held for as long as somebody looks at it.
struct Held {
    inspection: Inspection,
    _lock: DirectoryLock,
}

pub(super) fn check(data_dir: &Path) -> Result<CheckStatus, Failure> {
    let held = hold(data_dir)?;
    let report = held.inspection.check();
    Ok(CheckStatus::new(&report, held.inspection.inventory().aside))
}

pub(super) fn stats(data_dir: &Path, config: Option<&Path>) -> Result<StoreReport, Failure> {
    let rules = rules(config)?;
    let inventory = hold(data_dir)?.inspection.inventory();
    let directory = StoreConfig::directory(data_dir);
    let status = StoreStatus::new(&directory, &inventory, &rules, Timestamp::now());
    Ok(StoreReport::new(status, &inventory))
}

pub(super) fn retention(data_dir: &Path, config: Option<&Path>) -> Result<RetentionPlan, Failure> {
    let rules = rules(config)?;
    let held = hold(data_dir)?;
    let now = Timestamp::now();
    let expired = held.inspection.retention(&rules, now.as_microsecond());
    let newest = held.inspection.inventory().received;
    let gap = newest.map_or(0, |(_, newest)| now.as_second() - newest / 1_000_000);
    Ok(RetentionPlan::new(
        &expired,
        &rules,
        gap <= GAP_SECONDS,
        false,
    ))
}

fn rules(config: Option<&Path>) -> Result<Retention, Failure> {
    match config {
        Some(file) => match Config::load(file) {
            Ok(config) => Ok(config.store.retention),
            Err(faults) => Err(Failure::Configuration(faults)),
        },
        None => Ok(StoreConfig::default().retention),
    }
}

/// Takes the directory as a node would, unless there is no store in it.
fn hold(data_dir: &Path) -> Result<Held, Failure> {
    let directory = StoreConfig::directory(data_dir);
    if !directory.is_dir() {
        let why = format!(
            "there is no store in {}: name the directory that `data_dir` of [node] names",
            data_dir.display()
        );
        return Err(Failure::Directory(why));
    }
    let lock = DirectoryLock::take(data_dir).map_err(|error| Failure::Directory(in_use(&error)))?;
    let inspection = Inspection::open(&directory)
        .map_err(|error: OpenError| Failure::Directory(spelled(&error)))?;
    Ok(Held {
        inspection,
        _lock: lock,
    })
}

fn in_use(error: &StateError) -> String {
    match error {
        StateError::Locked { .. } => format!(
            "{}: ask that node (`--node URL`), or stop it",
            spelled(error)
        ),
        _ => spelled(error),
    }
}
