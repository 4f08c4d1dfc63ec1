//! What queries are asked of, and what it answers.

use std::{net::IpAddr, time::Duration};

use super::field::Field;

/// Something that a query can be held against: a message, an unparsable frame, a call, a row of the store.
pub trait Subject {
    /// Shows the values of `field` to `fits`, one after the other, until it says yes; answers whether it did.
    ///
    /// No value means `false`. What costs anything (a scan, a column) is done here, only for the fields asked.
    fn any(&self, field: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool;
}

/// A value of a field, borrowed from the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Octets of text, in whatever character set they came.
    Text(&'a [u8]),
    /// An integer.
    Number(i64),
    /// A span of time.
    Duration(Duration),
    /// A point in time, microseconds since 1970 UTC.
    Time(i64),
    /// An address of a peer (IPv4-mapped ones as IPv4).
    Address(IpAddr),
    /// A captured address and port, as far as they are known (IPv4-mapped ones as IPv4).
    Endpoint(Option<IpAddr>, Option<u16>),
}
