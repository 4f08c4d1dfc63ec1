//! Where everything lies, and how it is called.

use std::path::{Path, PathBuf};

use crate::manifest::SegmentEntry;

/// Names of files in one directory of a store.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

const MICROSECONDS_PER_HOUR: i64 = 3_600_000_000;

/// The hour, counted from 1970, in which a time lies.
pub(crate) fn hour_of(microseconds: i64) -> i64 {
    microseconds.div_euclid(MICROSECONDS_PER_HOUR)
}

/// When an hour ends.
pub(crate) fn end_of_hour(hour: i64) -> i64 {
    (hour + 1).saturating_mul(MICROSECONDS_PER_HOUR)
}

impl Paths {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join("manifest")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn log_file(&self, generation: u32) -> PathBuf {
        self.log().join(format!("{generation:010}.log"))
    }

    /// Where a log file waits for being written over.
    pub(crate) fn spare_log(&self, generation: u32) -> PathBuf {
        self.temporary().join(format!("{generation:010}.log"))
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    /// The directory of a partition.
    pub(crate) fn partition(&self, hour: i64) -> PathBuf {
        let (year, month, day) = civil(hour.div_euclid(24));
        self.segments()
            .join(format!("date={year:04}-{month:02}-{day:02}"))
            .join(format!("hour={:02}", hour.rem_euclid(24)))
    }

    pub(crate) fn segment(&self, node: u16, entry: &SegmentEntry) -> PathBuf {
        self.partition(entry.hour).join(segment_name(node, entry))
    }

    pub(crate) fn directories(&self) -> [PathBuf; 4] {
        [self.log(), self.temporary(), self.aside(), self.segments()]
    }
}

/// The generation that a log file is named after.
pub(crate) fn generation_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 10).then(|| digits.parse().ok())?
}

fn segment_name(node: u16, entry: &SegmentEntry) -> String {
    format!(
        "{}-{}-{}-l{}-{node:03x}-{:016x}.parquet",
        entry.class.name(),
        entry.received.0,
        entry.received.1,
        entry.level,
        entry.number
    )
}

/// Year, month and day of a day counted from 1970: the proleptic Gregorian calendar, by counting eras of 400 years
/// that begin on the first of March (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_by_date_and_hour() {
        let paths = Paths::new(Path::new("/s"));
        let named = |hour| paths.partition(hour).to_string_lossy().into_owned();
        assert_eq!(named(0), "/s/segments/date=1970-01-01/hour=00");
        assert_eq!(named(-1), "/s/segments/date=1969-12-31/hour=23");
        assert_eq!(named(498_734), "/s/segments/date=2026-11-23/hour=14");
        assert_eq!(
            named(11_016 * 24 + 5),
            "/s/segments/date=2000-02-29/hour=05"
        );
    }

    #[test]
    fn log_files_are_named_by_generation() {
        let name = Paths::new(Path::new("/s")).log_file(42);
        let name = name
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert_eq!(generation_of(name), Some(42));
        assert_eq!(generation_of("42.log"), None);
        assert_eq!(generation_of("0000000042.tmp"), None);
    }
}
