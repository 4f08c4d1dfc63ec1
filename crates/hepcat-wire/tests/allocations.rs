//! Decoding a message and reading its fields allocates nothing.
#![expect(unsafe_code, reason = "a counting allocator cannot be had without")]

mod hex;
mod vectors;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    time::Duration,
};

use bytes::Bytes;
use hepcat_wire::{AuthKeys, Message};
use vectors::vector;

struct Counting;

thread_local! {
    /// Of this thread only: the test runner has threads of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn decoding_and_reading_every_field_allocates_nothing() {
    let files = [
        "kamailio-v1-ipv4-udp-invite.hex",
        "sngrep-v2-ipv6-udp-invite.hex",
        "kamailio-v3-ipv4-udp-corr-invite.hex",
        "opensips-v3-ipv4-udp-h6-invite.hex",
        "heplify-v3-ipv6-udp-invite.hex",
    ];
    let keys = AuthKeys::new(["vectorpw"]);
    for file in files {
        let frame = Bytes::from(vector(file));
        let copy = frame.clone();
        let counted = allocations(|| {
            let message = Message::parse_lax(copy).unwrap();
            read(&message);
            _ = black_box(keys.check(&message));
            black_box(message.chunks().count());
            let again = message.clone();
            black_box(Message::parse(&frame[..]).unwrap());
            black_box(again.into_inner());
        });
        assert_eq!(counted, 0, "{file}");
    }
    // The counter counts.
    assert_eq!(allocations(|| drop(black_box(Box::new(7)))), 1);
}

#[test]
fn a_message_is_small_enough_to_be_moved() {
    assert!(
        size_of::<Message<Bytes>>() <= 136,
        "{}",
        size_of::<Message<Bytes>>()
    );
    assert!(size_of::<hepcat_wire::DecodeError>() <= 64);
}

fn read(message: &Message<Bytes>) {
    let arrival = Duration::from_secs(1_800_000_000);
    black_box((message.version(), message.defects(), message.header_v12()));
    black_box((message.ip_family(), message.ip_protocol()));
    black_box((
        message.src_ip(),
        message.dst_ip(),
        message.src_port(),
        message.dst_port(),
    ));
    black_box((
        message.time_sec(),
        message.time_usec(),
        message.time(arrival),
    ));
    black_box((
        message.protocol_type(),
        message.capture_id(),
        message.keep_alive(),
    ));
    black_box((
        message.auth_key(),
        message.correlation_id(),
        message.vlan_id(),
    ));
    black_box((message.node_name(), message.src_mac(), message.dst_mac()));
    black_box((
        message.ethernet_type(),
        message.tcp_flags(),
        message.ip_tos(),
    ));
    black_box((message.mos(), message.r_factor(), message.geo_location()));
    black_box((
        message.jitter(),
        message.transaction_type(),
        message.payload_json_keys(),
    ));
    black_box((
        message.tag_values(),
        message.tag_type(),
        message.event_type(),
    ));
    black_box((
        message.group_id(),
        message.extra_correlations(),
        message.payload(),
    ));
    black_box(message.payload().trimmed());
    black_box(message.check_capture().is_ok());
}
