//! Asking the store: what it keeps as rows, given back as messages and calls, or counted.

mod calls;
mod facets;
mod filter;
mod histogram;
mod message;
mod messages;
mod overview;
mod place;
mod registrations;
mod searched;
mod through_messages;

pub use calls::{
    CallPage, CallSearch, as_seen, call, calls, closed_call, ladder, messages_of, open_call,
};
pub use facets::{Facet, FacetOf, FacetSearch, FacetValue, UnknownFacet, facet};
pub use filter::Asked;
pub use histogram::{Bucket, Histogram, HistogramSearch, Outcomes, TooManyBuckets, histogram};
pub use message::StoredMessage;
pub use messages::{MessagePage, MessageSearch, message, messages};
pub use overview::overview;
pub use place::Place;
pub use registrations::{RegistrationPage, RegistrationSearch, registrations};
pub use searched::Searched;
pub use through_messages::calls_through_messages;
