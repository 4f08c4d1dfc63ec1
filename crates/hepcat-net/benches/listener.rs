//! What a listener costs for each frame, from the socket to the handler, which throws it away.
//!
//! `cargo bench -p hepcat-net --bench listener`. The listener has one thread, whose processor time is measured;
//! senders have another. Frames are of 629 octets, the mean of a SIP mix.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: it prints its result, and has nothing to recover from"
)]

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream, UdpSocket},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use hepcat_net::{
    Batch, Handler, ListenerId,
    listener::{Listener, ListenerConfig},
    rustls::{ClientConnection, StreamOwned, crypto::aws_lc_rs, pki_types::ServerName},
    tls::ServerTls,
};
use hepcat_testkit::{TestCa, frame};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const FRAME: usize = 629;
const STREAM_FRAMES: u64 = 2_000_000;
const DATAGRAMS: u64 = 500_000;

/// Takes frames and forgets them.
#[derive(Default)]
struct Count {
    frames: AtomicU64,
    batches: AtomicU64,
}

impl Handler for Count {
    async fn handle(&self, batch: &mut Batch) {
        self.frames.fetch_add(batch.len() as u64, Relaxed);
        self.batches.fetch_add(1, Relaxed);
        batch.clear();
    }
}

fn main() {
    let frame = frame::sip_v3(vec![b'x'; FRAME - frame::sip_v3([]).len()]);
    assert_eq!(frame.len(), FRAME);
    let many = frame.repeat(1000);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));

    run(
        "tcp",
        ListenerConfig::tcp(ListenerId(1), loopback),
        STREAM_FRAMES,
        {
            let many = many.clone();
            move |addr| {
                let mut stream = TcpStream::connect(addr).unwrap();
                for _ in 0..STREAM_FRAMES / 1000 {
                    stream.write_all(&many).unwrap();
                }
            }
        },
    );

    let ca = TestCa::new();
    let identity = ca.localhost();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ServerTls::new(provider, &identity.cert, &identity.key);
    let client = ca.client_config(None);
    run(
        "tls",
        ListenerConfig::tls(ListenerId(1), loopback, tls),
        STREAM_FRAMES,
        move |addr| {
            let name = ServerName::try_from("localhost").unwrap();
            let session = ClientConnection::new(client, name).unwrap();
            let mut stream = StreamOwned::new(session, TcpStream::connect(addr).unwrap());
            for _ in 0..STREAM_FRAMES / 1000 {
                stream.write_all(&many).unwrap();
            }
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        },
    );

    let udp = ListenerConfig::udp(ListenerId(1), loopback).sockets(NonZeroUsize::MIN);
    run("udp", udp, DATAGRAMS, move |addr| {
        let socket = UdpSocket::bind(loopback).unwrap();
        socket.connect(addr).unwrap();
        for _ in 0..DATAGRAMS {
            socket.send(&frame).unwrap();
        }
    });
}

fn run(
    name: &str,
    config: ListenerConfig,
    sent: u64,
    send: impl FnOnce(SocketAddr) + Send + 'static,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let handler = Arc::new(Count::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let bound = Listener::bind(config).unwrap();
        let addr = bound.local_addr();
        let listener = bound.serve(Arc::clone(&handler), &tasks, stop.clone());
        let (begun, spent) = (Instant::now(), processor_time());
        let sender = thread::spawn(move || send(addr));
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let frames = handler.frames.load(Relaxed);
            if frames >= sent || (sender.is_finished() && frames == last) {
                break;
            }
            last = frames;
        }
        let (elapsed, spent) = (begun.elapsed(), processor_time() - spent);
        sender.join().unwrap();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        let frames = handler.frames.load(Relaxed);
        println!(
            "{name}: {:.0} frames/s, {} ns of processor time a frame, {} of {sent} frames, {} dropped by the \
             kernel, {:.0} frames a batch",
            frames as f64 / elapsed.as_secs_f64(),
            spent.as_nanos() / u128::from(frames.max(1)),
            frames,
            listener.stats().kernel_drops,
            frames as f64 / handler.batches.load(Relaxed) as f64,
        );
    });
}

/// Of this thread, so far (`man 5 proc`, `schedstat`: nanoseconds first).
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = text.split_whitespace().next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}
