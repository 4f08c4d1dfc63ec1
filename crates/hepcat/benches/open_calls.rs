//! What many open calls cost: `cargo bench -p hepcat --bench open_calls -- [MESSAGES PER SECOND] [SECONDS] [MIB]`.
//!
//! Traffic of realistic entropy, talk times of minutes, at a rate and for a time that are simulated: what is measured is CPU
//! time of the thread and octets of the heap, so that a busy machine changes them little.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    env,
    time::Duration,
};

use hepcat::call::{Change, Limits, Moment, Rules, Seen, Tracker};
use hepcat_testkit::traffic::Traffic;
use mimalloc::MiMalloc;
use nix::time::{ClockId, clock_gettime};

thread_local! {
    static OCTETS: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the thread has on the heap.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator that counts can only be written so; it hands everything on"
)]
// SAFETY: every call is the allocator's own, the one that the node has.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        OCTETS.set(OCTETS.get() + layout.size().cast_signed());
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        OCTETS.set(OCTETS.get() - layout.size().cast_signed());
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Messages that are made before they are measured.
const BURST: usize = 1_000;
/// How often calls are looked at, as the node does.
const LOOK_US: i64 = 250_000;
const BEGIN: i64 = 1_700_000_000_000_000;

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
}

/// What `work` takes on the heap, and how long it works.
#[derive(Debug, Default)]
struct Cost {
    time: Duration,
    octets: isize,
}

impl Cost {
    fn of<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (octets, begun) = (OCTETS.get(), cpu());
        let made = work();
        self.time += cpu().saturating_sub(begun);
        self.octets += OCTETS.get() - octets;
        made
    }
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "figures are what it is for"
)]
fn main() {
    let mut numbers = env::args().filter_map(|argument| argument.parse::<f64>().ok());
    let rate = numbers.next().unwrap_or(50_000.0);
    let seconds = numbers.next().unwrap_or(150.0);
    let mebibytes = env::args()
        .nth(3)
        .and_then(|argument| argument.parse::<usize>().ok());
    let mut limits = Limits::default();
    if let Some(mebibytes) = mebibytes {
        limits.max_octets = mebibytes << 20;
        limits.max_legs = limits.max_octets / 192;
    }
    let mut tracker = Tracker::new(limits, Rules::default(), 7);
    let mut traffic = Traffic::new(rate, BEGIN, 1);
    let (mut ingest, mut look) = (Cost::default(), Cost::default());
    let (mut messages, mut records, mut registrations, mut octets) = (0_u64, 0_u64, 0_u64, 0_usize);
    let (mut said, mut looked) = (BEGIN, BEGIN);
    let (mut row, mut scratch) = (Vec::new(), Vec::new());
    let (mut last_ingest, mut last_look, mut last_messages) = (Duration::ZERO, Duration::ZERO, 0);
    println!(
        "   s  legs open   parked  registrations  heap MiB  octets/leg  reckoned  ns/message  ns for looking  records/message  octets/record  evicted  cut short"
    );
    loop {
        let burst: Vec<_> = traffic.by_ref().take(BURST).collect();
        let Some(last) = burst.last().map(|message| message.at) else {
            return;
        };
        let ends: Vec<_> = burst
            .iter()
            .map(|message| {
                [&message.source, &message.destination].map(|(address, port)| {
                    format!("{address}:{port}")
                        .parse()
                        .expect("an address and a port")
                })
            })
            .collect();
        let seen: Vec<_> = burst
            .iter()
            .zip(ends)
            .map(|(message, [source, destination])| {
                let at = Moment::from_micros(message.at);
                Seen::new(1, at, "edge/2001", &message.payload)
                    .sent_at(at)
                    .between(source, destination)
            })
            .collect();
        ingest.of(|| {
            for seen in &seen {
                tracker.ingest(seen);
            }
        });
        messages += seen.len() as u64;
        if last - looked >= LOOK_US {
            looked = last;
            look.of(|| {
                tracker.expire(Moment::from_micros(last));
                for change in tracker.take_finished() {
                    match change {
                        Change::Call(call) => {
                            row.clear();
                            call.shorten(&mut row, &mut scratch).expect("plain data");
                            records += 1;
                            octets += row.len();
                        }
                        _ => registrations += 1,
                    }
                }
            });
        }
        if last - said >= 10_000_000 {
            said = last;
            let (open, counters) = (tracker.open(), tracker.counters());
            let since = (messages - last_messages) as f64;
            let heap = (ingest.octets + look.octets) as f64;
            println!(
                "{:>4}  {:>9}  {:>7}  {:>13}  {:>8.1}  {:>10.0}  {:>8.0}  {:>10.0}  {:>14.0}  {:>15.3}  {:>13}  {:>7}  {:>9}",
                (last - BEGIN) / 1_000_000,
                open.legs,
                open.parked,
                open.registrations,
                heap / f64::from(1 << 20),
                heap / open.legs.max(1) as f64,
                open.octets as f64 / open.legs.max(1) as f64,
                (ingest.time - last_ingest).as_nanos() as f64 / since,
                (look.time - last_look).as_nanos() as f64 / since,
                (records + registrations) as f64 / messages as f64,
                octets / usize::try_from(records).unwrap_or(1).max(1),
                counters.evicted,
                counters.cut_short,
            );
            (last_ingest, last_look, last_messages) = (ingest.time, look.time, messages);
            if (last - BEGIN) as f64 >= seconds * 1e6 {
                break;
            }
        }
    }
    let (mut held, mut copied) = (Cost::default(), Cost::default());
    let first = held.of(|| tracker.begin_saving()).expect("plain data");
    let (mut piece, mut rest, mut longest) = (Vec::with_capacity(300 << 10), 0, Duration::ZERO);
    loop {
        piece.clear();
        let before = copied.time;
        let is_last = copied.of(|| tracker.save_some(&mut piece, 256 << 10));
        longest = longest.max(copied.time - before);
        rest += piece.len();
        if is_last {
            break;
        }
    }
    println!(
        "saved: {} octets of JSON, {} of registrations, {rest} of legs; held for {:?} at once, then {:?} in pieces, the longest {longest:?}",
        first.state.len(),
        first.registrations.len(),
        held.time,
        copied.time
    );
}
