//! Words that a field can have, where there are only so many: anything else is a slip, and refused as one.

/// Classes of traffic, as the store names them.
pub(super) const CLASSES: &[&str] = &[
    "call",
    "registration",
    "options",
    "sip",
    "rtcp",
    "log",
    "other",
];

/// How far a call got (`docs/calls.md`).
pub(super) const STATES: &[&str] = &[
    "unknown",
    "setup",
    "ringing",
    "in_call",
    "ended",
    "failed",
    "cancelled",
    "redirected",
];

/// What is remarkable about a call (`docs/calls.md`).
pub(super) const FLAGS: &[&str] = &[
    "retransmission",
    "duplicate",
    "no_ack",
    "missing_bye",
    "no_response",
    "auth_challenge",
    "auth_failed",
    "one_way",
    "hold",
    "early_media",
    "forked",
    "cancel_race",
    "transfer",
    "reinvite",
    "fax",
    "nat",
    "clock",
    "half_seen",
    "malformed",
    "poor_quality",
    "resumed",
    "limited",
    "evicted",
    "partition_removed",
];

/// Who ended a call.
pub(super) const SIDES: &[&str] = &["caller", "callee", "both"];
