//! The real node, killed at random moments under load: what its ledger had counted as safe is delivered by the next one.
//!
//! Safe is, at the last reading of the ledger before the kill, every frame that was received and not counted as in
//! memory: not `queued`, and not in a handler's hands (`unaccounted`). With `mode = "always"` that is everything but the last
//! milliseconds, with `overflow` everything that is `spooled` or `delivered`. After each kill a second run of the node
//! delivers what is on disk, and its ledger has to balance.
//!
//! `cargo xtask long kills` runs the same with 50 kills; `HEPCAT_KILLS` and `HEPCAT_SEED` choose others.

use std::{
    collections::{HashMap, HashSet},
    env,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hepcat_testkit::{
    FakeAgent, FakeCollector, NodeProcess,
    frame::{sip_options, sip_v3},
};
use rstest::rstest;
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// Each sends to a listener of its own, so that the ledger tells them apart.
const AGENTS: [&str; 2] = ["red", "blue"];

/// Frames that an agent sends at once, and how long it then pauses: enough for every kill to hit something.
const BURST: usize = 20;
const PAUSE: Duration = Duration::from_millis(2);

fn number_from(variable: &str, default: u64) -> u64 {
    let written = env::var(variable).ok();
    written
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn config(collector: SocketAddr, data_dir: &Path, mode: &str, fsync: &str) -> String {
    format!(
        r#"
[node]
data_dir = "{}"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "red"
socket = "hep_tcp:127.0.0.1:0"
[[listener]]
name = "blue"
socket = "hep_tcp:127.0.0.1:0"
[[destination]]
name = "homer"
socket = "hep_tcp:{collector}"
spool = {{ mode = "{mode}", fsync = "{fsync}", replay_rate = 1_000_000 }}
"#,
        data_dir.display()
    )
}

/// Sends numbered frames until its connection or the test ends.
struct Sender {
    thread: JoinHandle<usize>,
    over: Arc<AtomicBool>,
}

impl Sender {
    fn start(name: &'static str, listener: SocketAddr, first: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut agent = FakeAgent::tcp(listener);
            let mut next = first;
            while !theirs.load(Ordering::Relaxed) {
                let mut octets = Vec::new();
                for number in next..next + BURST {
                    octets.extend(sip_v3(sip_options(&format!("{number:08}@{name}"))));
                }
                if agent.try_send(&octets).is_err() {
                    break;
                }
                next += BURST;
                // The pace of the load: nothing waits for it.
                thread::sleep(PAUSE);
            }
            next + BURST
        });
        Self { thread, over }
    }

    /// The number that no frame of it has had.
    fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a sender does not panic")
    }
}

/// Agent and number of a frame.
fn read(frame: &[u8]) -> (&'static str, usize) {
    let text = String::from_utf8_lossy(frame);
    let (before, after) = text
        .split_once("Call-ID: ")
        .and_then(|(_, rest)| rest.split_once('@'))
        .expect("a frame of ours");
    let agent = AGENTS
        .into_iter()
        .find(|name| after.starts_with(name))
        .expect("one of ours");
    (agent, before.parse().expect("a number"))
}

/// What a reading of the ledger says.
#[derive(Debug, Default)]
struct Reading {
    received: HashMap<&'static str, usize>,
    /// Frames that a kill may cost.
    in_memory: usize,
    spooled: usize,
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a count")).expect("a small one")
}

fn sink(status: &Value) -> &Value {
    let sinks = status["sinks"].as_array().expect("sinks");
    let homer = sinks.iter().find(|sink| sink["name"] == "homer");
    homer.expect("the destination")
}

fn reading(status: &Value) -> Reading {
    let received = |name: &str| {
        let mut listeners = status["listeners"].as_array().expect("listeners").iter();
        let listener = listeners.find(|one| one["name"] == name);
        count(&listener.expect("the listener")["ledger"]["received"])
    };
    let homer = sink(status);
    assert_eq!(homer["unaccounted"], 0, "{homer}");
    Reading {
        received: AGENTS.map(|name| (name, received(name))).into(),
        in_memory: count(&homer["queued"]) + count(&status["ledger"]["unaccounted"]),
        spooled: count(&homer["spooled"]),
    }
}

/// Everything that arrives, and what of it was sure to.
#[derive(Default)]
struct Books {
    next: HashMap<&'static str, usize>,
    promised: Vec<(&'static str, usize)>,
}

/// One life under load, ended by a kill. The collector comes or goes in the middle of some of them.
fn live_and_die(
    node: NodeProcess,
    collector: &FakeCollector,
    random: &mut fastrand::Rng,
    books: &mut Books,
) -> Reading {
    let first: HashMap<_, _> = AGENTS
        .map(|name| (name, books.next.get(name).copied().unwrap_or(0)))
        .into();
    let senders = AGENTS.map(|name| (name, Sender::start(name, node.listener(name), first[name])));
    let dies_at = Instant::now() + Duration::from_millis(random.u64(50..600));
    let turns_at = Instant::now() + Duration::from_millis(random.u64(0..600));
    let mut turned = false;
    let mut last = reading(&node.status());
    while Instant::now() < dies_at {
        if !turned && Instant::now() >= turns_at {
            turned = true;
            if random.bool() {
                collector.refuse();
                // What it has not read yet would be lost otherwise, delivered as it is.
                collector.end_connections();
            } else {
                collector.listen();
            }
        }
        last = reading(&node.status());
    }
    // Dropping it is SIGKILL.
    drop(node);
    for (name, sender) in senders {
        let sure = last.received[name].saturating_sub(last.in_memory);
        books
            .promised
            .extend((first[name]..first[name] + sure).map(|number| (name, number)));
        books.next.insert(name, sender.stop());
    }
    last
}

/// The next life delivers what the one before left on disk.
fn recover(mut node: NodeProcess, collector: &FakeCollector) -> (usize, usize) {
    collector.listen();
    let status = node.wait_for_status("the spool is empty", |status| {
        let homer = sink(status);
        let spool = &homer["destination"]["spool"];
        let empty = homer["spooled"] == 0 && homer["queued"] == 0;
        // What came twice is counted when the spool hears of the delivery, a moment later.
        empty && spool["open"] == true && spool["replayed"] == homer["carried_over"]
    });
    let homer = sink(&status);
    assert_eq!(status["ledger"]["unaccounted"], 0, "{status:#}");
    assert_eq!(homer["carried_over"], homer["delivered"], "{homer:#}");
    let carried_over = count(&homer["carried_over"]);
    let repeated = count(&homer["destination"]["repeated"]);
    node.terminate();
    node.wait_for_exit();
    collector.wait_for_all_closed();
    (carried_over, repeated)
}

/// What the collector has, as far as it was looked at.
#[derive(Default)]
struct Arrivals {
    seen: usize,
    distinct: HashSet<(&'static str, usize)>,
    /// The highest number of each agent on each connection.
    latest: HashMap<(usize, &'static str), usize>,
}

impl Arrivals {
    /// Looks at what is new: each agent's frames rise on each connection. How many had come before.
    fn look(&mut self, collector: &FakeCollector) -> usize {
        let collected = collector.collected();
        let mut again = 0;
        for one in &collected[self.seen..] {
            let (agent, number) = read(&one.frame);
            let before = self.latest.insert((one.connection, agent), number);
            assert!(
                before.is_none_or(|before| before < number),
                "{agent} {number} after {before:?}"
            );
            again += usize::from(!self.distinct.insert((agent, number)));
        }
        self.seen = collected.len();
        again
    }
}

#[rstest]
#[case("always", "1s")]
#[case("always", "always")]
#[case("overflow", "1s")]
fn what_was_safe_when_the_node_was_killed_is_delivered_by_the_next(
    #[case] mode: &str,
    #[case] fsync: &str,
) {
    let kills = number_from("HEPCAT_KILLS", 3);
    let seed = number_from("HEPCAT_SEED", 0x5e_ed);
    let mut random = fastrand::Rng::with_seed(seed);
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::refusing();
    let start = || {
        let config = config(collector.address(), home.path(), mode, fsync);
        NodeProcess::start(HEPCAT, &config)
    };
    let (mut books, mut arrivals) = (Books::default(), Arrivals::default());
    let (mut in_memory, mut spooled, mut carried_over) = (0, 0, 0);
    let (mut again, mut repeated) = (0, 0);
    for kill in 0..kills {
        // Every other one begins with the collector down, so that something is on disk.
        if kill % 2 == 1 && random.bool() {
            collector.listen();
        } else {
            collector.refuse();
        }
        let last = live_and_die(start(), &collector, &mut random, &mut books);
        in_memory = in_memory.max(last.in_memory);
        spooled += last.spooled;
        // In some cases the next one is killed as well, while it replays: it counts repeats that nobody reads then.
        let twice = random.u8(..) < 80;
        if twice {
            collector.listen();
            let node = start();
            thread::sleep(Duration::from_millis(random.u64(0..30)));
            drop(node);
        }
        let (found, counted) = recover(start(), &collector);
        carried_over += found;
        let came_again = arrivals.look(&collector);
        assert!(
            twice || came_again <= counted,
            "seed {seed}: {came_again} came twice, {counted} were counted"
        );
        again += came_again;
        repeated += counted;
    }
    let missing: Vec<_> = books
        .promised
        .iter()
        .filter(|frame| !arrivals.distinct.contains(frame))
        .collect();
    assert!(
        missing.is_empty(),
        "seed {seed}: {} of {} missing: {:?}…",
        missing.len(),
        books.promised.len(),
        &missing[..missing.len().min(5)]
    );
    assert_eq!(collector.faults(), Vec::<String>::new());
    println!(
        "kills\t{mode}\t{fsync}\t{kills}\t{}\t{}\t{spooled}\t{carried_over}\t{again}\t{repeated}\t{in_memory}",
        books.promised.len(),
        arrivals.distinct.len(),
    );
}
