//! Collectors over TLS that cannot be trusted, or speak no TLS.

use hepcat_testkit::{Behaviour, FakeCollector, Identity, TestCa};

use crate::rig::{Rig, destination, number, sink};

/// A collector that presents `identity`, and the word by which the node must explain why it is not used.
fn distrusted(name: &'static str, identity: fn(&TestCa) -> Identity, word: &str) {
    let ca = TestCa::new();
    let collector = FakeCollector::tls(ca.server_config(&identity(&ca)));
    let bad = format!(
        "[[destination]]\nname = \"bad\"\nsocket = \"hep_tls:{}\"\ntls = {{ ca = \"{}\", server_name = \"localhost\" }}\n",
        collector.address(),
        ca.ca_file().display()
    );
    let rig = Rig::start(name, &bad);
    let outcome = rig.endure(|_| {});
    outcome.offered_all("bad");
    let error = destination(&outcome.status, "bad")["last_error"].to_string();
    assert!(error.contains(word), "{error}");
    assert_eq!(number(&sink(&outcome.status, "bad")["delivered"]), 0);
    assert_eq!(collector.count(), 0, "no frame goes to whom nobody trusts");
}

#[test]
fn an_expired_certificate_keeps_frames_in_the_queue_and_says_why() {
    distrusted("certificate expired", TestCa::expired, "expired");
}

#[test]
fn a_certificate_for_another_name_keeps_frames_in_the_queue_and_says_why() {
    distrusted("wrong name", TestCa::wrong_name, "not for localhost");
}

#[test]
fn a_collector_that_refuses_tls_is_down_and_costs_nobody_anything() {
    let ca = TestCa::new();
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::CloseAfter { octets: 1 });
    let bad = format!(
        "[[destination]]\nname = \"bad\"\nsocket = \"hep_tls:{}\"\ntls = {{ ca = \"{}\", server_name = \"localhost\" }}\n",
        collector.address(),
        ca.ca_file().display()
    );
    let rig = Rig::start("refuses TLS", &bad);
    let outcome = rig.endure(|_| {});
    outcome.offered_all("bad");
    let link = destination(&outcome.status, "bad");
    assert_eq!(link["up"], false, "{link:#}");
    assert_eq!(number(&link["connects"]), 0);
}
