//! The life of a node: all faults at once before anything is bound, reload whole or not at all, a stop that
//! drains and says what was lost.

use std::{
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixDatagram,
    process::Command,
    time::Duration,
};

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame};

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn config(listeners: &str, hep_id: &str) -> String {
    format!("[http]\nlisten = \"127.0.0.1:0\"\n[hep]\nhep_id = [{hep_id}]\n{listeners}")
}

const IN: &str = "[[listener]]\nname = \"in\"\nsocket = \"hep_udp:127.0.0.1:0\"\n";

#[test]
fn every_taken_port_is_reported_at_once_with_its_line_and_exit_code_78() {
    let (udp, tcp) = (
        UdpSocket::bind("127.0.0.1:0"),
        TcpListener::bind("127.0.0.1:0"),
    );
    let udp_address = udp.as_ref().expect("bound").local_addr().expect("bound");
    let tcp_address = tcp.as_ref().expect("bound").local_addr().expect("bound");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("hepcat.toml");
    let text = format!(
        "[http]\nlisten = \"{tcp_address}\"\n\n[[listener]]\nsocket = \"hep_udp:{udp_address}\"\n\n\
         [[listener]]\nsocket = \"hep_tcp:127.0.0.1:0\"\n"
    );
    std::fs::write(&file, text).expect("the configuration is written");
    let output = Command::new(HEPCAT)
        .args(["run", "-c"])
        .arg(&file)
        .output()
        .expect("hepcat runs");
    assert_eq!(output.status.code(), Some(78));
    let report = String::from_utf8_lossy(&output.stderr);
    for part in ["hepcat.toml:2:", "hepcat.toml:5:", "in use", "2 faults"] {
        assert!(report.contains(part), "no `{part}` in:\n{report}");
    }
}

#[test]
fn a_reload_swaps_destinations_and_keeps_listeners_and_counts() {
    let (first, second) = (FakeCollector::tcp(), FakeCollector::tcp());
    let node = NodeProcess::start(HEPCAT, &config(IN, &format!("\"[a] {}\"", first.address())));
    let address = node.listener("in");
    let mut agent = FakeAgent::udp(address);
    let frame = frame::sip_v3(frame::sip_options("one@reload"));
    agent.send(&frame);
    assert_eq!(first.wait_for(1).len(), 1);

    node.write_config(&config(IN, &format!("\"[b] {}\"", second.address())));
    node.reload();
    node.wait_for_output("configuration reloaded");
    assert_eq!(
        node.listener("in"),
        address,
        "an unchanged listener keeps its socket"
    );
    agent.send(&frame);
    assert_eq!(second.wait_for(1).len(), 1);
    assert_eq!(first.count(), 1);
    let status = node.wait_for_status("both accounted for", |status| {
        let mut sinks = status["sinks"].as_array().expect("a list").iter();
        // A frame arrives before it is noted as written.
        status["ledger"]["received"] == 2
            && status["ledger"]["unaccounted"] == 0
            && sinks.all(|sink| sink["queued"] == 0)
    });
    let sinks = status["sinks"].as_array().expect("a list");
    for name in ["a", "b"] {
        let sink = sinks
            .iter()
            .find(|sink| sink["name"] == name)
            .expect("it is still listed");
        assert_eq!(sink["delivered"], 1, "{sink}");
    }
}

#[test]
fn a_listener_whose_settings_change_never_lets_its_port_go() {
    let collector = FakeCollector::tcp();
    let hep_id = format!("\"[a] {}\"", collector.address());
    let port = {
        let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
        probe.local_addr().expect("bound").port()
    };
    let listener = |more: &str| {
        format!("[[listener]]\nname = \"in\"\nsocket = \"hep_tcp:127.0.0.1:{port}\"\n{more}")
    };
    let node = NodeProcess::start(HEPCAT, &config(&listener(""), &hep_id));
    node.write_config(&config(&listener("max_connections = 7\n"), &hep_id));
    node.reload();
    node.wait_for_output("configuration reloaded");
    let mut agent = FakeAgent::tcp(node.listener("in"));
    agent.send(&frame::sip_v3(frame::sip_options("two@reload")));
    assert_eq!(collector.wait_for(1).len(), 1);
}

#[test]
fn a_faulty_reload_changes_nothing() {
    let collector = FakeCollector::tcp();
    let good = config(IN, &format!("\"[a] {}\"", collector.address()));
    let node = NodeProcess::start(HEPCAT, &good);
    node.write_config(&good.replace("hep_udp", "hep_upd"));
    node.reload();
    node.wait_for_output("not reloaded");
    FakeAgent::udp(node.listener("in")).send(&frame::sip_v3(frame::sip_options("x@reload")));
    assert_eq!(collector.wait_for(1).len(), 1);
}

#[test]
fn a_stop_delivers_what_is_queued_and_says_that_nothing_was_lost() {
    let collector = FakeCollector::refusing();
    let mut node = NodeProcess::start(
        HEPCAT,
        &config(IN, &format!("\"[late] {}\"", collector.address())),
    );
    let mut agent = FakeAgent::udp(node.listener("in"));
    let frames: Vec<_> = (0..50)
        .map(|n| frame::sip_v3(frame::sip_options(&format!("{n}@stop"))))
        .collect();
    for frame in &frames {
        agent.send(frame);
    }
    let _queued = node.wait_for_status("queued", |status| status["sinks"][0]["queued"] == 50);
    collector.listen();
    node.terminate();
    assert!(node.wait_for_exit().success());
    assert_eq!(collector.wait_for(50), frames);
    let line = node.wait_for_output("stopped");
    for part in ["received=50", "routed=50", "lost=0", "unaccounted=0"] {
        assert!(line.contains(part), "no `{part}` in: {line}");
    }
}

#[test]
fn a_stop_that_cannot_deliver_says_how_much_was_lost_and_where() {
    let refusing = FakeCollector::refusing();
    let text = config(IN, &format!("\"[gone] {}\"", refusing.address()));
    let mut node = NodeProcess::start(
        HEPCAT,
        &format!("{text}[shutdown]\ndrain_limit = \"100ms\"\n"),
    );
    let mut agent = FakeAgent::udp(node.listener("in"));
    for n in 0..7 {
        agent.send(&frame::sip_v3(frame::sip_options(&format!("{n}@lost"))));
    }
    let _queued = node.wait_for_status("queued", |status| status["sinks"][0]["queued"] == 7);
    node.terminate();
    assert!(node.wait_for_exit().success());
    let lost = node.wait_for_output("not delivered");
    assert!(
        lost.contains("destination=\"gone\"") && lost.contains("frames=7"),
        "{lost}"
    );
    let stopped = node.wait_for_output("stopped");
    assert!(
        stopped.contains("lost=7") && stopped.contains("unaccounted=0"),
        "{stopped}"
    );
}

#[test]
fn systemd_is_told_when_the_node_is_ready_reloads_and_stops() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit");
    let file = directory.path().join("hepcat.toml");
    std::fs::write(&file, format!("[http]\nlisten = \"127.0.0.1:0\"\n{IN}")).expect("written");
    let mut node = Command::new(HEPCAT)
        .args(["run", "-c"])
        .arg(&file)
        .env("NOTIFY_SOCKET", directory.path().join("notify"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("hepcat runs");
    let told = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let signal = |name: &str| {
        let sent = Command::new("kill")
            .args([name, &node.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    };
    assert!(told().contains("READY=1"));
    signal("-HUP");
    let reloading = told();
    assert!(
        reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    assert!(told().contains("READY=1"));
    signal("-TERM");
    assert!(told().contains("STOPPING=1"));
    assert!(node.wait().expect("it ends").success());
}
