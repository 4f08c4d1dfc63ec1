//! A collector that counts SIP methods per agent: it takes in HEP over UDP and TCP, and prints a table at the end.
//!
//! `cargo run -p hepcat-net --example count_methods -- 0.0.0.0:9060`, and Ctrl-C for the table.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use hepcat_net::{
    Arrival, Batch, Envelope, Handler, ListenerId,
    listener::{BindError, Listener, ListenerConfig},
    trace::unwrap_homer6,
};
use hepcat_wire::InflateLimit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9060").parse()?;
    let collector = Collector::start(address)?;
    println!(
        "agents may send to {} (UDP) and {} (TCP)",
        collector.udp(),
        collector.tcp()
    );
    tokio::signal::ctrl_c().await?;
    print!("{}", collector.stop().await);
    Ok(())
}

/// An agent: where it sends from, and the capture agent ID that it gives.
type Agent = (IpAddr, Option<u32>);

/// How often each agent sent what.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) BTreeMap<(Agent, String), u64>);

/// Listeners that are running, and what they counted.
pub(crate) struct Collector {
    counts: Arc<CountMethods>,
    tasks: TaskTracker,
    stop: CancellationToken,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Collector {
    /// Listens on the address over UDP and over TCP.
    pub(crate) fn start(address: SocketAddr) -> Result<Self, BindError> {
        // Both are bound before anything is read, so that a fault of one leaves nothing running.
        let udp = Listener::bind(ListenerConfig::udp(ListenerId(0), address))?;
        let tcp = Listener::bind(ListenerConfig::tcp(ListenerId(1), address))?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let counts = Arc::new(CountMethods::default());
        let collector = Self {
            udp: udp.local_addr(),
            tcp: tcp.local_addr(),
            counts: Arc::clone(&counts),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        udp.serve(Arc::clone(&counts), &tasks, stop.clone());
        tcp.serve(counts, &tasks, stop);
        Ok(collector)
    }

    /// Where agents send datagrams to.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Where agents connect to.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// What has been counted by now.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.read().clone()
    }

    /// Stops listening, takes in what was read already, and returns the counts.
    pub(crate) async fn stop(self) -> Counts {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.counts()
    }
}

#[derive(Default)]
struct CountMethods(Mutex<Counts>);

impl CountMethods {
    fn read(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for CountMethods {
    async fn handle(&self, batch: &mut Batch) {
        let mut counts = self.read();
        for arrival in batch.drain(..) {
            let (agent, what) = match arrival {
                Arrival::Message(envelope) => (agent_of(&envelope), what_is(&envelope)),
                Arrival::Unparsable(unparsable) => {
                    let agent = (unparsable.origin.peer.ip(), None);
                    (agent, format!("no HEP: {}", unparsable.error.reason()))
                }
                _ => continue,
            };
            *counts.0.entry((agent, what)).or_default() += 1;
        }
    }
}

fn agent_of(envelope: &Envelope) -> Agent {
    let capture_id = envelope.message.capture_id();
    (envelope.origin.peer.ip(), capture_id)
}

/// The method of a request, `status` and the class of a response, or that it is no SIP.
fn what_is(envelope: &Envelope) -> String {
    let payload = envelope.message.payload();
    let payload = payload.inflate(InflateLimit::default()).unwrap_or_default();
    // Agents of HOMER 6 send the text inside a JSON object.
    let unwrapped = unwrap_homer6(&payload);
    let Some(sip) = hepcat_sip::scan(unwrapped.as_deref().unwrap_or(&payload)) else {
        return "no SIP".to_owned();
    };
    match (sip.method(), sip.status_code()) {
        (Some(method), _) => String::from_utf8_lossy(method).into_owned(),
        (None, Some(code)) => format!("status {}xx", code / 100),
        (None, None) => "no SIP".to_owned(),
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (((address, capture_id), what), count) in &self.0 {
            let id = capture_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
            writeln!(f, "{address:<24} {id:>10}  {what:<24} {count:>10}")?;
        }
        Ok(())
    }
}
