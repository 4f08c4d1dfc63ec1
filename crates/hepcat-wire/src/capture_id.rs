//! Undoing what some agents do to their capture agent ID.

/// What to do with capture agent IDs that arrive shifted.
///
/// sngrep 1.6.0 and sipgrep 2.1.0 swap the octets of a 16-bit ID within a field of 32 (`sngrep-v3-ipv4-udp-invite`):
/// 2001 arrives as `0x07d1_0000`. As 65,536 is a legal ID too (`kamailio-v3-ipv4-udp-register`), nothing is changed
/// unless asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CaptureIdFix {
    /// The literal value.
    #[default]
    Off,
    /// The upper 16 bits where the lower ones are zero.
    Auto,
    /// The upper 16 bits.
    High16,
}

impl CaptureIdFix {
    /// The ID that was meant.
    #[must_use]
    pub const fn apply(self, capture_id: u32) -> u32 {
        match self {
            Self::Off => capture_id,
            Self::High16 => capture_id >> 16,
            Self::Auto if capture_id & 0xffff == 0 => capture_id >> 16,
            Self::Auto => capture_id,
        }
    }
}
