//! A name server of a few names, which change as the test says.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Types of records (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// Response codes (RFC 1035 §4.1.1).
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;

/// Answers A, AAAA and SRV questions over UDP, on a loopback port of its own. Ends when it is dropped.
#[derive(Debug)]
pub struct FakeDns {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    names: HashMap<String, Records>,
    silent: bool,
    stopped: bool,
    asked: HashMap<String, usize>,
}

#[derive(Debug, Default, Clone)]
struct Records {
    /// Seconds.
    time_to_live: u32,
    addresses: Vec<IpAddr>,
    services: Vec<Service>,
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// The lowest comes first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Name of the host.
    pub target: String,
}

impl Service {
    /// A service of priority and weight 0.
    #[must_use]
    pub fn new(target: &str, port: u16) -> Self {
        Self {
            priority: 0,
            weight: 0,
            port,
            target: target.to_owned(),
        }
    }

    /// The same with another priority.
    #[must_use]
    pub fn priority(mut self, priority: u16) -> Self {
        self.priority = priority;
        self
    }
}

impl Default for FakeDns {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeDns {
    /// A name server that knows no name yet.
    #[must_use]
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a loopback port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a read timeout above zero");
        let address = socket.local_addr().expect("a bound socket's address");
        let shared = Arc::<Mutex<State>>::default();
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || serve(&socket, &theirs));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Where it is asked.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives a name these addresses from now on, with a time to live in seconds.
    pub fn host(&self, name: &str, time_to_live: u32, addresses: &[IpAddr]) {
        let records = Records {
            time_to_live,
            addresses: addresses.to_vec(),
            services: Vec::new(),
        };
        self.state().names.insert(name.to_lowercase(), records);
    }

    /// Gives a name these services from now on, with a time to live in seconds.
    pub fn service(&self, name: &str, time_to_live: u32, services: &[Service]) {
        let records = Records {
            time_to_live,
            addresses: Vec::new(),
            services: services.to_vec(),
        };
        self.state().names.insert(name.to_lowercase(), records);
    }

    /// The name does not exist any more.
    pub fn forget(&self, name: &str) {
        self.state().names.remove(&name.to_lowercase());
    }

    /// Whether it answers nothing at all from now on.
    pub fn set_silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// How many questions about a name have come.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let state = self.state();
        state.asked.get(&name.to_lowercase()).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeDns {
    fn drop(&mut self) {
        self.state().stopped = true;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(socket: &UdpSocket, shared: &Mutex<State>) {
    let mut buffer = [0; 1500];
    loop {
        let received = socket.recv_from(&mut buffer);
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return;
        }
        let Ok((length, peer)) = received else {
            continue;
        };
        let Some(question) = Question::parse(&buffer[..length]) else {
            continue;
        };
        *state.asked.entry(question.name.clone()).or_default() += 1;
        if state.silent {
            continue;
        }
        let answer = question.answer(state.names.get(&question.name));
        socket.send_to(&answer, peer).ok();
    }
}

/// The one question of a query.
struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// The question as it stands, to be repeated in the answer.
    octets: Vec<u8>,
}

impl Question {
    fn parse(query: &[u8]) -> Option<Self> {
        let id = [*query.first()?, *query.get(1)?];
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = query.get(at..at + length)?;
            labels.push(String::from_utf8_lossy(label).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
        Some(Self {
            id,
            name: labels.join("."),
            kind,
            octets: query.get(12..at + 4)?.to_vec(),
        })
    }

    fn answer(&self, records: Option<&Records>) -> Vec<u8> {
        let mut values: Vec<Vec<u8>> = Vec::new();
        for address in records.iter().flat_map(|records| &records.addresses) {
            match address {
                IpAddr::V4(ip) if self.kind == A => values.push(ip.octets().to_vec()),
                IpAddr::V6(ip) if self.kind == AAAA => values.push(ip.octets().to_vec()),
                _ => {}
            }
        }
        for service in records.iter().flat_map(|records| &records.services) {
            if self.kind == SRV {
                let numbers = [service.priority, service.weight, service.port];
                let mut value: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
                value.extend(written(&service.target));
                values.push(value);
            }
        }
        let code = match records {
            Some(_) => NO_ERROR,
            None => NO_SUCH_NAME,
        };
        let mut answer = self.id.to_vec();
        // A response, authoritative, recursion desired and available.
        answer.extend([0x85, 0x80 | code]);
        let count = u16::try_from(values.len()).expect("a few records");
        for number in [1, count, 0, 0] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(&self.octets);
        let time_to_live = records.map_or(0, |records| records.time_to_live);
        for value in values {
            // The name is that of the question, at octet 12.
            answer.extend([0xc0, 12]);
            answer.extend(self.kind.to_be_bytes());
            answer.extend(1_u16.to_be_bytes());
            answer.extend(time_to_live.to_be_bytes());
            let length = u16::try_from(value.len()).expect("a short value");
            answer.extend(length.to_be_bytes());
            answer.extend(value);
        }
        answer
    }
}

/// A name in the form of the wire, uncompressed.
fn written(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a label of 63 octets at most"));
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}
