//! One Lua and what it is asked: which entry points a message runs, in which order.

use std::{sync::Arc, time::SystemTime};

use hepcat_sip::{Kind, Scan};

use super::transactions::SeenTransactions;
use crate::{
    lua::{
        EntryPoint, EntryPoints, Input, Limits, Script, ScriptError, ScriptOutcome, Shared, Worker,
    },
    route::Standing,
};

/// What of the messages a script wants to see, by the entry points that it defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants(EntryPoints);

impl Wants {
    /// What a script with these entry points wants.
    #[must_use]
    pub fn new(entries: EntryPoints) -> Self {
        Self(entries)
    }

    /// Whether a message of that kind of SIP (`None`: it is not SIP) can run anything.
    #[must_use]
    pub fn any_of(self, kind: Option<Kind>) -> bool {
        let defines = |entries: &[EntryPoint]| entries.iter().any(|entry| self.0.contains(*entry));
        defines(&[EntryPoint::HepRoute])
            || match kind {
                // A request may be what a later reply fails, so it is looked at for that as well.
                Some(Kind::Request) => defines(&[
                    EntryPoint::RequestRoute,
                    EntryPoint::BranchRoute,
                    EntryPoint::FailureRoute,
                ]),
                Some(Kind::Response) => {
                    defines(&[EntryPoint::OnreplyRoute, EntryPoint::FailureRoute])
                }
                None => false,
            }
    }

    /// Whether messages of our own run anything.
    #[must_use]
    pub fn originated(self) -> bool {
        self.0.contains(EntryPoint::LocalRoute)
    }

    /// Whether it matters how a message stands to the transactions before it.
    fn standing(self) -> bool {
        self.0.contains(EntryPoint::BranchRoute) || self.0.contains(EntryPoint::FailureRoute)
    }

    /// What a captured message runs, in order.
    fn entries(self, kind: Option<Kind>, standing: Standing, entries: &mut Vec<EntryPoint>) {
        let candidates = [
            (EntryPoint::HepRoute, true),
            (EntryPoint::RequestRoute, kind == Some(Kind::Request)),
            (EntryPoint::BranchRoute, standing.further_branch),
            (EntryPoint::OnreplyRoute, kind == Some(Kind::Response)),
            (EntryPoint::FailureRoute, standing.failure),
        ];
        let runs = candidates
            .into_iter()
            .filter(|(entry, runs)| *runs && self.0.contains(*entry));
        entries.clear();
        entries.extend(runs.map(|(entry, _)| entry));
    }
}

/// A script with a Lua of its own, asked about one message after the other.
#[derive(Debug)]
pub struct Asker {
    worker: Worker,
    wants: Wants,
    seen: Arc<SeenTransactions>,
    entries: Vec<EntryPoint>,
}

impl Asker {
    /// Makes a Lua and executes the script in it, which defines its entry points.
    ///
    /// # Errors
    /// What keeps the script from being executed within the limits.
    pub fn new(
        script: &Script,
        shared: Arc<Shared>,
        limits: Limits,
        seen: Arc<SeenTransactions>,
    ) -> Result<Self, ScriptError> {
        let worker = Worker::new(script, shared, limits)?;
        Ok(Self {
            wants: Wants::new(worker.entries()),
            worker,
            seen,
            entries: Vec::with_capacity(EntryPoint::ALL.len()),
        })
    }

    /// What the script wants to see.
    #[must_use]
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// The entry points that the latest message ran, as far as the script let it.
    #[must_use]
    pub fn entries(&self) -> &[EntryPoint] {
        &self.entries
    }

    /// Asks about a captured message that was received at `at`; `sip` is its payload's scan.
    pub fn ask(
        &mut self,
        input: &Input<'_>,
        sip: Option<&Scan<'_>>,
        at: SystemTime,
        outcome: &mut ScriptOutcome,
    ) {
        let standing = match sip {
            Some(sip) if self.wants.standing() => self.seen.see(sip, at),
            _ => Standing::default(),
        };
        let kind = sip.map(Scan::kind);
        self.wants.entries(kind, standing, &mut self.entries);
        if self.entries.is_empty() {
            outcome.clear();
        } else {
            self.worker.run(&self.entries, input, outcome);
        }
    }

    /// Asks about a message of our own, before it is sent.
    pub fn ask_originated(&mut self, input: &Input<'_>, outcome: &mut ScriptOutcome) {
        self.worker.run(&[EntryPoint::LocalRoute], input, outcome);
    }
}
