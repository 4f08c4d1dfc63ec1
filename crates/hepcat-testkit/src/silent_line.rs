//! A network of its own behind a pair of interfaces, whose other end can vanish without a word.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use nix::sched::{CloneFlags, setns};

use crate::FakeCollector;

/// A line between this host and a collector in a network namespace. While it is silent, packets in both directions are
/// dropped and nobody is told: what a pulled cable, a host without power or a firewall that forgot a connection look like.
///
/// The namespace and its interfaces are gone when it is dropped. Needs the right to make them (root).
#[derive(Debug)]
pub struct SilentLine {
    name: String,
    /// Interface of this host.
    near: String,
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
}

/// Addresses of the interfaces on the wire: locally administered, and the same in every pair.
const NEAR: &str = "02:68:65:70:00:01";
const FAR: &str = "02:68:65:70:00:02";

impl SilentLine {
    /// A line; `None` where this process may not make one.
    #[must_use]
    pub fn new() -> Option<Self> {
        static LINES: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id();
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        // 198.18.0.0/15 is set aside for tests of networks (RFC 2544): a net of four for each line.
        let net = (id.wrapping_mul(8).wrapping_add(number) % 0x8000) * 4;
        let address = |host| Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + net + host);
        let line = Self {
            name: format!("hepcat-{id}-{number}"),
            near: format!("hc{id}n{number}"),
            ours: address(1),
            theirs: address(2),
        };
        line.make().then_some(line)
    }

    fn make(&self) -> bool {
        let Self { name, near, .. } = self;
        let (ours, theirs) = (format!("{}/30", self.ours), self.theirs.to_string());
        let pair = ["link", "add", near, "address", NEAR, "type", "veth"];
        let peer = ["peer", "name", "far", "address", FAR, "netns", name];
        ip(&["netns", "add", name])
            && ip(&[&pair[..], &peer[..]].concat())
            && ip(&["addr", "add", &ours, "dev", near])
            && ip(&["link", "set", near, "up"])
            && ip(&["-n", name, "link", "set", "far", "up"])
            // Nobody need ask who has the address: a question would be a word.
            && ip(&["neigh", "add", &theirs, "lladdr", FAR, "dev", near, "nud", "permanent"])
            && self.address("add")
    }

    /// A collector over TCP at the other end.
    ///
    /// # Panics
    /// When the namespace cannot be entered.
    #[must_use]
    pub fn collector(&self) -> FakeCollector {
        let namespace = format!("/run/netns/{}", self.name);
        let address = SocketAddr::from((self.theirs, 0));
        // A socket belongs to the namespace of the thread that makes it.
        let started = thread::spawn(move || {
            let namespace = File::open(namespace).expect("a namespace of ours");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("enter a namespace of ours");
            FakeCollector::tcp_at(address)
        });
        started.join().expect("a collector")
    }

    /// From now on nothing arrives, in either direction, and nobody says so: the other host does not know its address.
    pub fn go_silent(&self) {
        self.address("del");
    }

    /// Everything arrives again.
    pub fn speak(&self) {
        self.address("add");
    }

    fn address(&self, what: &str) -> bool {
        let theirs = format!("{}/30", self.theirs);
        ip(&["-n", &self.name, "addr", what, &theirs, "dev", "far"])
    }
}

impl Drop for SilentLine {
    fn drop(&mut self) {
        ip(&["link", "del", &self.near]);
        ip(&["netns", "del", &self.name]);
    }
}

/// Runs the program `ip` with these words; whether it did what it was told.
fn ip(words: &[&str]) -> bool {
    let mut command = Command::new("ip");
    let status = command.args(words).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
