//! Who may see what: users and their roles, passes, masking, the audit log.
//!
//! ```text
//! request ─ forwarded: whose is it ─ keys: is the pass ours ─ state: is it still valid ─ role: may they
//!                                                                                          │
//!                                      audit: it is written down ─ masking: what is hidden ┘
//! ```
//!
//! Users, passes and the log are kept in `state` (`users`, `passes`, `audit`), and are read anew with each request: what
//! a command changes there holds at once. What is promised to whom is in `docs/access.md`.

mod attempts;
mod counters;
mod forwarded;
mod keys;
mod masking;
mod name;
mod password;
mod role;
mod viewer;

pub use attempts::Attempts;
pub use counters::{AccessCounters, AccessStatus, Lost, Refused};
pub use forwarded::{Client, client};
pub use keys::{NodeKey, PassDigest, PassKind, random};
pub use masking::{Masking, is_credential, mask_json};
pub use name::{BadName, check_name};
pub use password::{Hashed, LONGEST, PasswordError, SHORTEST};
pub use role::{Right, Rights, Role, TABLE, UnknownWord};
pub use viewer::{Viewer, Who};
