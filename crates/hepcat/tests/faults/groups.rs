//! Groups while their members fail.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use hepcat_testkit::{Behaviour, FakeAgent, FakeCollector};

use crate::rig::{Rig, destination, message, number, sink, tcp};

const PATIENCE: Duration = Duration::from_secs(20);

/// Two members in a group of that kind.
fn group(kind: &str, members: [&FakeCollector; 2]) -> String {
    let [one, two] = members.map(FakeCollector::address);
    format!(
        "{}{}[[group]]\nname = \"g\"\nkind = \"{kind}\"\nmembers = [\"one\", \"two\"]\n",
        tcp("one", one),
        tcp("two", two)
    )
}

#[test]
fn a_group_takes_everything_once_while_a_member_is_down() {
    for kind in ["failover", "balance", "any"] {
        let (one, two) = (FakeCollector::refusing(), FakeCollector::tcp());
        let rig = Rig::start("member down", &group(kind, [&one, &two]));
        let outcome = rig.endure(|_| {});
        one.listen();
        let offered = |name| number(&sink(&outcome.status, name)["offered"]);
        assert_eq!(offered("one") + offered("two"), outcome.sent.len() as u64);
        let at = |count| usize::try_from(count).expect("a count");
        let mut all = one.wait_for(at(offered("one")));
        all.extend(two.wait_for(at(offered("two"))));
        assert_eq!(all.len(), outcome.sent.len(), "{kind}");
        let all: HashSet<_> = all.iter().collect();
        assert!(
            outcome.sent.iter().all(|frame| all.contains(frame)),
            "{kind}"
        );
    }
}

#[test]
fn a_member_that_takes_nothing_is_passed_over_after_two_seconds() {
    let (one, two) = (FakeCollector::tcp(), FakeCollector::tcp());
    one.set_behaviour(Behaviour::NeverRead);
    let rig = Rig::start("member stalls", &group("failover", [&one, &two]));
    let mut agent = FakeAgent::tcp(rig.node.listener("in"));
    let started = Instant::now();
    let mut sent = 0;
    // As long as it takes for the buffers between the node and the member to be full, and two seconds.
    while two.count() == 0 {
        agent.send(&message("member stalls", sent));
        sent += 1;
        assert!(rig.good.receives(sent, PATIENCE), "the good one gets it");
        assert!(started.elapsed() < PATIENCE, "never passed over");
    }
    let status = rig.node.status();
    assert_eq!(status["groups"][0]["active"], "two");
    assert_eq!(destination(&status, "one")["available"], false);
}
