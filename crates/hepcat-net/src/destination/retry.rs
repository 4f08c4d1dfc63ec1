//! Between two attempts: what a failure does to the link's state, and how long to wait.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;

use super::{LinkError, LinkState, Shared, breaker::STABLE};

/// When `limit` from `start` is over; for a limit beyond what a clock can say, in thirty years.
pub(super) fn deadline(start: Instant, limit: Duration) -> Instant {
    start
        .checked_add(limit)
        .unwrap_or_else(|| start + Duration::from_hours(30 * 365 * 24))
}

/// Failures in a row, and when the link last came up.
#[derive(Debug, Default)]
pub(super) struct Retry {
    failures: u32,
    up_since: Option<Instant>,
    hurried: bool,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    On,
    Stop,
}

impl Retry {
    /// An attempt to connect begins.
    pub(super) fn attempt(shared: &Shared) {
        let now = Instant::now();
        shared.queue.link(|link, _| {
            link.attempting = true;
            if link.state == LinkState::CoolingDown {
                link.enter(LinkState::Down, now);
            }
        });
    }

    /// The link is up.
    pub(super) fn connected(&mut self, shared: &Shared, peer: SocketAddr) {
        let now = Instant::now();
        self.up_since = Some(now);
        let log = shared.queue.link(|link, counters| {
            counters.connects += 1;
            link.up(peer, now)
        });
        if log {
            tracing::info!(destination = shared.config.name(), %peer, "destination up");
        }
    }

    /// The connection was given up because the name leads elsewhere now: no failure.
    pub(super) fn moved(&mut self, shared: &Shared) {
        let now = Instant::now();
        self.up_since = None;
        shared.queue.link(|link, counters| {
            counters.moves += 1;
            link.enter(LinkState::Connecting, now);
            link.peer = None;
        });
    }

    /// An attempt or a connection has failed: notes it, and waits until the next attempt is due.
    pub(super) async fn failed(&mut self, shared: &Shared, error: &LinkError) -> Go {
        let now = Instant::now();
        let was_up = self.up_since.take();
        if was_up.is_some_and(|since| now.duration_since(since) >= STABLE) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let (state, pause) = self.next_pause(shared);
        self.note(shared, error, state, was_up.is_some(), now);
        self.wait(shared, pause).await
    }

    fn next_pause(&self, shared: &Shared) -> (LinkState, Duration) {
        match shared.config.retry_limit {
            Some(limit) if self.failures >= limit.max_retries => {
                (LinkState::CoolingDown, limit.cooldown)
            }
            _ => {
                let pause = shared.config.backoff.delay(self.failures, fastrand::f64());
                (LinkState::Down, pause)
            }
        }
    }

    fn note(
        &self,
        shared: &Shared,
        error: &LinkError,
        state: LinkState,
        was_up: bool,
        now: Instant,
    ) {
        let words = error.in_words();
        let silent = shared.queue.link(|link, counters| {
            if was_up {
                counters.disconnects += 1;
            } else {
                counters.connect_failures += 1;
            }
            counters.send_timeouts += u64::from(matches!(error, LinkError::SendTimeout { .. }));
            counters.cooldowns += u64::from(state == LinkState::CoolingDown);
            counters.breaker_opened += u64::from(link.count_failures(self.failures));
            link.failed(state, words.clone(), error.reason(), now)
        });
        shared.queue.attempt_failed();
        let destination = shared.config.name();
        match silent {
            Some(passed_over) => tracing::warn!(
                destination,
                reason = error.reason(),
                error = words,
                failures = self.failures,
                passed_over,
                "destination down"
            ),
            None => tracing::debug!(destination, error = words, "attempt failed"),
        }
    }

    /// Waits for `pause`. The beginning of a drain cuts it short, once.
    async fn wait(&mut self, shared: &Shared, pause: Duration) -> Go {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return Go::Stop,
                () = &mut over => return Go::On,
                () = shared.queue.woken() => {
                    if shared.queue.is_drained() {
                        return Go::Stop;
                    }
                    if shared.queue.is_draining() && !std::mem::replace(&mut self.hurried, true) {
                        return Go::On;
                    }
                }
            }
        }
    }
}

/// Runs one attempt to connect under everything that may end it or change how it counts.
pub(super) async fn attempt<T>(
    shared: &Shared,
    connecting: impl Future<Output = Result<T, LinkError>>,
) -> Option<Result<T, LinkError>> {
    Retry::attempt(shared);
    let mut young = true;
    let age = tokio::time::sleep(shared.config.mode.local_connect_timeout());
    tokio::pin!(age, connecting);
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return None,
            outcome = &mut connecting => return Some(outcome),
            () = &mut age, if young => {
                young = false;
                let now = Instant::now();
                shared.queue.link(|link, _| link.enter(LinkState::Down, now));
            }
            () = shared.queue.woken() => {
                if shared.queue.is_drained() {
                    return None;
                }
            }
        }
    }
}
