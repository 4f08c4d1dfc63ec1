//! What a script costs per message: `cargo bench -p hepcat --bench lua`.
//!
//! `lua` is the script by itself. `route` is the yardstick: it reads five fields and two SIP headers, matches a pattern,
//! counts, hashes the Call-ID and sets a chunk in one message of ten. `route, scanned before` is the same where a static
//! route has looked at the SIP already; `empty` is the way in and out.
//!
//! `node` is the way of a message from the listener to its sinks, in batches of 64 and for one worker, which takes in
//! what handing over to the worker and back costs: without a script, with one that no static route asks, with one that has
//! no entry point for the message, and with the yardstick.

use std::{hint::black_box, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hepcat::{
    config::Config,
    lua::{EntryPoint, Input, Limits, Script, ScriptNames, ScriptOutcome, Shared, Worker},
    pipeline::{
        ListenerEntry, Pipeline, Topology,
        scripts::{IdleScripts, ScriptSetup},
    },
    query::Query,
    route::{Route, Routes, SinkId, SinkSet},
};
use hepcat_net::{Arrival, Batch, Envelope, Handler, ListenerId, Origin, Transport};
use hepcat_wire::Message;
use tokio_util::task::TaskTracker;

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

/// A node's path with static routes of which the first asks the script, if `when` fits.
fn pipeline(when: &str, source: Option<&str>, tasks: &TaskTracker) -> Pipeline {
    let everywhere = || [SinkId(0)].into_iter().collect::<SinkSet>();
    let query = Query::parse(when).expect("well formed");
    let asking = Route::new(query, everywhere()).asks_script(source.is_some());
    let routes = Routes::new(vec![asking], everywhere());
    let listener = ListenerEntry {
        name: Arc::from("edge"),
        capture_id_fix: Default::default(),
        transport: Transport::Udp,
        guard: Arc::default(),
    };
    let pipeline = Pipeline::new(Arc::default(), 1_000_000);
    let scripts = source.map(|source| {
        let script = Script::compile("bench.lua", source, &ScriptNames::new());
        let mut config = Config::builtin();
        config.lua.workers = Some(NonZeroUsize::MIN);
        let sinks = vec![Arc::from("tail")];
        let setup = ScriptSetup::new(script.expect("it compiles"), &config, sinks);
        let idle = IdleScripts::new(setup, pipeline.scripts()).expect("it starts");
        idle.start(tasks)
    });
    let topology = Topology::new(vec![listener], routes, [], []);
    pipeline.swap(topology.with_scripts(scripts));
    pipeline
}

fn through_the_node(c: &mut Criterion) {
    const BATCH: usize = 64;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let tasks = TaskTracker::new();
    let batch: Batch = vec![Arrival::Message(envelope()); BATCH];
    let only_replies = "function onreply_route() end";
    let ways = [
        ("no script", "method:INVITE", None),
        ("not asked", "method:REGISTER", Some(ROUTE)),
        ("no entry point", "method:INVITE", Some(only_replies)),
        (
            "asked, empty",
            "method:INVITE",
            Some("function request_route() end"),
        ),
        ("asked, route", "method:INVITE", Some(ROUTE)),
    ];
    let mut group = c.benchmark_group("node");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, when, source) in ways {
        let pipeline = pipeline(when, source, &tasks);
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || batch.clone(),
                |batch| runtime.block_on(pipeline.handle(batch)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, per_message, through_the_node);
criterion_main!(benches);
