//! The ways through the node that are measured, and the configuration that makes each.

use std::{fmt::Write, net::SocketAddr};

use clap::ValueEnum;
use hepcat_testkit::{
    Identity,
    load::{Transport, Version},
};

/// In over one transport, out over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Path {
    UdpUdp,
    UdpTcp,
    TcpTcp,
    TcpTls,
    TlsTls,
    /// HEPv2 over UDP in, HEPv3 over UDP out: every message is decoded and encoded again.
    #[value(name = "v2-v3")]
    V2V3,
}

impl Path {
    /// Those that a bar or a figure is wanted for.
    pub(super) const ASKED: [Self; 5] = [
        Self::UdpUdp,
        Self::UdpTcp,
        Self::TcpTcp,
        Self::TcpTls,
        Self::V2V3,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UdpUdp => "udp-udp",
            Self::UdpTcp => "udp-tcp",
            Self::TcpTcp => "tcp-tcp",
            Self::TcpTls => "tcp-tls",
            Self::TlsTls => "tls-tls",
            Self::V2V3 => "v2-v3",
        }
    }

    pub(super) fn input(self) -> Transport {
        match self {
            Self::UdpUdp | Self::UdpTcp | Self::V2V3 => Transport::Udp,
            Self::TcpTcp | Self::TcpTls => Transport::Tcp,
            Self::TlsTls => Transport::Tls,
        }
    }

    pub(super) fn output(self) -> Transport {
        match self {
            Self::UdpUdp | Self::V2V3 => Transport::Udp,
            Self::UdpTcp | Self::TcpTcp => Transport::Tcp,
            Self::TcpTls | Self::TlsTls => Transport::Tls,
        }
    }

    pub(super) fn version(self) -> Version {
        match self {
            Self::V2V3 => Version::V2,
            _ => Version::V3,
        }
    }

    /// Whether the sender can be made to wait: then the node is driven flat out and may block it.
    pub(super) fn pushes_back(self) -> bool {
        self.input() != Transport::Udp
    }
}

/// A destination of the node under load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// What its queue does when it is full.
    pub(super) when_full: &'static str,
}

/// The node's configuration: one listener called `in`, destinations, the page, everything on loopback.
pub(super) fn node_config(
    path: Path,
    targets: &[Target],
    identity: &Identity,
    ca: &std::path::Path,
) -> String {
    let mut text = String::new();
    let listener_tls = match path.input() {
        Transport::Tls => format!(
            "tls = {{ cert = {:?}, key = {:?} }}\n",
            identity.cert, identity.key
        ),
        _ => String::new(),
    };
    let destination_tls = match path.output() {
        Transport::Tls => format!("tls = {{ ca = {ca:?}, server_name = \"localhost\" }}\n"),
        _ => String::new(),
    };
    // Writing to a string does not fail.
    let _ok = write!(
        text,
        "[node]\nname = \"bench\"\ndata_dir = \"{{dir}}\"\n\n\
         [http]\nlisten = \"127.0.0.1:0\"\n\n\
         [[listener]]\nname = \"in\"\nsocket = \"hep_{}:127.0.0.1:0\"\n{listener_tls}",
        path.input().name()
    );
    for (number, target) in targets.iter().enumerate() {
        // A queue that makes its producer wait needs no more than what is usual; one that drops must outlast a moment
        // in which the machine stands still.
        let room = match target.when_full {
            "block" => "",
            _ => "frames = 25_000, size = \"16MiB\", ",
        };
        let _ok = write!(
            text,
            "\n[[destination]]\nname = \"sink-{number}\"\nsocket = \"hep_{}:{}\"\nversion = 3\n\
             queue = {{ {room}when_full = {:?} }}\n{destination_tls}",
            path.output().name(),
            target.address,
            target.when_full,
        );
    }
    text
}
