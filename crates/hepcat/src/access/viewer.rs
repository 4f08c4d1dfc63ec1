//! Who asks, as far as it matters for the answer.

use std::{net::IpAddr, time::SystemTime};

use super::{Masking, PassDigest, PassKind, Rights, Role};
use crate::{config::MaskingByRole, state::passes::Pass};

/// By what somebody is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// There are no users: whoever reaches the node may do everything.
    Anybody,
    /// A user, by a session or a token.
    User(Role),
    /// Whoever has a link to this call.
    Link(String),
    /// Nobody who is known.
    Stranger,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// By what they are let in.
    pub who: Who,
    /// The user's name; for a link that of the user who made it. Empty for anybody and strangers.
    pub user: String,
    /// From where.
    pub address: IpAddr,
    /// What they may.
    pub rights: Rights,
    /// What they do not get to see.
    pub masking: Masking,
    /// The pass that they showed, and until when it is good.
    pub pass: Option<(PassDigest, PassKind, SystemTime)>,
}

impl Viewer {
    /// Nobody who is known, with no rights.
    #[must_use]
    pub fn stranger(address: IpAddr) -> Self {
        Self {
            who: Who::Stranger,
            user: String::new(),
            address,
            rights: Rights::NONE,
            masking: Masking::ALL,
            pass: None,
        }
    }

    /// Whoever asks where there are no users.
    #[must_use]
    pub fn anybody(address: IpAddr) -> Self {
        Self {
            who: Who::Anybody,
            rights: Rights::ALL,
            masking: Masking::NONE,
            ..Self::stranger(address)
        }
    }

    /// Who shows this pass. `role` is what its user is now: a pass of a user who is gone lets nobody in.
    #[must_use]
    pub fn with(
        pass: &Pass,
        digest: PassDigest,
        role: Option<Role>,
        masking: &MaskingByRole,
        address: IpAddr,
    ) -> Self {
        let Some(role) = role else {
            return Self::stranger(address);
        };
        let (who, masking) = match (&pass.call, pass.kind) {
            (Some(call), PassKind::Link) => {
                // Never more than its maker sees.
                let masking = masking.link.and(masking.of(role));
                (Who::Link(call.clone()), masking)
            }
            (None, PassKind::Session | PassKind::Token) => (Who::User(role), masking.of(role)),
            _ => return Self::stranger(address),
        };
        Self {
            who,
            user: pass.user.clone(),
            address,
            rights: role.rights().and(pass.rights),
            masking,
            pass: Some((digest, pass.kind, pass.expires_at)),
        }
    }

    /// The only call that they may see, where there is only one.
    #[must_use]
    pub fn only_call(&self) -> Option<&str> {
        match &self.who {
            Who::Link(call) => Some(call),
            _ => None,
        }
    }

    /// The role, or what stands for it in the audit log.
    #[must_use]
    pub fn role(&self) -> &'static str {
        match &self.who {
            Who::Anybody => "open",
            Who::User(role) => role.name(),
            Who::Link(_) => "link",
            Who::Stranger => "",
        }
    }
}
