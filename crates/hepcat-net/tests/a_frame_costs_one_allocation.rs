//! Alone in its process, because it counts every allocation of the process.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::Write,
    net::{SocketAddr, TcpStream, UdpSocket},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use hepcat_net::{
    Batch, Callbacks, Handler, ListenerId,
    callbacks::{Chain, Flow},
    listener::{Listener, ListenerConfig, ListenerHandle},
};
use hepcat_testkit::frame;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The system's allocator, and how often it was asked.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, SeqCst);
        // SAFETY: the caller keeps the promises of the trait.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(1, SeqCst);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Count(AtomicU64);

impl Handler for Count {
    async fn handle(&self, batch: &mut Batch) {
        self.0.fetch_add(batch.len() as u64, SeqCst);
        batch.clear();
    }
}

const ROUNDS: u64 = 50;
const EACH: u64 = 20;

fn serve(config: ListenerConfig, callbacks: Chain) -> (Arc<Count>, ListenerHandle) {
    let handler = Arc::new(Count::default());
    let bound = Listener::bind(config).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let behind_callbacks = Callbacks::new(callbacks, Arc::clone(&handler));
    let listener = bound.serve(Arc::new(behind_callbacks), &tasks, stop);
    (handler, listener)
}

/// Allocations of `ROUNDS` times `EACH` frames, after as many to warm up.
async fn count(handler: &Count, mut send: impl FnMut()) -> u64 {
    let mut asked = 0;
    let mut done = handler.0.load(SeqCst);
    for round in 0..2 * ROUNDS {
        if round == ROUNDS {
            asked = ASKED.load(SeqCst);
        }
        send();
        done += EACH;
        while handler.0.load(SeqCst) < done {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    ASKED.load(SeqCst) - asked
}

#[tokio::test]
async fn its_own_octets_and_nothing_else() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let one = frame::sip_v3(frame::sip_options("call-1"));
    // What is not of a frame: a table that grows, an answer of the clock.
    let slack = 20;

    let config = ListenerConfig::udp(ListenerId(1), loopback).sockets(NonZeroUsize::MIN);
    let (handler, listener) = serve(config, Chain::new());
    let agents: Vec<UdpSocket> = (0..4).map(|_| UdpSocket::bind(loopback).unwrap()).collect();
    let addr = listener.local_addr();
    let datagrams = count(&handler, || {
        for number in 0..EACH {
            let agent = &agents[usize::try_from(number).unwrap() % agents.len()];
            agent.send_to(&one, addr).unwrap();
        }
    })
    .await;
    let frames = ROUNDS * EACH;
    assert!(
        (frames..frames + slack).contains(&datagrams),
        "{datagrams} for {frames} datagrams"
    );

    let chain = Chain::new().callback("nothing", |_| Flow::Continue);
    let (handler, listener) = serve(ListenerConfig::tcp(ListenerId(2), loopback), chain);
    let mut agent = TcpStream::connect(listener.local_addr()).unwrap();
    let many = one.repeat(usize::try_from(EACH).unwrap());
    let framed = count(&handler, || agent.write_all(&many).unwrap()).await;
    assert!(
        (frames..frames + slack).contains(&framed),
        "{framed} for {frames} frames"
    );
}
