//! What following a call costs in memory: nothing for a message of a known call that tells nothing new, and a bounded
//! amount for each open leg.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use hepcat::call::{Limits, Rules, Tracker};
use hepcat_testkit::scene::Scene;

#[path = "calls/feed.rs"]
#[expect(dead_code, reason = "shared with the tests of calls")]
mod feed;
#[path = "calls/scenes.rs"]
#[expect(dead_code, reason = "shared with the tests of calls")]
mod scenes;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static OCTETS: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the thread that asks allocates.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator that counts can only be written so; it hands everything on"
)]
// SAFETY: every call is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        OCTETS.set(OCTETS.get() + layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        OCTETS.set(OCTETS.get() - layout.size().cast_signed());
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_message_of_a_known_call_allocates_nothing_when_it_says_nothing_new() {
    let scene = scenes::basic("1@a");
    let mut tracker = feed::tracker();
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&feed::seen(row, observation));
    }
    let before = ALLOCATIONS.get();
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&feed::seen(row, observation));
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn following_whole_calls_allocates_a_few_times_per_call() {
    let scenes: Vec<Scene> = (0..1_000)
        .map(|number| scenes::basic(&format!("{number:08x}@10.0.0.1")))
        .collect();
    let mut tracker = feed::tracker();
    let (mut messages, mut allocations) = (0, 0);
    for scene in &scenes {
        for (row, observation) in (1..).zip(&scene.observations) {
            let seen = feed::seen(row, observation);
            let before = ALLOCATIONS.get();
            tracker.ingest(&seen);
            allocations += ALLOCATIONS.get() - before;
            messages += 1;
        }
    }
    eprintln!("{allocations} allocations for {messages} messages of 1,000 calls");
    assert!(allocations <= 4 * messages, "{allocations} for {messages}");
}

#[test]
fn an_open_leg_takes_about_two_kilobytes() {
    const LEGS: isize = 10_000;
    let mut limits = Limits::default();
    limits.max_legs = 20_000;
    let mut tracker = Tracker::new(limits, Rules::default(), 7);
    let mut scene = Scene::new();
    let mut taken = 0;
    for number in 0..LEGS {
        scene.observations.clear();
        let call = scenes::basic(&format!("{number:08x}-1234-5678@10.0.0.1"));
        scene.observations.extend(call.observations);
        let before = OCTETS.get();
        for (row, observation) in (1..).zip(&scene.observations) {
            tracker.ingest(&feed::seen(row, observation));
        }
        taken += OCTETS.get() - before;
    }
    let each = taken / LEGS;
    eprintln!("{each} octets for each open leg of 7 messages");
    assert!((500..2_600).contains(&each), "{each}");
    let reckoned = isize::try_from(tracker.open().octets).unwrap() / LEGS;
    assert!(
        (each - reckoned).abs() * 4 < each,
        "{each} are reckoned as {reckoned}"
    );
}
