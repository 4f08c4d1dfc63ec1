//! The `[[destination]]` tables, and destinations written as `hep_id`.

use std::{path::PathBuf, time::Duration};

use bytesize::ByteSize;
use hepcat_net::Transport;

use super::{
    Fault, Hep, HepId, Marked, Secret, Sending, Socket, Spool, Version, certificates,
    hep::QUEUE_RANGE,
    listener::read_name,
    reader::{Bare, Table},
};

/// A place that messages are relayed to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Destination {
    /// What routes and metrics call it.
    pub name: Marked<String>,
    /// Transport, host and port.
    pub socket: Marked<Socket>,
    /// HEP version that it speaks.
    pub version: Marked<Version>,
    /// Whether the version was written. One that was not is no wish to convert what arrives in another version,
    /// where the transport can carry that.
    pub version_given: bool,
    /// How the collector proves itself and we do; set exactly for TLS.
    pub tls: Option<DestinationTls>,
    /// What becomes of the authenticate key of a relayed message.
    pub key: KeyPolicy,
    /// What waits for it.
    pub queue: Queue,
    /// The sending parameters, its own before those of `[hep]`.
    pub sending: Sending,
    /// What is kept on disk of what it does not take.
    pub spool: Option<Spool>,
    /// How an idle peer is asked whether it is still there; `None` is what the transport does by itself.
    pub probe: Option<Probe>,
}

/// How an idle peer is asked whether it is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// TLS towards a collector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DestinationTls {
    /// Authorities in PEM; `None` trusts those of the system.
    pub ca: Option<Marked<PathBuf>>,
    /// Name that the certificate must carry; `None` is the host of the socket.
    pub server_name: Option<Marked<String>>,
    /// Our certificate chain in PEM and its key.
    pub identity: Option<(Marked<PathBuf>, Marked<PathBuf>)>,
    /// No verification at all: anybody can pose as the collector.
    pub insecure: bool,
}

/// What becomes of the authenticate key (chunk 0x000e) of a relayed message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyPolicy {
    /// It goes as it came.
    #[default]
    Keep,
    /// It is taken out.
    Strip,
    /// This one takes its place, or is added.
    Replace(Secret),
}

/// The queue of one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queue {
    /// Most frames that wait.
    pub frames: usize,
    /// Whether the bound on frames is our own default, not one that was written.
    pub frames_by_default: bool,
    /// Most octets that wait; `None` is no bound beside that of frames.
    pub size: Option<ByteSize>,
    /// What happens when they are that many.
    pub when_full: WhenFull,
}

/// Frames that may wait for a destination where nothing says how many. The module's 32 lose messages from some
/// 5,000 a second on; this is two seconds at that rate, and some 10 MiB.
pub const QUEUE_FRAMES: usize = 10_000;

/// Octets that may wait for a destination where neither they nor the frames are bounded by what was written: full
/// queues of a few destinations stay a small part of a small machine.
pub const QUEUE_SIZE: ByteSize = ByteSize::mib(16);

/// The two defaults where there is a spool: half a second of 100,000 messages per second, so that a disk which
/// hesitates for that long costs nothing.
pub const QUEUE_FRAMES_WITH_SPOOL: usize = 50_000;
/// See [`QUEUE_FRAMES_WITH_SPOOL`].
pub const QUEUE_SIZE_WITH_SPOOL: ByteSize = ByteSize::mib(32);

/// What happens to a frame when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The producer waits, and with it the TCP senders.
    Block,
    /// The oldest frame makes room: what is new is worth more.
    #[default]
    DropOldest,
    /// The frame is not taken.
    DropNewest,
    /// The connection is broken and its whole queue dropped, as OpenSIPS does.
    Disconnect,
    /// It goes to disk, from the moment that half of the queue is in use.
    Spool,
}

impl Destination {
    /// A destination written as `hep_id`.
    pub(super) fn from_hep_id(id: Marked<HepId>, hep: &Hep) -> Self {
        let mark = id.mark().clone();
        let id = id.into_inner();
        let tls = (id.socket.transport == Transport::Tls).then(DestinationTls::default);
        Self {
            name: Marked::new(id.name, mark.clone()),
            socket: Marked::new(id.socket, mark.clone()),
            version: Marked::new(id.version, mark),
            version_given: id.version_given,
            tls,
            key: KeyPolicy::default(),
            queue: QueueTable::default().resolve(&hep.sending, None),
            sending: hep.sending.clone(),
            probe: None,
            spool: None,
        }
    }

    pub(super) fn read(table: &Table<'_>, hep: &Hep) -> Option<Self> {
        table.require("name", "add a name, by which routes call the destination");
        table.require("socket", "add socket = \"hep_tcp:HOST:9060\"");
        let name = read_name(table);
        let socket = table
            .text("socket")
            .and_then(|text| match Socket::parse_destination(&text) {
                Ok(socket) => Some(text.map(|_| socket)),
                Err(error) => {
                    let message = format!("`socket`: {}", error.message());
                    let fault = Fault::within(&text, error.span(), message, error.remedy());
                    table.reader().fault(fault);
                    None
                }
            });
        let version = table.number::<u8>("version", 1..=3).map(|number| {
            number.map(|number| match number {
                1 => Version::V1,
                2 => Version::V2,
                _ => Version::V3,
            })
        });
        let tls = table.table("tls", DestinationTls::read);
        let key = read_key(table);
        let sending = Sending::read(table, &hep.sending);
        let queue = table.table("queue", QueueTable::read).unwrap_or_default();
        let spool = table.table("spool", Spool::read);
        queue.refuse_contradictions(table, &sending);
        queue.refuse_policies(table, spool.as_ref());
        let queue = queue.resolve(&sending, spool.as_ref());
        let probe = table.table("probe", Probe::read);

        let socket = socket?;
        if let Some(version) = &version
            && **version != Version::V3
            && socket.transport != Transport::Udp
        {
            let message = format!(
                "version {} cannot go over {}: only version 3 can",
                version.number(),
                socket.transport.name()
            );
            table.fault(
                version,
                message,
                "write socket = \"hep_udp:…\", or version = 3",
            );
        }
        if socket.transport != Transport::Tls && table.has("tls") {
            let message = format!("`tls` means nothing for hep_{}", socket.transport.name());
            let mark = table.key_mark("tls");
            let remedy = "write socket = \"hep_tls:…\", or remove `tls`";
            table.reader().fault(Fault::at_mark(&mark, message, remedy));
        }
        let tls = (socket.transport == Transport::Tls).then(|| tls.unwrap_or_default());
        Some(Self {
            name: name?,
            socket,
            version_given: version.is_some(),
            version: version.unwrap_or_else(|| Marked::new(Version::V3, table.mark().clone())),
            tls,
            // A fault is noted where there is none: what stands here then is never used.
            key: key.unwrap_or_default(),
            queue,
            sending,
            probe,
            spool,
        })
    }
}

impl Probe {
    fn read(table: &Table<'_>) -> Self {
        // Whole seconds: the kernel's probes know no others.
        const SECOND: Duration = Duration::from_secs(1);
        let read = |key| table.duration(key, Bare::Refused, SECOND..=Duration::from_secs(3600));
        let (interval, timeout) = (read("interval"), read("timeout"));
        Self {
            // Often enough to know before the next call, seldom enough for a thousand idle destinations.
            interval: interval.map_or(Duration::from_secs(10), Marked::into_inner),
            // A lost probe and the second one after it.
            timeout: timeout.map_or(Duration::from_secs(3), Marked::into_inner),
        }
    }
}

/// `queue` as written.
#[derive(Default)]
struct QueueTable {
    frames: Option<Marked<usize>>,
    size: Option<Marked<ByteSize>>,
    when_full: Option<Marked<WhenFull>>,
}

impl QueueTable {
    fn read(table: &Table<'_>) -> Self {
        Self {
            frames: table.number("frames", QUEUE_RANGE),
            size: table.size("size", ByteSize::kib(64)..=ByteSize::gib(64)),
            when_full: table.choice(
                "when_full",
                &[
                    ("block", WhenFull::Block),
                    ("drop_oldest", WhenFull::DropOldest),
                    ("drop_newest", WhenFull::DropNewest),
                    ("disconnect", WhenFull::Disconnect),
                    ("spool", WhenFull::Spool),
                ],
            ),
        }
    }

    /// Notes keys that cannot both be meant.
    fn refuse_contradictions(&self, destination: &Table<'_>, sending: &Sending) {
        if let Some(frames) = &self.frames
            && destination.has("hep_async_max_postponed_chunks")
        {
            let message = "`frames` and `hep_async_max_postponed_chunks` bound the same queue";
            destination.fault(frames, message, "keep one of the two");
        }
        if let Some(when_full) = &self.when_full
            && **when_full != WhenFull::Block
            && !sending.hep_async
        {
            let message = "with hep_async = 0 the producer waits: a full queue drops nothing";
            destination.fault(
                when_full,
                message,
                "write when_full = \"block\", or hep_async = 1",
            );
        }
    }

    /// Notes a policy that does not go with a spool, or with none.
    fn refuse_policies(&self, destination: &Table<'_>, spool: Option<&Spool>) {
        let Some(when_full) = &self.when_full else {
            return;
        };
        match (&**when_full, spool) {
            (WhenFull::Spool, None) => {
                let message = "`when_full` is \"spool\", and there is no spool";
                let remedy = "add spool = { max_size = \"10GiB\" } to the destination";
                destination.fault(when_full, message, remedy);
            }
            (WhenFull::DropOldest | WhenFull::DropNewest | WhenFull::Disconnect, Some(_)) => {
                let message = "with a spool a full queue goes to disk: it drops nothing";
                let remedy = "remove `when_full`, or write \"block\"; what a full spool does is its own `when_full`";
                destination.fault(when_full, message, remedy);
            }
            _ => {}
        }
    }

    /// The bounds: what the destination says, then the parameter, then ours.
    fn resolve(self, sending: &Sending, spool: Option<&Spool>) -> Queue {
        let parameter = sending.hep_async_max_postponed_chunks.as_ref();
        let postponed = parameter.and_then(|frames| usize::try_from(**frames).ok());
        let frames = self.frames.map(Marked::into_inner).or(postponed);
        let size = self.size.map(Marked::into_inner);
        let when_full = match self.when_full {
            _ if !sending.hep_async => WhenFull::Block,
            Some(choice) => *choice,
            None if spool.is_some() => WhenFull::Spool,
            None => WhenFull::default(),
        };
        let (our_frames, our_size) = match spool {
            Some(_) => (QUEUE_FRAMES_WITH_SPOOL, QUEUE_SIZE_WITH_SPOOL),
            None => (QUEUE_FRAMES, QUEUE_SIZE),
        };
        Queue {
            frames: frames.unwrap_or(our_frames),
            frames_by_default: frames.is_none(),
            // A bound on frames that was written holds: no other cuts it short unseen.
            size: size.or_else(|| frames.is_none().then_some(our_size)),
            when_full,
        }
    }
}

impl DestinationTls {
    fn read(table: &Table<'_>) -> Self {
        let ca = table.path("ca");
        let server_name = table.text("server_name");
        let cert = table.path("cert");
        let key = table.path("key");
        let insecure = table.flag("insecure");
        certificates::check_pair(table, cert.as_ref(), key.as_ref());
        if let Some(ca) = &ca {
            certificates::check_ca(table, ca);
        }
        if let Some(name) = &server_name {
            certificates::check_server_name(table, name);
        }
        if table.has("cert") != table.has("key") {
            let present = if table.has("cert") { "cert" } else { "key" };
            let absent = if table.has("cert") { "key" } else { "cert" };
            let message = format!("`{present}` stands without `{absent}`");
            let remedy = "give both the certificate chain and its private key, or neither";
            let fault = Fault::at_mark(&table.key_mark(present), message, remedy);
            table.reader().fault(fault);
        }
        if let (Some(ca), Some(insecure)) = (&ca, &insecure)
            && **insecure
        {
            let message = "`ca` means nothing when `insecure` turns verification off";
            table.fault(ca, message, "remove one of the two: better `insecure`");
        }
        Self {
            ca,
            server_name,
            identity: cert.zip(key),
            insecure: insecure.is_some_and(Marked::into_inner),
        }
    }
}

/// `key` with `key_file`; `None` when they do not fit together.
fn read_key(table: &Table<'_>) -> Option<KeyPolicy> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Keep,
        Strip,
        Replace,
    }
    let word = table.choice(
        "key",
        &[
            ("keep", Word::Keep),
            ("strip", Word::Strip),
            ("replace", Word::Replace),
        ],
    );
    let secret = table.secret("key_file");
    match word.as_deref() {
        Some(Word::Replace) => {
            table.require(
                "key_file",
                "add key_file = \"…\", a file that holds the key",
            );
            secret.map(|secret| KeyPolicy::Replace(secret.into_inner()))
        }
        other => {
            if table.has("key_file") {
                let mark = table.key_mark("key_file");
                let message = "`key_file` means nothing without key = \"replace\"";
                let remedy = "add key = \"replace\", or remove `key_file`";
                table.reader().fault(Fault::at_mark(&mark, message, remedy));
            }
            Some(match other {
                Some(Word::Strip) => KeyPolicy::Strip,
                _ => KeyPolicy::Keep,
            })
        }
    }
}
