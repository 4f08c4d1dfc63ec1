//! Collectors over TCP that are away, come and go, take little, or break off.

use std::{collections::HashSet, time::Duration};

use hepcat_testkit::{Behaviour, FakeCollector, SilentLine, TcpProxy, skipped};

use crate::rig::{Rig, all_arrives, destination, dropped, number, sink, tcp};

#[test]
fn healthy_collectors_get_everything() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start("healthy", &tcp("bad", collector.address()));
    let outcome = rig.endure(|_| {});
    all_arrives(&rig, &outcome, "bad", &collector);
}

/// The sender's own connection stays, and so does the number of the node's.
#[test]
fn a_collector_that_is_down_at_start_neither_blocks_the_sender_nor_costs_descriptors() {
    let collector = FakeCollector::refusing();
    let rig = Rig::start("down at start", &tcp("bad", collector.address()));
    let outcome = rig.endure(|step| {
        if step == 15 {
            collector.listen();
        }
    });
    all_arrives(&rig, &outcome, "bad", &collector);
}

#[test]
fn what_comes_while_the_collector_is_away_is_delivered_when_it_returns() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start("down for a while", &tcp("bad", collector.address()));
    let outcome = rig.endure(|step| match step {
        5 => {
            // What it has is read before the connection ends, so that nothing is lost between kernels.
            drop(rig.node.wait_for_status("nothing is under way", |status| {
                let delivered = number(&sink(status, "bad")["delivered"]);
                delivered == collector.count() as u64
            }));
            collector.refuse();
            collector.close_connections();
        }
        15 => collector.listen(),
        _ => {}
    });
    let status = rig.node.status();
    assert!(number(&destination(&status, "bad")["connects"]) >= 1);
    outcome.offered_all("bad");
    let status = rig.node.wait_for_status("everything is written", |status| {
        number(&sink(status, "bad")["queued"]) == 0
    });
    let delivered = number(&sink(&status, "bad")["delivered"]);
    assert_eq!(
        delivered + dropped(&status, "bad"),
        outcome.sent.len() as u64
    );
}

#[test]
fn a_flapping_collector_has_one_connection_at_a_time_and_not_ever_more() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start("flapping", &tcp("bad", collector.address()));
    let outcome = rig.endure(|step| {
        if step % 2 == 0 {
            collector.listen();
        } else {
            collector.refuse();
            collector.reset_connections();
        }
    });
    outcome.offered_all("bad");
    assert!(collector.open() <= 1, "{} connections", collector.open());
    let link = destination(&outcome.status, "bad");
    assert!(number(&link["connect_failures"]) + number(&link["connects"]) > 0);
}

/// A destination with a spool.
fn spooling(collector: &FakeCollector, spool: &str) -> String {
    format!(
        "{}spool = {{ {spool} }}\n[node]\ndata_dir = \"{{dir}}\"\n",
        tcp("bad", collector.address())
    )
}

/// In between its backlog is replayed and never done: that is no reason for a line each time.
#[test]
fn a_flapping_collector_with_a_backlog_loses_nothing_that_was_not_on_its_way() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start("flapping, spool", &spooling(&collector, "replay_rate = 50"));
    let outcome = rig.endure(|step| {
        if step % 2 == 1 {
            collector.listen();
        } else {
            collector.refuse();
            collector.end_connections();
        }
    });
    outcome.offered_all("bad");
    assert_eq!(dropped(&outcome.status, "bad"), 0, "{}", outcome.status);
}

#[test]
fn a_collector_that_never_reads_fills_the_disk_and_holds_up_nobody() {
    for mode in ["overflow", "always"] {
        let collector = FakeCollector::tcp();
        collector.set_behaviour(Behaviour::NeverRead);
        let spool = format!("mode = \"{mode}\"");
        let rig = Rig::start("never reads, spool", &spooling(&collector, &spool));
        let outcome = rig.endure(|_| {});
        outcome.offered_all("bad");
        assert_eq!(dropped(&outcome.status, "bad"), 0, "{}", outcome.status);
    }
}

#[test]
fn a_collector_that_accepts_and_never_reads_holds_up_nobody() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let rig = Rig::start("never reads", &tcp("bad", collector.address()));
    let outcome = rig.endure(|_| {});
    outcome.offered_all("bad");
    collector.set_behaviour(Behaviour::Collect);
    // For longer than 30 s the kernel gives the connection up, with what it had accepted.
    if number(&destination(&outcome.status, "bad")["connects"]) == 1 {
        all_arrives(&rig, &outcome, "bad", &collector);
    }
}

#[test]
fn a_collector_that_reads_an_octet_a_second_holds_up_nobody() {
    let collector = FakeCollector::tcp();
    let pause = Duration::from_secs(1);
    collector.set_behaviour(Behaviour::ReadSlowly { octets: 1, pause });
    let rig = Rig::start("an octet a second", &tcp("bad", collector.address()));
    rig.endure(|_| {}).offered_all("bad");
}

#[test]
fn a_collector_that_resets_in_the_middle_of_frames_gets_no_frame_in_pieces() {
    let collector = FakeCollector::tcp();
    let octets = 100_001;
    collector.set_behaviour(Behaviour::ResetAfter { octets });
    let rig = Rig::start("resets mid-frame", &tcp("bad", collector.address()));
    let outcome = rig.endure(|_| {});
    outcome.offered_all("bad");
    assert!(collector.accepted() > 1);
    assert_eq!(collector.faults(), Vec::<String>::new());
    // Every frame that arrived is one that was sent, whole.
    let sent: HashSet<_> = outcome.sent.iter().collect();
    let frames = collector.frames();
    assert!(frames.iter().all(|frame| sent.contains(frame)));
}

#[test]
fn a_line_that_goes_silent_is_given_up_and_connected_again() {
    let collector = FakeCollector::tcp();
    let proxy = TcpProxy::new(collector.address());
    let probe = "probe = { interval = \"1s\", timeout = \"1s\" }\n";
    let bad = format!("{}{probe}", tcp("bad", proxy.address()));
    let rig = Rig::start("silent line", &bad);
    let outcome = rig.endure(|step| match step {
        5 => proxy.stall(),
        18 => {
            proxy.reset();
            proxy.resume();
        }
        _ => {}
    });
    outcome.offered_all("bad");
    let status = rig.node.wait_for_status("everything is written", |status| {
        number(&sink(status, "bad")["queued"]) == 0
    });
    let accounted = number(&sink(&status, "bad")["delivered"]) + dropped(&status, "bad");
    assert_eq!(accounted, outcome.sent.len() as u64);
    assert!(number(&destination(&status, "bad")["connects"]) >= 2);
}

/// The path itself, between two hosts: nothing comes back, not even an acknowledgement.
#[test]
fn a_path_that_drops_without_a_word_is_noticed_and_connected_again() {
    let Some(line) = SilentLine::new() else {
        return skipped("no network namespace can be made here");
    };
    let collector = line.collector();
    let probe = "probe = { interval = \"1s\", timeout = \"1s\" }\n";
    let bad = format!("{}{probe}", tcp("bad", collector.address()));
    let rig = Rig::start("silent drop", &bad);
    let outcome = rig.endure(|step| match step {
        5 => line.go_silent(),
        15 => line.speak(),
        _ => {}
    });
    outcome.offered_all("bad");
    drop(
        rig.node
            .wait_for_status("it is written to again", |status| {
                let link = destination(status, "bad");
                link["state"] == "up" && number(&sink(status, "bad")["queued"]) == 0
            }),
    );
    // Half open, and nobody has anything to send: only a probe can find out.
    line.go_silent();
    drop(rig.node.wait_for_status("given up", |status| {
        destination(status, "bad")["state"] == "down"
    }));
    line.speak();
    drop(rig.node.wait_for_status("connected again", |status| {
        destination(status, "bad")["state"] == "up"
    }));
}

/// What vanishes elsewhere without a number: more than the queue holds, for longer than anybody waits.
#[test]
fn every_frame_that_no_queue_could_hold_is_counted_with_its_reason() {
    let collector = FakeCollector::refusing();
    let queue = "queue = { frames = 50 }\n";
    let bad = format!("{}{queue}", tcp("bad", collector.address()));
    let rig = Rig::start("overflow", &bad);
    let outcome = rig.endure(|_| {});
    outcome.offered_all("bad");
    let bad = sink(&outcome.status, "bad");
    assert_eq!(number(&bad["queued"]), 50);
    let oldest = number(&bad["dropped"]["queue_full_oldest"]);
    assert_eq!(oldest, outcome.sent.len() as u64 - 50);
}
