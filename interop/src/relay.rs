//! The real node between an agent and its receivers.

use std::{fmt::Write as _, net::SocketAddr};

use hepcat_testkit::{FakeCollector, NodeProcess, TestCa, hepcat_binary};
use serde_json::Value;

/// `hepcat run` with a listener for UDP and one for TCP, that relays everything to collectors over UDP, TCP and TLS and
/// to any other receivers.
#[derive(Debug)]
pub struct Relay {
    node: NodeProcess,
    /// What leaves over UDP.
    pub udp: FakeCollector,
    /// What leaves over TCP.
    pub tcp: FakeCollector,
    /// What leaves over TLS.
    pub tls: FakeCollector,
    _authority: TestCa,
}

impl Relay {
    /// Starts it. Further receivers are `hep_id`s such as `[name] 127.0.0.1:9060; version=2`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(receivers: &[String]) -> Self {
        let authority = TestCa::new();
        let tls = FakeCollector::tls(authority.server_config(&authority.localhost()));
        let (udp, tcp) = (FakeCollector::udp(), FakeCollector::tcp());
        let mut hep_ids = String::new();
        for receiver in receivers {
            write!(hep_ids, "{receiver:?}, ").expect("a string takes it");
        }
        let config = format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = [{hep_ids}"[udp] {udp}; transport=udp", "[tcp] {tcp}"]
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
[[destination]]
name = "tls"
socket = "hep_tls:{tls}"
tls = {{ ca = {ca:?}, server_name = "localhost" }}
"#,
            udp = udp.address(),
            tcp = tcp.address(),
            tls = tls.address(),
            ca = authority.ca_file(),
        );
        Self {
            node: NodeProcess::start(hepcat_binary(), &config),
            udp,
            tcp,
            tls,
            _authority: authority,
        }
    }

    /// Where it takes HEP over UDP, or over TCP.
    #[must_use]
    pub fn listener(&self, tcp: bool) -> SocketAddr {
        self.node.listener(if tcp { "tcp" } else { "udp" })
    }

    /// Waits until so many frames came and have left through every destination; its ledger then adds up.
    ///
    /// # Panics
    /// When something is open after 30 seconds, was dropped or does not add up.
    pub fn assert_settled(&self, frames: usize) {
        let status = self.node.wait_for_status("everything delivered", |status| {
            status["ledger"]["received"] == frames
                && destinations(status).all(|sink| sink["delivered"] == frames)
        });
        assert_balanced(&status, frames);
    }
}

/// Everything received was routed, everything routed was delivered, and no frame is unaccounted for.
fn assert_balanced(status: &Value, frames: usize) {
    let ledger = &status["ledger"];
    assert_eq!(ledger["unaccounted"], 0, "{status:#}");
    assert_eq!(ledger["received"], frames, "{status:#}");
    assert_eq!(ledger["routed"], frames, "{status:#}");
    for sink in destinations(status) {
        assert_eq!(sink["offered"], frames, "{sink}");
        assert_eq!(sink["delivered"], frames, "{sink}");
    }
}

fn destinations(status: &Value) -> impl Iterator<Item = &Value> {
    let sinks = status["sinks"].as_array().into_iter().flatten();
    sinks.filter(|sink| sink["kind"] == "destination")
}
