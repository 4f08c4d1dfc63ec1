//! A callback that did not answer: what is counted of it, and which of it deserves a line in the log.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::flow::{Failure, Flow};

/// At most one line in this time for each callback.
const LOG_PERIOD: Duration = Duration::from_secs(1);

/// How a callback failed.
#[derive(Debug)]
pub(super) enum Fault {
    Error(Failure),
    Panic(String),
    TimeLimit(Duration),
}

impl Fault {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Panic(_) => "panic",
            Self::TimeLimit(_) => "time_limit",
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Error(error) => error.to_string(),
            Self::Panic(words) => words.clone(),
            Self::TimeLimit(limit) => format!("no answer within {limit:?}"),
        }
    }
}

/// Runs code of somebody else's. Whatever state it leaves behind when it panics is its own affair.
pub(super) fn isolated<T>(run: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Fault::Panic(words_of(&*panic)))
}

/// Runs a future of somebody else's, at most as long as the limit.
pub(super) async fn isolated_future(
    future: impl Future<Output = Result<Flow, Failure>>,
    limit: Duration,
) -> Result<Flow, Fault> {
    let mut future = pin!(future);
    let guarded =
        std::future::poll_fn(|context| match isolated(|| future.as_mut().poll(context)) {
            Ok(poll) => poll.map(|answer| answer.map_err(Fault::Error)),
            Err(fault) => std::task::Poll::Ready(Err(fault)),
        });
    tokio::time::timeout(limit, guarded)
        .await
        .unwrap_or(Err(Fault::TimeLimit(limit)))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    if let Some(words) = panic.downcast_ref::<&str>() {
        (*words).to_owned()
    } else if let Some(words) = panic.downcast_ref::<String>() {
        words.clone()
    } else {
        "a panic without words".to_owned()
    }
}

/// Lets one line through in each period, and remembers how many it held back.
#[derive(Debug, Default)]
pub(super) struct LogGate(Mutex<Gate>);

#[derive(Debug, Default)]
struct Gate {
    opens_at: Option<Instant>,
    held_back: u64,
}

impl LogGate {
    /// How many lines were held back since the last one, where a line may be written now.
    pub(super) fn pass(&self, now: Instant) -> Option<u64> {
        let mut gate = self.0.lock();
        if gate.opens_at.is_some_and(|opens_at| now < opens_at) {
            gate.held_back += 1;
            return None;
        }
        gate.opens_at = Some(now + LOG_PERIOD);
        Some(std::mem::take(&mut gate.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_there_were() {
        let (gate, start) = (LogGate::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(gate.pass(at(0)), Some(0));
        assert_eq!(gate.pass(at(1)), None);
        assert_eq!(gate.pass(at(999)), None);
        assert_eq!(gate.pass(at(1000)), Some(2));
        assert_eq!(gate.pass(at(3000)), Some(0));
    }
}
