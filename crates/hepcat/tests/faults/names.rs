//! Names that are lost, that move, that stand for several hosts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hepcat_testkit::{FakeCollector, FakeDns, Service};

use crate::rig::{Rig, all_arrives, destination, number, sink};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn named(dns: &FakeDns, socket: &str) -> String {
    format!(
        "[[destination]]\nname = \"bad\"\nsocket = \"{socket}\"\n[node]\nresolver = \"{}\"\n",
        dns.address()
    )
}

#[test]
fn a_name_that_stops_resolving_loses_nothing_while_its_address_works() {
    let (dns, collector) = (FakeDns::new(), FakeCollector::tcp());
    dns.host("homer.example", 1, &[LOCALHOST]);
    let socket = format!("hep_tcp:homer.example:{}", collector.address().port());
    let rig = Rig::start("name stops resolving", &named(&dns, &socket));
    let outcome = rig.endure(|step| {
        if step == 3 {
            dns.forget("homer.example");
        }
    });
    all_arrives(&rig, &outcome, "bad", &collector);
    let status = rig.node.status();
    assert_eq!(number(&destination(&status, "bad")["connects"]), 1);
}

#[test]
fn an_address_that_moves_is_followed_when_the_time_to_live_is_over() {
    let (dns, old) = (FakeDns::new(), FakeCollector::tcp());
    let port = old.address().port();
    let new = FakeCollector::tcp_at(SocketAddr::new(ELSEWHERE, port));
    dns.host("homer.example", 1, &[LOCALHOST]);
    let socket = format!("hep_tcp:homer.example:{port}");
    let rig = Rig::start("address moves", &named(&dns, &socket));
    let outcome = rig.endure(|step| {
        if step == 3 {
            dns.host("homer.example", 1, &[ELSEWHERE]);
        }
    });
    outcome.offered_all("bad");
    let status = rig.node.wait_for_status("it has moved", |status| {
        number(&sink(status, "bad")["queued"]) == 0
            && destination(status, "bad")["peer"] == new.address().to_string()
    });
    assert_eq!(number(&destination(&status, "bad")["failures"]), 0);
    let total = outcome.sent.len();
    let before = old.count();
    let mut all = old.frames();
    all.extend(new.wait_for(total - before));
    assert!(
        all == outcome.sent,
        "nothing is lost and nothing comes twice"
    );
}

#[test]
fn a_name_server_that_falls_silent_is_not_noticed_by_a_connection_that_works() {
    let (dns, collector) = (FakeDns::new(), FakeCollector::tcp());
    dns.host("homer.example", 1, &[LOCALHOST]);
    let socket = format!("hep_tcp:homer.example:{}", collector.address().port());
    let rig = Rig::start("name server silent", &named(&dns, &socket));
    let outcome = rig.endure(|step| dns.set_silent(step >= 2));
    all_arrives(&rig, &outcome, "bad", &collector);
}

#[test]
fn a_service_leads_to_the_next_host_when_the_first_is_down() {
    let (dns, first, second) = (
        FakeDns::new(),
        FakeCollector::refusing(),
        FakeCollector::tcp(),
    );
    dns.host("one.example", 60, &[LOCALHOST]);
    dns.host("two.example", 60, &[LOCALHOST]);
    dns.service(
        "_hep._tcp.example",
        60,
        &[
            Service::new("one.example", first.address().port()).priority(1),
            Service::new("two.example", second.address().port()).priority(2),
        ],
    );
    let rig = Rig::start("service", &named(&dns, "hep_tcp:_hep._tcp.example"));
    let outcome = rig.endure(|_| {});
    all_arrives(&rig, &outcome, "bad", &second);
    assert_eq!(first.count(), 0);
}
