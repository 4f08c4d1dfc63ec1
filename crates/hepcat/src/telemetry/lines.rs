//! Lines of the log on their way to standard error, which may be slow, stuck, full or gone.
//!
//! Whoever logs puts a line into a bounded queue and goes on; one thread writes. What finds no room, or cannot be
//! written, is counted, and said as soon as a line can be written again.

use std::{
    collections::VecDeque,
    io::{self, Write},
    mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Octets that wait at most: two thousand lines, more than a node says in a bad minute.
const MOST_OCTETS: usize = 256 << 10;

/// How long the end of the program waits for the last lines: a reader that lives takes them at once, and a supervisor
/// is not kept waiting by one that does not.
const GRACE: Duration = Duration::from_secs(1);

/// The queue's entrance. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
}

/// Waits, when dropped, until the last lines are written, for a second at most.
#[derive(Debug)]
pub(crate) struct LastLines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A line came.
    filled: Condvar,
    /// All lines are written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Box<[u8]>>,
    octets: usize,
    /// A line is being written.
    writing: bool,
    /// Lines lost since this was said last.
    lost: u64,
}

impl Lines {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LastLines)> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // It ends with the process: a write that never returns could not be waited for.
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all_to(out, &theirs))?;
        let last = LastLines {
            shared: Arc::clone(&shared),
        };
        Ok((Self { shared }, last))
    }
}

impl Write for Lines {
    /// Takes a line, or counts it as lost.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        if state.octets + line.len() > MOST_OCTETS {
            state.lost += 1;
        } else {
            state.octets += line.len();
            state.waiting.push_back(line.into());
            drop(state);
            self.shared.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let until = Instant::now() + GRACE;
        let mut state = self.shared.state.lock();
        while state.writing || !state.waiting.is_empty() {
            if self
                .shared
                .emptied
                .wait_until(&mut state, until)
                .timed_out()
            {
                return;
            }
        }
    }
}

impl Shared {
    /// Waits for the next line.
    fn next(&self) -> Box<[u8]> {
        let mut state = self.state.lock();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.writing = true;
                return line;
            }
            self.filled.wait(&mut state);
        }
    }

    /// Notes how a line went; how many lost ones are to be said now.
    fn done(&self, line: &[u8], written: bool) -> u64 {
        let mut state = self.state.lock();
        state.writing = false;
        state.octets -= line.len();
        let lost = if written {
            mem::take(&mut state.lost)
        } else {
            state.lost += 1;
            0
        };
        self.tell_if_empty(&state);
        lost
    }

    fn tell_if_empty(&self, state: &MutexGuard<'_, State>) {
        if state.waiting.is_empty() {
            self.emptied.notify_all();
        }
    }
}

fn write_all_to(mut out: impl Write, shared: &Shared) {
    loop {
        let line = shared.next();
        let written = out.write_all(&line).and_then(|()| out.flush()).is_ok();
        let lost = shared.done(&line, written);
        if lost > 0 {
            // A line like any other, in the form that the log has: it waits behind those that were kept.
            tracing::warn!(lines = lost, "log lines lost, standard error took none");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Takes a line for each permit, and fails where the permit says so.
    struct Gate {
        permits: Receiver<bool>,
        taken: SyncSender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match self.permits.recv() {
                Ok(true) => {}
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.taken.send(line.to_vec()).expect("the test looks on");
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Lines, LastLines, SyncSender<bool>, Receiver<Vec<u8>>) {
        let (permit, permits) = sync_channel(100);
        let (taken, lines) = sync_channel(100);
        let (queue, last) = Lines::start(Gate { permits, taken }).expect("a thread");
        (queue, last, permit, lines)
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (mut queue, last, permit, lines) = gated();
        for line in [b"one\n", b"two\n"] {
            queue.write_all(line).expect("always taken");
            permit.send(true).expect("it writes");
        }
        drop(last);
        assert_eq!(
            lines.iter().take(2).collect::<Vec<_>>(),
            [b"one\n", b"two\n"]
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_holds_up_nobody() {
        let (mut queue, _last, _permit, _lines) = gated();
        let line = [b'x'; 1024];
        for _ in 0..MOST_OCTETS / 1024 + 5 {
            queue.write_all(&line).expect("always taken");
        }
        assert_eq!(queue.shared.state.lock().lost, 5);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_with_the_next_that_can() {
        let (shared, line) = (Shared::default(), b"line");
        shared.state.lock().octets = 3 * line.len();
        assert_eq!(shared.done(line, false), 0);
        assert_eq!(shared.done(line, false), 0);
        assert_eq!(shared.done(line, true), 2);
        assert_eq!(shared.state.lock().lost, 0);
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_that_takes_nothing() {
        let (mut queue, last, _permit, _lines) = gated();
        queue.write_all(b"never read\n").expect("always taken");
        let started = Instant::now();
        drop(last);
        assert!(started.elapsed() < GRACE * 10);
    }
}
