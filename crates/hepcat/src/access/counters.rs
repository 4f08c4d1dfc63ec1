//! What happened at the door, in numbers.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nobody signed in.
    SignIn,
    /// The right is missing.
    Right,
    /// A page of another origin asked for a change.
    Origin,
    /// The `Host` names something else.
    Host,
    /// Too many connections.
    Connections,
    /// The TLS handshake failed.
    Handshake,
}

impl Refused {
    const ALL: [Self; 6] = [
        Self::SignIn,
        Self::Right,
        Self::Origin,
        Self::Host,
        Self::Connections,
        Self::Handshake,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Right => "right",
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Connections => "connections",
            Self::Handshake => "handshake",
        }
    }
}

/// Why an entry of the audit log was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The disk is full.
    DiskFull,
    /// Another process holds the file.
    Held,
    /// It took longer than the answer may wait.
    Late,
    /// Anything else; the log says what.
    Failed,
}

impl Lost {
    const ALL: [Self; 4] = [Self::DiskFull, Self::Held, Self::Late, Self::Failed];

    const fn label(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Held => "held",
            Self::Late => "late",
            Self::Failed => "failed",
        }
    }
}

/// Counters since the process started.
#[derive(Debug, Default)]
pub struct AccessCounters {
    signed_in: AtomicU64,
    sign_in_failed: AtomicU64,
    sign_in_limited: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    audit_written: AtomicU64,
    audit_lost: [AtomicU64; Lost::ALL.len()],
}

/// A reading of [`AccessCounters`].
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct AccessStatus {
    /// Attempts to sign in, by outcome: `signed_in`, `failed`, `limited`.
    pub sign_ins: BTreeMap<String, u64>,
    /// Requests and connections that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Entries of the audit log, by outcome: `written`, `lost`.
    pub audit: BTreeMap<String, u64>,
    /// Entries of the audit log that were lost, by reason: `disk_full`, `held` (by another process), `late`, `failed`.
    #[serde(default)]
    pub audit_lost: BTreeMap<String, u64>,
}

impl AccessCounters {
    /// Somebody signed in.
    pub fn signed_in(&self) {
        self.signed_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody tried and failed.
    pub fn sign_in_failed(&self) {
        self.sign_in_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody tried too often.
    pub fn sign_in_limited(&self) {
        self.sign_in_limited.fetch_add(1, Ordering::Relaxed);
    }

    /// A request or connection was refused.
    pub fn refused(&self, why: Refused) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An entry was written to the audit log.
    pub fn audit_written(&self) {
        self.audit_written.fetch_add(1, Ordering::Relaxed);
    }

    /// An entry could not be written.
    pub fn audit_lost(&self, why: Lost) {
        if let Some(counter) = self.audit_lost.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A reading.
    #[must_use]
    pub fn read(&self) -> AccessStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let named = |name: &str, counter: &AtomicU64| (name.to_owned(), read(counter));
        AccessStatus {
            sign_ins: [
                named("signed_in", &self.signed_in),
                named("failed", &self.sign_in_failed),
                named("limited", &self.sign_in_limited),
            ]
            .into(),
            refused: Refused::ALL
                .into_iter()
                .zip(&self.refused)
                .map(|(why, counter)| named(why.label(), counter))
                .collect(),
            audit: [
                named("written", &self.audit_written),
                ("lost".to_owned(), self.audit_lost.iter().map(read).sum()),
            ]
            .into(),
            audit_lost: Lost::ALL
                .into_iter()
                .zip(&self.audit_lost)
                .map(|(why, counter)| named(why.label(), counter))
                .collect(),
        }
    }
}
