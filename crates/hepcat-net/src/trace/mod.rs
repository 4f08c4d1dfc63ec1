//! Messages of our own: packing them, and sending them to destinations by name.
//!
//! It does what the trace API of OpenSIPS does for its modules. A [`PackRequest`] says what is to be told;
//! [`pack`] makes a frame of it for a [`Version`], a [`Format`] (HOMER 5 text or HOMER 6 JSON) and a [`Mode`].
//!
//! | there | here |
//! | --- | --- |
//! | create message | [`PackRequest::new`], [`PackRequest::sip`], [`PackRequest::correlate`] |
//! | add chunk | [`PackRequest::chunk`], [`PackRequest::correlation_id`], [`PackRequest::key`] |
//! | add payload part | [`PackRequest::part`] |
//! | add extra correlation | [`PackRequest::extra_correlation`] |
//! | get destination by name, send | [`HepIds::get`], [`HepIds::send`] |
//! | new and release destination | [`HepIds::create`], dropping the [`DynamicHepId`] |
//!
//! What is received in HOMER 6 is read with [`unwrap_homer6`].
//!
//! ```
//! use hepcat_net::trace::{Format, Mode, PackRequest, Version, pack};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two ids that belong together, as `correlate` says it: both formats carry both.
//! let request = PackRequest::correlate(("sip", "a84b4c"), ("billing", "42"))?.capture_id(2001);
//! let now = std::time::SystemTime::now();
//! for format in [Format::default(), Format::Homer6] {
//!     let frame = pack(&request, Version::V3, &format, Mode::Correct, now)?;
//!     let message = hepcat_wire::Message::parse(&frame)?;
//!     assert_eq!(
//!         message.extra_correlations(),
//!         Some(&br#"{"sip":"a84b4c","billing":"42"}"#[..])
//!     );
//! }
//! // Versions 1 and 2 have no place for it, and say so.
//! assert!(pack(&request, Version::V2, &Format::default(), Mode::Correct, now).is_err());
//! # Ok(())
//! # }
//! ```

mod compat;
mod error;
mod format;
mod hep_id;
mod hep_ids;
mod json;
mod pack;
mod request;
mod unwrap;

pub use error::PackError;
pub use format::{Format, Mode};
pub use hep_id::HepId;
pub use hep_ids::{DynamicHepId, HepIdError, HepIds};
pub use hepcat_wire::Version;
pub use pack::pack;
pub use request::PackRequest;
pub use unwrap::unwrap_homer6;
