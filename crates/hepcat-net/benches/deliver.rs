//! What delivering one 629-octet frame costs: CPU time of the one thread that offers and writes, the
//! collector reading on another, flat out under `WhenFull::Block`. The same octets written by a plain
//! blocking socket in 64 KiB pieces stand beside it: the least that the kernel asks for.
//!
//! `cargo bench -p hepcat-net --bench deliver [messages]`

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its figures"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    thread,
    time::Instant,
};

use bytes::Bytes;
use hepcat_net::{
    Destination, DestinationConfig,
    destination::{QueueConfig, WhenFull},
    tls::{ClientTls, ClientTlsSettings},
};
use hepcat_testkit::TestCa;
use rustls::{ServerConfig, ServerConnection, crypto::aws_lc_rs};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const FRAME: usize = 629;
const BATCH: usize = 64;

fn main() {
    let messages = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let ca = TestCa::new();
    for _ in 0..3 {
        plain_write("plain write, tcp", messages);
        let address = tcp_sink();
        run(
            "tcp",
            DestinationConfig::tcp("d", "127.0.0.1", address.port()),
            messages,
        );
        let address = tls_sink(ca.server_config(&ca.localhost()));
        let settings = ClientTlsSettings::new().ca(ca.ca_file());
        let tls = ClientTls::load(settings, Arc::new(aws_lc_rs::default_provider())).unwrap();
        let config = DestinationConfig::tls("d", "127.0.0.1", address.port(), tls);
        run("tls", config, messages);
        let address = udp_sink();
        run(
            "udp",
            DestinationConfig::udp("d", "127.0.0.1", address.port()),
            messages / 4,
        );
    }
}

fn run(name: &str, config: DestinationConfig, messages: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let queue = QueueConfig::default().when_full(WhenFull::Block);
        let destination = Destination::spawn(config.queue(queue), &tasks, &stop);
        // Each frame its own allocation, as listeners make them.
        let pool: Vec<Vec<u8>> = (0..BATCH)
            .map(|n| vec![u8::try_from(n).unwrap(); FRAME])
            .collect();
        destination.offer_wait([Bytes::from(pool[0].clone())]).await;
        while destination.ledger().delivered == 0 {
            tokio::task::yield_now().await;
        }
        let (started, cpu) = (Instant::now(), thread_cpu());
        for _ in 0..messages / BATCH {
            let batch: Vec<_> = pool
                .iter()
                .map(|frame| Bytes::copy_from_slice(frame))
                .collect();
            destination.offer_wait(batch).await;
            // A listener would now wait for its socket.
            tokio::task::yield_now().await;
        }
        while destination.ledger().queued > 0 {
            tokio::task::yield_now().await;
        }
        report(name, messages, started, cpu);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    });
}

fn plain_write(name: &str, messages: usize) {
    let mut stream = TcpStream::connect(tcp_sink()).unwrap();
    let piece = vec![7; 64 << 10];
    let (started, cpu) = (Instant::now(), thread_cpu());
    for _ in 0..messages * FRAME / piece.len() {
        stream.write_all(&piece).unwrap();
    }
    report(name, messages, started, cpu);
}

fn report(name: &str, messages: usize, started: Instant, cpu: u64) {
    let count = messages as f64;
    let wall = started.elapsed().as_nanos() as f64 / count;
    let cpu = (thread_cpu() - cpu) as f64 / count;
    println!("{name:18} {cpu:7.0} ns cpu  {wall:7.0} ns wall per frame");
}

/// Nanoseconds that this thread has run (first field of its schedstat).
fn thread_cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn tcp_sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 256 << 10];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    address
}

fn tls_sink(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(config).unwrap();
        let mut buffer = vec![0; 256 << 10];
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        while tls.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    address
}

fn udp_sink() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while socket.recv(&mut buffer).is_ok() {}
    });
    address
}
