//! A listener on loopback, and a handler that remembers what it got.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use hepcat_net::{
    Arrival, Batch, Handler, ListenerId, Origin,
    listener::{Listener, ListenerConfig, ListenerHandle, ListenerStats, StreamLimits},
};
use hepcat_testkit::frame;
use parking_lot::Mutex;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Notify, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest that any test waits for what must happen: long enough for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was handed over.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) frame: Vec<u8>,
    pub(crate) origin: Arc<Origin>,
    /// `None` for a message.
    pub(crate) error: Option<&'static str>,
}

/// Remembers frames. Each hand-over waits for the gate, which is open unless the test closes it.
#[derive(Debug)]
pub(crate) struct Recorder {
    got: Mutex<Vec<Got>>,
    changed: Notify,
    gate: Semaphore,
    pub(crate) entered: AtomicUsize,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            got: Mutex::default(),
            changed: Notify::new(),
            gate: Semaphore::new(1),
            entered: AtomicUsize::new(0),
        })
    }

    /// Hand-overs do not return until [`open_gate`](Self::open_gate).
    pub(crate) async fn close_gate(&self) {
        self.gate.acquire().await.unwrap().forget();
    }

    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn all(&self) -> Vec<Got> {
        self.got.lock().clone()
    }

    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.all().into_iter().map(|got| got.frame).collect()
    }

    /// Waits until there are `count` frames, and returns them all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Got> {
        self.wait_until(&format!("{count} frames"), || {
            let got = self.got.lock();
            (got.len() >= count).then(|| got.clone())
        })
        .await
    }

    pub(crate) async fn wait_entered(&self, count: usize) {
        self.wait_until("hand-over", || {
            (self.entered.load(SeqCst) >= count).then_some(())
        })
        .await;
    }

    async fn wait_until<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(value) = ready() {
                    return value;
                }
                changed.await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, wait).await;
        outcome.unwrap_or_else(|_| panic!("no {what}: {:?}", self.all().len()))
    }
}

impl Handler for Recorder {
    async fn handle(&self, batch: &mut Batch) {
        self.entered.fetch_add(1, SeqCst);
        self.changed.notify_waiters();
        let pass = self.gate.acquire().await.unwrap();
        let taken = batch.drain(..).map(|arrival| match arrival {
            Arrival::Message(envelope) => Got {
                frame: envelope.message.as_received().to_vec(),
                origin: envelope.origin,
                error: None,
            },
            Arrival::Unparsable(unparsable) => Got {
                frame: unparsable.frame.to_vec(),
                origin: unparsable.origin,
                error: Some(unparsable.error.reason()),
            },
            other => panic!("{other:?}"),
        });
        self.got.lock().extend(taken);
        drop(pass);
        self.changed.notify_waiters();
    }
}

/// A listener that is being served.
pub(crate) struct Rig {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) listener: ListenerHandle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Rig {
    pub(crate) fn new(config: ListenerConfig) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let recorder = Recorder::new();
        let bound = Listener::bind(config).unwrap();
        let listener = bound.serve(Arc::clone(&recorder), &tasks, stop.clone());
        Self {
            recorder,
            listener,
            tasks,
            stop,
        }
    }

    /// Other settings for the sockets of `self`, which goes on until it is stopped.
    pub(crate) fn taken_over(&self, config: ListenerConfig) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let recorder = Recorder::new();
        let bound = Listener::take_over(config, &self.listener).unwrap();
        let listener = bound.serve(Arc::clone(&recorder), &tasks, stop.clone());
        Self {
            recorder,
            listener,
            tasks,
            stop,
        }
    }

    pub(crate) fn udp() -> Self {
        Self::new(ListenerConfig::udp(ListenerId(7), loopback()))
    }

    pub(crate) fn tcp() -> Self {
        Self::tcp_with(|_| {})
    }

    pub(crate) fn tcp_with(change: impl FnOnce(&mut StreamLimits)) -> Self {
        Self::new(ListenerConfig::tcp(ListenerId(7), loopback()).limits(limits(change)))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) fn stats(&self) -> ListenerStats {
        self.listener.stats()
    }

    /// Waits for something to be counted. Statistics change behind the test's back, so they are asked again and
    /// again; what is waited for is certain to come.
    pub(crate) async fn wait_stats(&self, ready: impl Fn(&ListenerStats) -> bool) -> ListenerStats {
        let wait = async {
            loop {
                let stats = self.stats();
                if ready(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, wait).await;
        outcome.unwrap_or_else(|_| panic!("{:#?}", self.stats()))
    }

    /// Waits until a connection was closed for this reason, and for no other.
    pub(crate) async fn wait_closed(&self, reason: &str) -> ListenerStats {
        let stats = self
            .wait_stats(|stats| stats.connections_closed.total() > 0)
            .await;
        assert_eq!(stats.connections_closed.get(reason), 1, "{stats:#?}");
        stats
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Stops and waits for the end of all tasks.
    pub(crate) async fn stop(&self) -> ListenerStats {
        self.begin_stop();
        tokio::time::timeout(PATIENCE, self.tasks.wait())
            .await
            .expect("all tasks end");
        self.stats()
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn limits(change: impl FnOnce(&mut StreamLimits)) -> StreamLimits {
    let mut limits = StreamLimits::default();
    change(&mut limits);
    limits
}

/// A HEPv3 frame with a payload that can be told from others.
pub(crate) fn numbered(number: usize) -> Vec<u8> {
    frame::sip_v3(frame::sip_options(&format!("call-{number}")))
}

/// Waits until the listener closes the connection; a reset is a close too.
pub(crate) async fn wait_eof(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    // What the outcome is depends on what lay unread: end of stream, reset, or an alert of TLS.
    drop(
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the listener closes the connection"),
    );
}
