//! The rules, and how sure each is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Affix;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $confidence:literal;)*) => {
        /// Why two legs are one call.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// All of them, the ones that are surest first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in records and configuration.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// How sure it is where the configuration says nothing, of 100. `docs/correlation.md` says why.
            #[must_use]
            pub const fn confidence(self) -> u8 {
                match self {
                    $(Self::$name => $confidence,)*
                }
            }
        }
    };
}

rules! {
    /// An operator joined them.
    Manual = "manual", 100;
    /// A value names this leg by its Call-ID.
    Named = "named", 100;
    /// A `correlate` message said so.
    Correlate = "correlate", 100;
    /// Replaces: this INVITE takes the place of that dialog.
    Replaces = "replaces", 98;
    /// Refer-To with Replaces: an attended transfer.
    ReferReplaces = "refer_replaces", 95;
    /// HEP chunk 0x0011.
    CorrelationId = "correlation_id", 95;
    /// HEP chunk 0x0065.
    ExtraCorrelation = "extra_correlation", 95;
    /// X-CID.
    XCid = "x_cid", 95;
    /// X-Call-ID.
    XCallId = "x_call_id", 95;
    /// Session-ID: both halves.
    SessionId = "session_id", 95;
    /// Join: this INVITE joins that dialog.
    Join = "join", 90;
    /// Target-Dialog: this request belongs to that dialog.
    TargetDialog = "target_dialog", 90;
    /// `icid-value` of P-Charging-Vector.
    Icid = "icid", 90;
    /// Branch of a Via that another leg's INVITE had on top.
    ViaBranch = "via_branch", 90;
    /// A header field of the configuration.
    Header = "header", 90;
    /// Call-ID but for a prefix or suffix.
    CallIdAffix = "call_id_affix", 90;
    /// Session-ID: one half, while the other is not known.
    SessionIdHalf = "session_id_half", 80;
    /// Referred-By and the target of a REFER, at about the same time.
    Referred = "referred", 75;
    /// A public media address and port, at the same time.
    Media = "media", 75;
    /// A private one.
    PrivateMedia = "private_media", 55;
}

/// A header field whose value says what belongs together: another leg's Call-ID, or a value that both have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeaderRule {
    /// Its name, in any case.
    pub name: String,
    /// Of 100.
    pub confidence: u8,
}

impl HeaderRule {
    /// A rule as sure as configured ones are.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            confidence: Rule::Header.confidence(),
        }
    }

    /// The same, so sure.
    #[must_use]
    pub fn with_confidence(mut self, confidence: u8) -> Self {
        self.confidence = confidence.min(100);
        self
    }
}

/// What correlation goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rules {
    /// Links at least that sure join; those below are suggestions. Default 70: all but private media addresses.
    pub join_at: u8,
    /// Header fields of the installation. Default none.
    pub headers: Vec<HeaderRule>,
    /// Prefixes and suffixes by which B2BUAs make one Call-ID from another. Default: those of sip:provider and its
    /// like, `_b2b-1`, `_pbx-1` and `_xfer-1` with any number.
    pub affixes: Vec<Affix>,
    /// How long two legs' use of one media address may lie apart. Default 2 s: a B2BUA passes an INVITE on within
    /// that, and nobody dials again within it.
    pub media_window: Duration,
    /// The same for a REFER and the INVITE that it causes. Default 32 s, the life of a transaction.
    pub refer_window: Duration,
    /// Other confidences than the usual; 0 switches a rule off.
    pub confidences: Vec<(Rule, u8)>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            join_at: 70,
            headers: Vec::new(),
            affixes: ["_b2b-#", "_pbx-#", "_xfer-#"].map(Affix::suffix).into(),
            media_window: Duration::from_secs(2),
            refer_window: Duration::from_secs(32),
            confidences: Vec::new(),
        }
    }
}

impl Rules {
    /// How sure `rule` is here; `None` where it is off.
    #[must_use]
    pub fn confidence(&self, rule: Rule) -> Option<u8> {
        let other = self.confidences.iter().find(|(known, _)| *known == rule);
        let confidence = other.map_or_else(|| rule.confidence(), |(_, confidence)| *confidence);
        (confidence > 0).then_some(confidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_by_their_labels() {
        for rule in Rule::ALL {
            let json = serde_json::to_string(rule).unwrap();
            assert_eq!(json, format!("\"{}\"", rule.label()));
        }
    }

    #[test]
    fn every_rule_is_in_the_documentation_with_its_confidence() {
        let page = include_str!("../../../../../docs/correlation.md");
        for rule in Rule::ALL {
            let row = format!("| `{}` | {} |", rule.label(), rule.confidence());
            assert!(page.contains(&row), "docs/correlation.md lacks {row}");
        }
    }

    #[test]
    fn a_confidence_can_be_changed_and_switched_off() {
        let rules = Rules {
            confidences: vec![(Rule::Media, 0), (Rule::PrivateMedia, 80)],
            ..Rules::default()
        };
        assert_eq!(rules.confidence(Rule::Media), None);
        assert_eq!(rules.confidence(Rule::PrivateMedia), Some(80));
        assert_eq!(rules.confidence(Rule::XCid), Some(95));
    }
}
