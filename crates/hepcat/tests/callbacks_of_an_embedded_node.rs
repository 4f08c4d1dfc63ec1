//! A program may start a node with callbacks of its own; what they skip is in the ledger.

use std::sync::{Arc, Mutex};

use hepcat::{config::Config, node::Node, status::Status};
use hepcat_net::callbacks::{Chain, Flow};
use hepcat_testkit::{FakeAgent, FakeCollector, frame};

fn is_balanced(status: &Status) -> bool {
    let intake = &status.ledger.intake;
    let settled = intake.refused.values().sum::<u64>() + intake.skipped.values().sum::<u64>();
    intake.received == settled + intake.routed && status.ledger.unaccounted == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_callback_skips_is_counted_and_what_it_fails_at_is_routed() {
    skips_and_fails("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_not_asked_about_what_a_callback_skips() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = directory.path().join("routes.lua");
    let text = "function hep_route() if msg.call_id:find('skip') then drop() end end";
    std::fs::write(&script, text).expect("the script is written");
    skips_and_fails(&format!("[lua]\nscript = \"{}\"\n", script.display())).await;
}

async fn skips_and_fails(lua: &str) {
    let collector = FakeCollector::udp();
    let config = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[hep]\nhep_id = [\"[a] {}; transport=udp\"]\n\
         [[listener]]\nname = \"in\"\nsocket = \"hep_udp:127.0.0.1:0\"\n{lua}",
        collector.address()
    );
    let config = Config::parse(&config, "test.toml").expect("a good configuration");
    let chain = Chain::new()
        .callback("panics", |_| -> Flow { panic!("as intended") })
        .async_callback("skips", async |envelope| {
            let payload = envelope.message.payload().octets().unwrap_or_default();
            match payload.windows(4).any(|window| window == b"skip") {
                true => Ok(Flow::SkipRoutes),
                false => Err("cannot say"),
            }
        });
    let node = Node::start_with(config, chain).await.expect("it starts");
    let (_, address) = node.listening()[0];
    let (kept, skipped) = (
        frame::sip_v3(frame::sip_options("keep-1")),
        frame::sip_v3(frame::sip_options("skip-1")),
    );
    let mut agent = FakeAgent::udp(address);
    for frame in [&skipped[..], b"rubbish that does not decode", &kept] {
        agent.send(frame);
    }
    assert_eq!(collector.wait_for(1), [kept]);
    let script = node.status().script;
    assert_eq!(script.is_some(), !lua.is_empty());
    if let Some(script) = script {
        assert_eq!((script.runs, script.last_error), (1, None));
    }
    let report = node.stop().await;
    assert_eq!((report.received, report.unaccounted), (3, 0));

    let status = node.status();
    assert!(is_balanced(&status), "{:?}", status.ledger);
    assert_eq!(status.ledger.intake.skipped["callback"], 1);
    assert_eq!(status.ledger.intake.routed, 2);
    let stats = node.pipeline().callbacks().stats();
    assert_eq!((stats[0].calls, stats[0].panics), (2, 2));
    assert_eq!((stats[1].calls, stats[1].skips, stats[1].errors), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_run_behind_addresses_and_keys_and_before_routes_and_scripts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = directory.path().join("routes.lua");
    let text = "function request_route() count('asked', msg.call_id) end";
    std::fs::write(&script, text).expect("the script is written");
    let collector = FakeCollector::udp();
    let config = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[hep]\nhep_id = [\"[a] {}; transport=udp\"]\n\
         [agents]\nkeys = [{{ secret = \"open sesame\" }}]\n\
         [[listener]]\nname = \"in\"\nsocket = \"hep_udp:127.0.0.1:0\"\nallow = [\"127.0.0.1\"]\n\
         [[route]]\nwhen = \"method:OPTIONS\"\nto = [\"a\"]\nlua = true\n\
         [lua]\nscript = \"{}\"\n",
        collector.address(),
        script.display()
    );
    let config = Config::parse(&config, "test.toml").expect("a good configuration");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let chain = Chain::new().callback("notes", move |envelope| {
        let payload = envelope.message.payload().octets().unwrap_or_default();
        let scan = hepcat_sip::scan(payload).ok_or("no SIP")?;
        let call_id = String::from_utf8_lossy(scan.call_id().unwrap_or_default()).into_owned();
        let flow = match call_id.as_str() {
            "skip" => Flow::SkipRoutes,
            _ => Flow::Continue,
        };
        noted.lock().expect("nobody panics").push(call_id);
        Ok::<_, &str>(flow)
    });
    let node = Node::start_with(config, chain).await.expect("it starts");
    let (_, address) = node.listening()[0];
    let keyed = |call_id: &str, key: Option<&[u8]>| {
        let mut meta = frame::Meta::default();
        meta.auth_key = key.map(<[u8]>::to_vec);
        meta.v3(frame::sip_options(call_id).as_bytes())
    };
    let key = Some(&b"open sesame"[..]);
    let stranger = std::net::UdpSocket::bind("127.0.0.2:0").expect("an address of loopback");
    let sent = stranger.send_to(&keyed("stranger", key), address);
    assert!(sent.is_ok(), "{sent:?}");
    let mut agent = FakeAgent::udp(address);
    let kept = keyed("keep", key);
    for frame in [&keyed("no-key", None), &keyed("skip", key), &kept] {
        agent.send(frame);
    }
    assert_eq!(collector.wait_for(1), [kept]);
    let counters = node.status().script.expect("there is one").counters;
    let report = node.stop().await;
    assert_eq!((report.received, report.unaccounted), (4, 0));
    let seen = std::mem::take(&mut *seen.lock().expect("nobody panics"));
    assert_eq!(seen, ["skip", "keep"], "what is refused no callback sees");
    let status = node.status();
    let intake = &status.ledger.intake;
    assert_eq!((intake.refused["address"], intake.refused["key"]), (1, 1));
    assert_eq!((intake.skipped["callback"], intake.routed), (1, 1));
    let counted: Vec<_> = counters
        .iter()
        .map(|one| (&*one.label, one.value))
        .collect();
    assert_eq!(counted, [("keep", 1)], "what is skipped no script sees");
}
