//! Messages go to destinations by name, static and dynamic ones.

use std::sync::Arc;

use hepcat_net::{
    Destination, DestinationConfig,
    trace::{Format, HepId, HepIdError, HepIds, PackRequest, Version},
};
use hepcat_testkit::FakeCollector;
use hepcat_wire::{IpProtocol, Message};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::parts::{log_line, now, traced_ping};

struct Program {
    tasks: TaskTracker,
    stop: CancellationToken,
    ids: HepIds,
}

impl Program {
    fn new() -> Self {
        Self {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            ids: HepIds::new(),
        }
    }

    fn destination(&self, config: DestinationConfig) -> Arc<Destination> {
        Destination::spawn(config, &self.tasks, &self.stop)
    }

    fn udp(&self, name: &str, to: &FakeCollector) -> HepId {
        let (host, port) = (to.address().ip().to_string(), to.address().port());
        HepId::new(self.destination(DestinationConfig::udp(name, host, port)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_packed_as_its_hep_id_wants_it() {
    let (old, new) = (FakeCollector::udp(), FakeCollector::udp());
    let program = Program::new();
    let ids = &program.ids;
    let first = program.udp("old", &old).version(Version::V2);
    ids.define(first.capture_id(7)).unwrap();
    let second = program.udp("new", &new).format(Format::Homer6);
    ids.define(second.key(b"secret").compressed(true)).unwrap();
    assert_eq!(ids.names(), ["new", "old"]);

    let request = PackRequest::sip(IpProtocol::UDP, b"PING");
    for name in ids.names() {
        ids.send(&name, &request, now()).unwrap();
    }
    let frame = old.wait_for(1).remove(0);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(
        (message.version(), message.capture_id()),
        (Version::V2, Some(7))
    );
    assert_eq!(message.payload().octets(), Some(&b"PING"[..]));
    let frame = new.wait_for(1).remove(0);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(
        (message.version(), message.capture_id()),
        (Version::V3, Some(1))
    );
    assert_eq!(
        message.payload().octets(),
        Some(&br#"{"payload":"PING"}"#[..])
    );
    assert_eq!(message.auth_key(), Some(&b"secret"[..]));
    let ledger = ids.get("new").unwrap().destination().ledger();
    assert_eq!((ledger.originated, ledger.offered), (1, 0));

    ids.send("new", &traced_ping(), now()).unwrap();
    let frame = new.wait_for(2).remove(1);
    assert_eq!(Message::parse(&frame).unwrap().capture_id(), Some(0x1234));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_said_and_counted() {
    let collector = FakeCollector::udp();
    let program = Program::new();
    let ids = &program.ids;
    ids.define(program.udp("old", &collector).version(Version::V1))
        .unwrap();
    let unknown = ids.send("nobody", &log_line(), now()).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no hep id `nobody`");
    let error = ids.send("old", &log_line(), now()).unwrap_err();
    assert!(matches!(error, HepIdError::Pack(_)), "{error}");
    let large = PackRequest::sip(IpProtocol::UDP, vec![b' '; 65_500]);
    assert!(ids.send("old", &large, now()).is_err());
    assert_eq!(ids.get("old").unwrap().refused(), 2);

    let again = ids.define(program.udp("old", &collector)).unwrap_err();
    assert_eq!(again.to_string(), "hep id `old` is already in use");
    let stream = DestinationConfig::tcp("stream", "127.0.0.1", 9);
    let stream = HepId::new(program.destination(stream)).version(Version::V2);
    let error = ids.define(stream).unwrap_err();
    assert!(
        matches!(error, HepIdError::NeedsDatagrams { .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_one_goes_with_its_last_user_and_delivers_what_it_has() {
    let collector = FakeCollector::udp();
    let program = Program::new();
    let ids = &program.ids;
    ids.define(program.udp("static", &collector)).unwrap();
    let taken = ids.create(program.udp("static", &collector), &program.tasks);
    assert!(matches!(taken, Err(HepIdError::InUse { .. })));

    let first = ids
        .create(program.udp("mine", &collector), &program.tasks)
        .unwrap();
    let taken = ids.create(program.udp("mine", &collector), &program.tasks);
    assert!(matches!(taken, Err(HepIdError::InUse { .. })));
    let taken = ids.define(program.udp("mine", &collector));
    assert!(matches!(taken, Err(HepIdError::InUse { .. })));
    let second = first.clone();
    drop(first);
    ids.send("mine", &traced_ping(), now()).unwrap();
    drop(second);
    assert_eq!(collector.wait_for(1).len(), 1);
    assert!(ids.get("mine").is_none());
    assert_eq!(ids.names(), ["static"]);
    let unknown = ids.send("mine", &traced_ping(), now());
    assert!(matches!(unknown, Err(HepIdError::Unknown { .. })));
    let _again = ids
        .create(program.udp("mine", &collector), &program.tasks)
        .unwrap();
    assert_eq!(ids.names(), ["mine", "static"]);
}
