use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use hepcat_net::{
    Batch, Handler, ListenerId, Origin, StreamFault,
    listener::{Listener, ListenerConfig, ListenerHandle},
    rustls::crypto::aws_lc_rs,
    tls::{ClientAuth, ServerTls},
};
use hepcat_testkit::{FakeAgent, Identity, TestCa, frame};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::rig::{limits, loopback};

/// Long enough for a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets nobody in, or nobody whose certificate says something else than `CN=edge`.
#[derive(Debug, Default)]
struct Doorman {
    closed: bool,
    frames: AtomicUsize,
    faults: Mutex<Vec<(IpAddr, StreamFault)>>,
}

impl Handler for Doorman {
    async fn handle(&self, batch: &mut Batch) {
        self.frames.fetch_add(batch.len(), SeqCst);
    }

    fn admit_connection(&self, _: ListenerId, peer: SocketAddr) -> Result<(), &'static str> {
        assert!(peer.ip().is_loopback());
        if self.closed { Err("address") } else { Ok(()) }
    }

    fn admit_session(&self, origin: &Origin) -> Result<(), &'static str> {
        let subject = origin.tls.as_ref().and_then(|tls| tls.subject.as_deref());
        match subject {
            Some("CN=edge") => Ok(()),
            _ => Err("certificate"),
        }
    }

    fn stream_fault(&self, _: ListenerId, peer: SocketAddr, fault: StreamFault) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push((peer.ip(), fault));
    }
}

impl Doorman {
    fn faults(&self) -> Vec<(IpAddr, StreamFault)> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.clone()
    }
}

fn serve(config: ListenerConfig, doorman: &Arc<Doorman>) -> ListenerHandle {
    let bound = Listener::bind(config).unwrap();
    bound.serve(
        Arc::clone(doorman),
        &TaskTracker::new(),
        CancellationToken::new(),
    )
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("no {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_handler_does_not_admit_is_closed_before_it_is_read() {
    let doorman = Arc::new(Doorman {
        closed: true,
        ..Doorman::default()
    });
    let listener = serve(ListenerConfig::tcp(ListenerId(3), loopback()), &doorman);
    let mut agent = FakeAgent::tcp(listener.local_addr());
    assert!(agent.closed_by_peer(PATIENCE));
    let stats = listener.stats();
    assert_eq!(stats.connections_refused.get("address"), 1);
    assert_eq!((stats.connections_accepted, stats.connections_open), (0, 0));
    assert_eq!((stats.octets, doorman.frames.load(SeqCst)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_handler_does_not_admit_ends_the_session_before_it_is_read() {
    let ca = TestCa::new();
    let server = ca.localhost();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls =
        ServerTls::new(provider, &server.cert, &server.key).client_auth(ClientAuth::Required {
            ca: ca.ca_file().to_owned(),
        });
    let doorman = Arc::new(Doorman::default());
    let listener = serve(
        ListenerConfig::tls(ListenerId(3), loopback(), tls),
        &doorman,
    );
    let connect = |identity: &Identity| {
        let config = ca.client_config(Some(identity));
        FakeAgent::tls(listener.local_addr(), config, "localhost").unwrap()
    };
    let mut stranger = connect(&ca.client("stranger"));
    assert!(stranger.closed_by_peer(PATIENCE));
    until("end", || {
        listener.stats().connections_closed.get("refused") == 1
    })
    .await;
    assert_eq!(listener.stats().connections_refused.get("certificate"), 1);
    assert_eq!(doorman.frames.load(SeqCst), 0);
    connect(&ca.client("edge")).send(&frame::sip_v3(frame::sip_options("a@b")));
    until("frame", || doorman.frames.load(SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_bad_frames_that_close_a_stream_can_be_chosen() {
    let doorman = Arc::new(Doorman::default());
    let limits = limits(|limits| limits.max_bad_frames = std::num::NonZeroU32::new(3));
    let config = ListenerConfig::tcp(ListenerId(3), loopback()).limits(limits);
    let listener = serve(config, &doorman);
    // A frame without a single chunk is well framed and no message.
    let bad = frame::v3(&[frame::chunk(0, 1, &[]), b"x".to_vec()]);
    let mut agent = FakeAgent::tcp(listener.local_addr());
    agent.send(
        &[
            bad.clone(),
            bad.clone(),
            frame::sip_v3("x"),
            bad.clone(),
            bad.clone(),
        ]
        .concat(),
    );
    until("five frames", || doorman.frames.load(SeqCst) == 5).await;
    agent.send(&bad);
    assert!(agent.closed_by_peer(PATIENCE));
    until("end", || {
        listener.stats().connections_closed.get("too_many_errors") == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_is_told_whose_stream_is_no_hep_and_whose_handshake_fails() {
    let ca = TestCa::new();
    let server = ca.localhost();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ServerTls::new(provider, &server.cert, &server.key);
    let plain = Arc::new(Doorman::default());
    let secure = Arc::new(Doorman::default());
    let tcp = serve(ListenerConfig::tcp(ListenerId(3), loopback()), &plain);
    let tls = serve(ListenerConfig::tls(ListenerId(4), loopback(), tls), &secure);
    let text = b"GET / HTTP/1.1\r\n\r\n";
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    for (listener, doorman, fault) in [
        (&tcp, &plain, StreamFault::OutOfStep("unknown_format")),
        (&tls, &secure, StreamFault::Handshake("not_tls")),
    ] {
        let mut agent = FakeAgent::tcp(listener.local_addr());
        agent.send(text);
        until("fault", || !doorman.faults().is_empty()).await;
        assert_eq!(doorman.faults(), [(local, fault)]);
    }
    assert_eq!(plain.frames.load(SeqCst), 0);
}
