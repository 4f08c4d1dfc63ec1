use std::{fmt, sync::Arc};

use hepcat_wire::Version;

/// What a listener has counted since it was bound. Every count only grows, except
/// [`connections_open`](Self::connections_open).
///
/// For datagrams `datagrams = messages + unparsable + keep_alives`. Frames handed over are
/// `messages + unparsable`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListenerStats {
    /// UDP: datagrams read.
    pub datagrams: u64,
    /// Octets of datagrams, or read from connections (inside TLS: decrypted).
    pub octets: u64,
    /// Messages handed over, of each version.
    pub messages: ByVersion,
    /// Frames handed over as unparsable.
    pub unparsable: u64,
    /// Why frames did not decode, and why streams got out of step, by
    /// [`DecodeError::reason`](hepcat_wire::DecodeError::reason).
    pub decode_errors: ByReason,
    /// What messages decoded in spite of, by [`Defect::reason`](hepcat_wire::Defect::reason).
    pub defects: ByReason,
    /// Keep-alives and probes: datagrams of that kind; for streams, reads that brought some between frames.
    pub keep_alives: u64,
    /// Streams that ended inside a frame, for whatever reason. The octets of that frame are lost.
    pub truncated: u64,
    /// UDP: datagrams that the kernel dropped because the receive buffer was full. Exact where
    /// [`kernel_drops_known`](Self::kernel_drops_known).
    pub kernel_drops: u64,
    /// Whether the kernel tells what it drops (Linux does).
    pub kernel_drops_known: bool,
    /// UDP: reads that failed, by kind of error.
    pub receive_errors: ByReason,
    /// UDP: the receive buffer of each socket.
    pub receive_buffer: Option<ReceiveBuffer>,
    /// UDP: sockets that share the port.
    pub sockets: usize,
    /// Connections open now, those in a TLS handshake included.
    pub connections_open: u64,
    /// Connections that were taken.
    pub connections_accepted: u64,
    /// Connections closed at once: `max_connections`, `max_connections_per_peer`, and the reasons of
    /// [`Handler::admit_connection`](crate::Handler::admit_connection) and
    /// [`Handler::admit_session`](crate::Handler::admit_session).
    pub connections_refused: ByReason,
    /// Why connections ended, by [`CloseReason::name`].
    pub connections_closed: ByReason,
    /// Why connections could not be accepted: `descriptors`, `memory`, `aborted`, `other`.
    pub accept_errors: ByReason,
    /// TLS handshakes that were completed.
    pub tls_handshakes: u64,
    /// TLS handshakes that were not: `timeout`, `closed`, `not_tls`, `incompatible`, `no_certificate`,
    /// `bad_certificate`, `alert`, `misbehaved`, `stopped`, `io`, `other`.
    pub tls_handshake_failures: ByReason,
    /// Certificates read again and taken into use.
    pub tls_reloads: u64,
    /// Certificates read again and not taken into use.
    pub tls_reload_failures: u64,
    /// What was wrong with the files the last time that they were read, `None` where nothing was.
    pub tls_reload_error: Option<Arc<str>>,
}

/// A count for each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByVersion(pub(super) [u64; 3]);

impl ByVersion {
    /// The count of one version.
    #[must_use]
    pub fn get(&self, version: Version) -> u64 {
        self.0[slot(version)]
    }

    /// All versions together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

pub(super) fn slot(version: Version) -> usize {
    usize::from(version.number() - 1).min(2)
}

/// Counts under short fixed labels. A label appears when it was counted first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByReason(pub(super) Vec<(&'static str, u64)>);

impl ByReason {
    /// The count under one label.
    #[must_use]
    pub fn get(&self, reason: &str) -> u64 {
        let found = self.0.iter().find(|(label, _)| *label == reason);
        found.map_or(0, |(_, count)| *count)
    }

    /// Labels and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// All labels together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn add(&mut self, reason: &'static str, count: u64) {
        match self.0.iter_mut().find(|(label, _)| *label == reason) {
            Some((_, total)) => *total += count,
            None => self.0.push((reason, count)),
        }
    }
}

/// Receive buffer of a UDP socket, wanted and had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveBuffer {
    /// Octets asked for.
    pub wanted: usize,
    /// Octets granted, in the same measure. (Linux reports twice as much, because it charges its own
    /// bookkeeping to the buffer too: `man 7 socket`, `SO_RCVBUF`.)
    pub granted: usize,
}

impl ReceiveBuffer {
    /// Whether the kernel gave less than was wanted.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.granted < self.wanted
    }

    /// What an operator can do about a capped buffer, in a sentence.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        self.is_capped().then(|| {
            format!(
                "the kernel granted {} of the {} octets of receive buffer wanted: raise the limit with \
                 `sysctl -w net.core.rmem_max={}`, or give the process CAP_NET_ADMIN",
                self.granted, self.wanted, self.wanted
            )
        })
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it between frames.
    PeerClosed,
    /// The peer closed it inside a frame.
    PeerClosedInFrame,
    /// Reading failed: the peer reset the connection, or does not answer any more.
    Io,
    /// What arrived is not TLS as it should be, or the peer attempted a renegotiation.
    Tls,
    /// No complete message within the idle time.
    IdleTimeout,
    /// A message was not complete within the message time.
    MessageTimeout,
    /// A message was not complete within the number of reads it may take.
    MaxMsgChunks,
    /// No frame where one should start.
    BadMagic,
    /// A total length below the header's 6 octets.
    BadTotalLength,
    /// A frame above the maximum.
    TooLarge,
    /// As many frames in a row were no messages as [`StreamLimits::max_bad_frames`] says.
    ///
    /// [`StreamLimits::max_bad_frames`]: super::StreamLimits::max_bad_frames
    TooManyErrors,
    /// The TLS handshake did not succeed.
    Handshake,
    /// The handler did not admit who the peer proved to be.
    Refused,
    /// The listener stopped.
    Stopped,
}

impl CloseReason {
    /// Short fixed label for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerClosedInFrame => "peer_closed_in_frame",
            Self::Io => "io",
            Self::Tls => "tls",
            Self::IdleTimeout => "idle_timeout",
            Self::MessageTimeout => "message_timeout",
            Self::MaxMsgChunks => "max_msg_chunks",
            Self::BadMagic => "bad_magic",
            Self::BadTotalLength => "bad_total_length",
            Self::TooLarge => "too_large",
            Self::TooManyErrors => "too_many_errors",
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
