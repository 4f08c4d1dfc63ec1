use super::*;

fn stamp(packet: u64) -> Stamp {
    Stamp {
        time: Some(Duration::from_secs(packet)),
        packet,
    }
}

fn data(sequence: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        sequence,
        syn: false,
        fin: false,
        rst: false,
        payload,
    }
}

fn syn(sequence: u32) -> Segment<'static> {
    Segment {
        syn: true,
        ..data(sequence, b"")
    }
}

/// Feeds segments, one a packet, and writes what comes out as text with holes as `<length>`.
#[derive(Default)]
struct Observer {
    reassembly: Reassembly,
    report: Report,
    text: String,
    packet: u64,
}

impl Observer {
    fn feed(&mut self, segment: &Segment<'_>) -> bool {
        self.packet += 1;
        let text = &mut self.text;
        self.reassembly
            .accept(segment, stamp(self.packet), &mut self.report, |event| {
                write(text, &event);
            })
    }

    fn flush(&mut self) {
        let text = &mut self.text;
        self.reassembly
            .flush(&mut self.report, |event| write(text, &event));
    }
}

fn write(text: &mut String, event: &Event<'_>) {
    match event {
        Event::Data(octets, _) => text.push_str(std::str::from_utf8(octets).unwrap()),
        Event::Gap(missing) => text.push_str(&format!("<{missing}>")),
    }
}

#[test]
fn segments_out_of_order_come_out_in_order() {
    let mut observer = Observer::default();
    observer.feed(&syn(u32::MAX - 1));
    observer.feed(&data(3, b"defg"));
    observer.feed(&data(7, b"hi"));
    assert_eq!(observer.text, "");
    // The sequence number wraps inside this one.
    observer.feed(&data(u32::MAX, b"abcx"));
    assert_eq!(observer.text, "abcxdefghi");
    assert_eq!(observer.report.tcp_out_of_order, 2);
    assert_eq!(observer.reassembly.buffered(), 0);
}

#[test]
fn retransmissions_give_each_octet_once() {
    let mut observer = Observer::default();
    observer.feed(&data(100, b"abc"));
    observer.feed(&data(100, b"abc"));
    observer.feed(&data(101, b"bcde"));
    observer.feed(&data(108, b"ij"));
    observer.feed(&data(108, b"ijk"));
    observer.feed(&data(104, b"efghi"));
    assert_eq!(observer.text, "abcdefghijk");
    assert_eq!(observer.report.tcp_retransmissions, 2);
    assert_eq!(observer.report.tcp_gap_octets, 0);
}

#[test]
fn a_hole_is_reported_at_the_end() {
    let mut observer = Observer::default();
    observer.feed(&data(0, b"ab"));
    observer.feed(&data(5, b"fg"));
    observer.feed(&data(9, b"j"));
    observer.flush();
    assert_eq!(observer.text, "ab<3>fg<2>j");
    assert_eq!(observer.report.tcp_gap_octets, 5);
}

#[test]
fn a_hole_is_given_up_when_the_clock_has_moved_on() {
    let mut observer = Observer::default();
    observer.feed(&data(0, b"ab"));
    observer.feed(&data(5, b"f"));
    for n in 0..10 {
        observer.feed(&data(6 + n, b"."));
    }
    assert_eq!(observer.text, "ab");
    observer.feed(&data(16, b"!"));
    assert_eq!(observer.text, "ab<3>f..........!");
}

#[test]
fn what_waits_behind_a_hole_is_bounded() {
    let mut observer = Observer::default();
    observer.feed(&data(0, b"a"));
    let segment = vec![b'x'; 60_000];
    let mut sequence = 10_u32;
    let mut most = 0;
    for _ in 0..100 {
        // Every other segment is missing.
        observer.feed(&data(sequence, &segment));
        sequence += 120_000;
        most = most.max(observer.reassembly.buffered());
    }
    assert!(most <= MAX_WAITING_OCTETS + 60_000, "{most}");
    assert!(observer.report.tcp_gap_octets > 0);
}

#[test]
fn ports_used_again_start_another_stream() {
    let mut observer = Observer::default();
    observer.feed(&syn(0));
    observer.feed(&data(1, b"old"));
    observer.feed(&data(9, b"late"));
    observer.feed(&syn(5_000));
    observer.feed(&data(5_001, b"new"));
    assert_eq!(observer.text, "old<5>late<0>new");
    // Without a SYN in the capture a far sequence number says the same.
    observer.feed(&data(2_000_000_000, b"other"));
    assert!(observer.text.ends_with("<0>other"));
    observer.feed(&data(2_000_000_005, b"!"));
    assert!(observer.text.ends_with("other!"));
}

#[test]
fn a_direction_closes_when_all_before_its_fin_has_come() {
    let mut observer = Observer::default();
    observer.feed(&data(0, b"ab"));
    let fin = Segment {
        fin: true,
        ..data(4, b"ef")
    };
    assert!(!observer.feed(&fin));
    assert!(observer.feed(&data(2, b"cd")));
    assert_eq!(observer.text, "abcdef");
}

#[test]
fn a_reset_gives_out_what_waits() {
    let mut observer = Observer::default();
    observer.feed(&data(0, b"ab"));
    observer.feed(&data(4, b"ef"));
    let reset = Segment {
        rst: true,
        ..data(2, b"")
    };
    assert!(observer.feed(&reset));
    assert_eq!(observer.text, "ab<2>ef");
}
