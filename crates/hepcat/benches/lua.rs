//! What a script costs per message: `cargo bench -p hepcat --bench lua`.
//!
//! `route` is the yardstick: it reads five fields and two SIP headers, matches a pattern, counts, hashes the Call-ID and
//! sets a chunk in one message of ten. `route, scanned before` is the same where a static route has looked at the SIP
//! already; `empty` is the way in and out.

use std::{hint::black_box, net::SocketAddr, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use hepcat::lua::{EntryPoint, Input, Limits, Script, ScriptNames, ScriptOutcome, Shared, Worker};
use hepcat_net::{Envelope, ListenerId, Origin, Transport};
use hepcat_wire::Message;

const ROUTE: &str = r#"
local seen = 0
function request_route(msg)
  local src, port, kind = msg.src_ip, msg.src_port, msg.protocol_type
  local agent, method = msg.capture_id, msg.method
  local user_agent, max_forwards = msg:header("User-Agent"), msg:header("Max-Forwards")
  if user_agent and user_agent:match("^sipp[%w%-]*/%d+") then kind = 0 end
  count("requests", method)
  local bucket = hash(msg.call_id, 4)
  seen = seen + 1
  if seen % 10 == 0 then
    hep_set("node_name", "bucket")
  end
end
"#;

fn envelope() -> Envelope {
    let frame = hepcat_testkit::vectors()
        .into_iter()
        .find(|vector| vector.file == "kamailio-v3-ipv4-udp-invite.hex")
        .map(|vector| Bytes::from(vector.octets))
        .expect("it is in testdata");
    let peer: SocketAddr = "10.1.2.3:40000".parse().expect("a literal");
    let origin = Origin::new(ListenerId(0), Transport::Udp, peer, peer);
    let message = Message::parse_lax(frame).expect("it decodes");
    Envelope::new(message, Arc::new(origin), UNIX_EPOCH)
}

fn worker(source: &str) -> Worker {
    let script = Script::compile("bench.lua", source, &ScriptNames::new()).expect("it compiles");
    Worker::new(&script, Arc::new(Shared::new()), Limits::default()).expect("it starts")
}

fn per_message(c: &mut Criterion) {
    let envelope = envelope();
    let listener = Arc::from("edge");
    let targets: Arc<[Arc<str>]> = ["homer"].map(Arc::from).into();
    let payload = envelope.message.payload().octets().expect("it has one");
    let input = Input::new(&envelope, &listener, &targets);
    let scanned = input.payload(payload).sip(hepcat_sip::scan(payload));
    let scripts = [
        ("empty", "function request_route() end", scanned),
        ("route", ROUTE, input),
        ("route, scanned before", ROUTE, scanned),
    ];
    let mut group = c.benchmark_group("lua");
    for (name, source, input) in scripts {
        let mut worker = worker(source);
        let mut outcome = ScriptOutcome::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                worker.run(&[EntryPoint::RequestRoute], black_box(&input), &mut outcome);
                assert!(outcome.error.is_none());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, per_message);
criterion_main!(benches);
