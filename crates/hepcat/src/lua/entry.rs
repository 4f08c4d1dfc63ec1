//! The functions of a script that are called.

/// A function that a script may define, under the name that OpenSIPS gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EntryPoint {
    /// `hep_route`: any message, before SIP is looked at.
    HepRoute,
    /// `request_route`: a SIP request.
    RequestRoute,
    /// `onreply_route`: a SIP response.
    OnreplyRoute,
    /// `failure_route`: a final response of 300 and above.
    FailureRoute,
    /// `branch_route`: a further branch of a transaction.
    BranchRoute,
    /// `local_route`: a message that this node originated.
    LocalRoute,
}

impl EntryPoint {
    /// All of them, in the order in which they are called for one message.
    pub const ALL: [Self; 6] = [
        Self::HepRoute,
        Self::RequestRoute,
        Self::OnreplyRoute,
        Self::FailureRoute,
        Self::BranchRoute,
        Self::LocalRoute,
    ];

    /// Name of the function.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HepRoute => "hep_route",
            Self::RequestRoute => "request_route",
            Self::OnreplyRoute => "onreply_route",
            Self::FailureRoute => "failure_route",
            Self::BranchRoute => "branch_route",
            Self::LocalRoute => "local_route",
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// A set of entry points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryPoints(u8);

impl EntryPoints {
    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, entry: EntryPoint) -> bool {
        self.0 & (1 << entry.index()) != 0
    }

    /// Adds one.
    pub fn insert(&mut self, entry: EntryPoint) {
        self.0 |= 1 << entry.index();
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, in the order in which they are called.
    pub fn iter(self) -> impl Iterator<Item = EntryPoint> {
        EntryPoint::ALL
            .into_iter()
            .filter(move |entry| self.contains(*entry))
    }
}
