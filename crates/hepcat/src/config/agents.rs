//! `[agents]`: who may send, how much, and what is believed of their clocks; and the part of it that a
//! `[[listener]]` may say differently.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use bytesize::ByteSize;
use hepcat_net::Transport;
use hepcat_wire::AuthKeys;
use ipnet::IpNet;

use super::{
    ClientAuth, Fault, Listener, Marked, Secret,
    reader::{Bare, Table},
};
use crate::agents::{ClockBounds, Guard, Limits, UnknownAgents};

/// `[agents]`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Agents {
    /// What listeners ask that do not say themselves.
    pub admission: Admission,
    /// What each address may send, at all listeners together.
    pub limits: Limits,
    /// What is believed of agents' clocks.
    pub clock: ClockBounds,
}

/// What a listener asks of agents. The default asks nothing.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Admission {
    /// Address ranges that may send; empty: everybody.
    pub allow: Vec<IpNet>,
    /// Keys of which each message must carry one; empty: none is asked for.
    pub keys: Vec<Secret>,
    /// Subjects of client certificates that may send; empty: any that verifies.
    pub subjects: Vec<String>,
    /// Where `subjects` stand.
    subjects_at: Option<Marked<()>>,
    /// What becomes of agents whose address nobody has decided about.
    pub unknown_agents: UnknownAgents,
}

impl Agents {
    pub(super) fn read(table: &Table<'_>) -> Self {
        const TICK: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        const HOUR: Duration = Duration::from_hours(1);
        const DAY: Duration = Duration::from_hours(24);
        let d = Limits::default();
        let mut limits = d;
        limits.messages_per_second = table
            .number::<u64>("messages_per_second", 1..=100_000_000)
            .and_then(|rate| NonZeroU64::new(*rate));
        limits.octets_per_second = table
            // Below one frame a second nothing that is long would ever pass.
            .size("octets_per_second", ByteSize::kib(64)..=ByteSize::gib(64))
            .and_then(|rate| NonZeroU64::new(rate.as_u64()));
        limits.burst = table
            .duration("burst", Bare::Refused, SECOND..=HOUR)
            .map_or(d.burst, Marked::into_inner);
        if let Some(most) = table.number::<u32>("bad_frames", 0..=1_000_000) {
            limits.bad_frames = NonZeroU32::new(*most);
        }
        limits.mute = table
            .duration("mute", Bare::Refused, TICK..=DAY)
            .map_or(d.mute, Marked::into_inner);
        let c = ClockBounds::default();
        let bound = |key, default| {
            table
                .duration(key, Bare::Refused, SECOND..=DAY * 36_500)
                .map_or(default, Marked::into_inner)
        };
        Self {
            admission: Admission::read(table, &Admission::default()),
            limits,
            clock: ClockBounds::new(
                bound("clock_ahead", c.ahead),
                bound("clock_behind", c.behind),
            ),
        }
    }
}

impl Admission {
    /// What the table says, and `general` where it says nothing.
    pub(super) fn read(table: &Table<'_>, general: &Self) -> Self {
        let allow = table.texts("allow").map(|ranges| {
            let ranges = ranges.iter().filter_map(|range| read_range(table, range));
            ranges.collect()
        });
        let keys = table.has("keys").then(|| {
            let keys = table.tables("keys", read_key);
            keys.into_iter().flatten().collect()
        });
        let subjects = table.texts("subjects").map(|subjects| {
            let subjects = subjects.into_iter().map(Marked::into_inner);
            let at = Marked::new((), table.key_mark("subjects"));
            (subjects.collect(), Some(at))
        });
        let general_subjects = || (general.subjects.clone(), general.subjects_at.clone());
        let (subjects, subjects_at) = subjects.unwrap_or_else(general_subjects);
        let unknown = table.choice(
            "unknown_agents",
            &[
                ("accept", UnknownAgents::Accept),
                ("quarantine", UnknownAgents::Quarantine),
                ("refuse", UnknownAgents::Refuse),
            ],
        );
        Self {
            allow: allow.unwrap_or_else(|| general.allow.clone()),
            keys: keys.unwrap_or_else(|| general.keys.clone()),
            subjects,
            subjects_at,
            unknown_agents: unknown.map_or(general.unknown_agents, Marked::into_inner),
        }
    }

    /// The same in the terms of the pipeline.
    pub(crate) fn guard(&self) -> Guard {
        Guard::new(
            self.allow.clone(),
            AuthKeys::new(self.keys.iter().map(Secret::expose)),
            self.subjects.clone(),
            self.unknown_agents,
        )
    }
}

/// A network, or a single address.
fn read_range(table: &Table<'_>, text: &Marked<String>) -> Option<IpNet> {
    let network = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        table.fault(
            text,
            format!("`allow`: `{}` is no address and no network", **text),
            "write a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or a single address",
        );
    }
    network
}

/// One key: in a file, or in place.
fn read_key(table: &Table<'_>) -> Option<Secret> {
    const REMEDY: &str = "write keys = [{ file = \"agent.key\" }]";
    let here = Marked::new((), table.mark().clone());
    let file = table.secret("file");
    let secret = table.text("secret");
    match (table.has("file"), secret) {
        (true, None) if !table.has("secret") => file.map(Marked::into_inner),
        (false, Some(secret)) if !secret.is_empty() => Some(Secret::from(secret.as_bytes())),
        (false, Some(secret)) => {
            table.fault(
                &secret,
                "`secret` is empty: it would open to nobody",
                REMEDY,
            );
            None
        }
        (false, None) if table.has("secret") => None,
        (true, _) => {
            let message = "a key is either in a `file` or a `secret` in place, not both";
            table.fault(&here, message, REMEDY);
            None
        }
        (false, None) => {
            table.fault(&here, "a key without `file`", REMEDY);
            None
        }
    }
}

/// Subjects that a listener cannot check are a mistake: it would refuse everybody, or look safer than it is.
pub(super) fn check_subjects(listeners: &[Listener], note: &mut dyn FnMut(Fault)) {
    for listener in listeners {
        let Some(at) = &listener.admission.subjects_at else {
            continue;
        };
        let asks = listener
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_auth != ClientAuth::Off);
        if listener.admission.subjects.is_empty() || asks {
            continue;
        }
        let name = &*listener.name;
        let (why, remedy) = match listener.socket.transport {
            Transport::Tls => (
                "asks for no certificates",
                "add client_auth = \"required\" to its tls, or subjects = [] to the listener",
            ),
            _ => (
                "speaks no TLS, so agents cannot show one",
                "make it hep_tls, or add subjects = [] to the listener",
            ),
        };
        let message = format!("`subjects` wants certificates, and listener `{name}` {why}");
        note(Fault::at(at, message, remedy));
    }
}
