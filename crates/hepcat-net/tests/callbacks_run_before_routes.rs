//! Callbacks: who runs when, what they see, and what becomes of a message when one of them fails.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fmt::Write,
    io::Write as _,
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, SystemTime},
};

use hepcat_net::{
    Arrival, Batch, Callbacks, Envelope, Handler, ListenerId, Origin, StreamFault, TlsIdentity,
    Transport, Unparsable,
    callbacks::{CallbackStats, Chain, Flow},
    listener::{Listener, ListenerConfig},
};
use hepcat_testkit::frame;
use hepcat_wire::Message;
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Keeps what reaches the routes.
#[derive(Debug, Default)]
struct Routes(Mutex<Vec<Vec<u8>>>);

impl Handler for Routes {
    async fn handle(&self, batch: &mut Batch) {
        let frames = batch.drain(..).map(|arrival| match arrival {
            Arrival::Message(envelope) => envelope.message.as_received().to_vec(),
            Arrival::Unparsable(unparsable) => unparsable.frame.to_vec(),
            _ => unreachable!("there are two kinds"),
        });
        self.0.lock().extend(frames);
    }
}

fn origin() -> Arc<Origin> {
    let mut origin = Origin::new(
        ListenerId(7),
        Transport::Tls,
        "192.0.2.9:4000".parse().unwrap(),
        "127.0.0.1:9061".parse().unwrap(),
    );
    origin.tls = Some(TlsIdentity::new(Some("CN=sbc".to_owned()), None));
    Arc::new(origin)
}

fn message(call_id: &str) -> Arrival {
    let frame = frame::sip_v3(frame::sip_options(call_id));
    let message = Message::parse(frame.into()).unwrap();
    let received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Arrival::Message(Envelope::new(message, origin(), received_at))
}

fn unparsable() -> Arrival {
    let (error, frame) = Message::try_parse_lax(bytes::Bytes::from_static(b"rubbish")).unwrap_err();
    Arrival::Unparsable(Unparsable::new(
        frame,
        error,
        origin(),
        SystemTime::UNIX_EPOCH,
    ))
}

fn octets(arrival: &Arrival) -> Vec<u8> {
    match arrival {
        Arrival::Message(envelope) => envelope.message.as_received().to_vec(),
        Arrival::Unparsable(unparsable) => unparsable.frame.to_vec(),
        _ => unreachable!("there are two kinds"),
    }
}

fn holds(envelope: &Envelope, text: &[u8]) -> bool {
    let payload = envelope.message.payload().octets().unwrap();
    payload.windows(text.len()).any(|window| window == text)
}

/// What reaches the routes of these arrivals.
async fn routed(chain: &Chain, arrivals: Vec<Arrival>) -> Vec<Vec<u8>> {
    let handler = Callbacks::new(chain.clone(), Routes::default());
    let mut batch = arrivals;
    handler.handle(&mut batch).await;
    handler.next().0.lock().clone()
}

fn stats_of(chain: &Chain, name: &str) -> CallbackStats {
    let mut stats = chain.stats().into_iter();
    stats.find(|stats| stats.name == name).unwrap()
}

#[tokio::test]
async fn without_a_callback_every_frame_reaches_the_routes() {
    let arrivals = vec![message("a"), unparsable(), message("b")];
    let expected: Vec<_> = arrivals.iter().map(octets).collect();
    assert_eq!(routed(&Chain::new(), arrivals).await, expected);
}

#[tokio::test]
async fn callbacks_run_in_the_order_of_registration_for_one_message_after_the_other() {
    let seen = Arc::new(Mutex::new(String::new()));
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |envelope: &Envelope| {
            let call = if holds(envelope, b"call-1") { 1 } else { 2 };
            write!(seen.lock(), "{name}{call} ").unwrap();
            Flow::Continue
        }
    };
    let (first, second, third) = (note("a"), note("b"), note("c"));
    let chain = Chain::new()
        .callback("a", first)
        .async_callback("b", move |envelope: Envelope| {
            let flow = second(&envelope);
            async move {
                tokio::task::yield_now().await;
                flow
            }
        })
        .callback("c", third);
    routed(&chain, vec![message("call-1"), message("call-2")]).await;
    assert_eq!(*seen.lock(), "a1 b1 c1 a2 b2 c2 ");
}

#[tokio::test]
async fn a_callback_sees_the_message_and_how_it_came() {
    let seen = Arc::new(Mutex::new(None));
    let into = Arc::clone(&seen);
    let chain = Chain::new().callback("look", move |envelope| {
        *into.lock() = Some(envelope.clone());
        Flow::Continue
    });
    routed(&chain, vec![message("call-1")]).await;
    let envelope = seen.lock().take().unwrap();
    assert!(holds(&envelope, b"call-1"));
    assert_eq!(envelope.origin.listener, ListenerId(7));
    assert_eq!(envelope.origin.transport, Transport::Tls);
    assert_eq!(envelope.origin.peer, "192.0.2.9:4000".parse().unwrap());
    let tls = envelope.origin.tls.as_ref().unwrap();
    assert_eq!(tls.subject.as_deref(), Some("CN=sbc"));
    let seconds = envelope.received_at.duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(seconds.unwrap().as_secs(), 1_700_000_000);
}

#[tokio::test]
async fn one_that_skips_is_enough_and_the_others_run_all_the_same() {
    let chain = Chain::new()
        .callback("skip", |envelope| match holds(envelope, b"call-2") {
            true => Flow::SkipRoutes,
            false => Flow::Continue,
        })
        .async_callback("later", async |_| Flow::Continue);
    let arrivals = vec![
        message("call-1"),
        message("call-2"),
        unparsable(),
        message("call-3"),
    ];
    let expected: Vec<_> = [0, 2, 3].map(|at: usize| octets(&arrivals[at])).to_vec();
    assert_eq!(routed(&chain, arrivals).await, expected);
    assert_eq!(chain.skipped(), 1);
    let (skip, later) = (stats_of(&chain, "skip"), stats_of(&chain, "later"));
    assert_eq!((skip.calls, skip.skips), (3, 1));
    assert_eq!((later.calls, later.skips), (3, 0));
}

#[tokio::test]
async fn frames_that_do_not_decode_are_no_callbacks_business() {
    let chain = Chain::new().callback("skip all", |_| Flow::SkipRoutes);
    assert_eq!(
        routed(&chain, vec![unparsable(), message("a")]).await,
        [b"rubbish".to_vec()]
    );
    assert_eq!(stats_of(&chain, "skip all").calls, 1);
}

#[tokio::test]
async fn a_callback_that_fails_is_counted_and_the_message_goes_on() {
    let chain = Chain::new()
        .callback("error", |_| Err::<Flow, _>("no such thing"))
        .async_callback("async error", async |_| {
            Err::<Flow, _>(std::io::Error::other("gone"))
        })
        .callback("panic", |_| -> Flow { panic!("as intended") })
        .async_callback("panic before", |_| -> std::future::Ready<Flow> {
            panic!("as intended")
        })
        .async_callback("panic within", async |_| {
            tokio::task::yield_now().await;
            std::panic::panic_any::<i32>(7);
            #[expect(unreachable_code, reason = "gives the future its type")]
            Flow::Continue
        })
        .async_callback("never", |_| std::future::pending::<Flow>())
        .time_limit(Duration::from_millis(5))
        .callback("last", |_| Flow::Continue);
    let arrivals = vec![message("call-1"), message("call-2")];
    let expected: Vec<_> = arrivals.iter().map(octets).collect();
    assert_eq!(routed(&chain, arrivals).await, expected);
    for (name, errors, panics, timeouts) in [
        ("error", 2, 0, 0),
        ("async error", 2, 0, 0),
        ("panic", 0, 2, 0),
        ("panic before", 0, 2, 0),
        ("panic within", 0, 2, 0),
        ("never", 0, 0, 2),
        ("last", 0, 0, 0),
    ] {
        let stats = stats_of(&chain, name);
        assert_eq!(
            (stats.calls, stats.errors, stats.panics, stats.timeouts),
            (2, errors, panics, timeouts),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_failing_callback_does_not_undo_what_another_skipped() {
    let chain = Chain::new()
        .callback("skip", |_| Flow::SkipRoutes)
        .callback("panic", |_| -> Flow { panic!("as intended") });
    let none: [Vec<u8>; 0] = [];
    assert_eq!(routed(&chain, vec![message("a")]).await, none);
}

#[tokio::test]
async fn a_listener_takes_callbacks_over_udp_and_tcp() {
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (into, mut done) = (Arc::clone(&seen), tokio::sync::mpsc::channel::<()>(8));
    let tell = done.0;
    let chain = Chain::new().callback("note", move |envelope| {
        into.lock().push(envelope.origin.transport);
        let _full = tell.try_send(());
        Flow::SkipRoutes
    });
    let handler = Arc::new(Callbacks::new(chain, Routes::default()));
    let serve = |config| {
        let bound = Listener::bind(config).unwrap();
        bound.serve(Arc::clone(&handler), &tasks, stop.clone())
    };
    let udp = serve(ListenerConfig::udp(ListenerId(1), loopback));
    let tcp = serve(ListenerConfig::tcp(ListenerId(2), loopback));
    let frame = frame::sip_v3(frame::sip_options("call-1"));
    let agent = UdpSocket::bind(loopback).unwrap();
    agent.send_to(&frame, udp.local_addr()).unwrap();
    done.1.recv().await.unwrap();
    let mut agent = TcpStream::connect(tcp.local_addr()).unwrap();
    agent.write_all(&frame).unwrap();
    done.1.recv().await.unwrap();
    assert_eq!(*seen.lock(), [Transport::Udp, Transport::Tcp]);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    assert_eq!(handler.chain().skipped(), 2);
    assert!(handler.next().0.lock().is_empty());
}

/// Lets nobody in, and keeps the latest fault.
#[derive(Default)]
struct Closed(Mutex<Option<StreamFault>>);

impl Handler for Closed {
    async fn handle(&self, _: &mut Batch) {}

    fn admit_connection(&self, _: ListenerId, _: SocketAddr) -> Result<(), &'static str> {
        Err("address")
    }

    fn admit_session(&self, _: &Origin) -> Result<(), &'static str> {
        Err("subject")
    }

    fn stream_fault(&self, _: ListenerId, _: SocketAddr, fault: StreamFault) {
        *self.0.lock() = Some(fault);
    }
}

#[test]
fn who_may_connect_is_asked_of_the_handler_behind_the_callbacks() {
    let handler = Arc::new(Callbacks::new(Chain::new(), Closed::default()));
    let origin = origin();
    assert_eq!(
        handler.admit_connection(origin.listener, origin.peer),
        Err("address")
    );
    assert_eq!(handler.admit_session(&origin), Err("subject"));
    let fault = StreamFault::Handshake("not_tls");
    handler.stream_fault(origin.listener, origin.peer, fault);
    assert_eq!(*handler.next().0.lock(), Some(fault));
}
