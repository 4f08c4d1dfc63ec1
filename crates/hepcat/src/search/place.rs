//! Where a page of calls or registrations ended.

use std::{fmt, str::FromStr};

use hepcat_store::{BadCursor, Cursor};

use crate::call::Moment;

/// What open ones' places begin with; a [`Cursor`] begins with a digit or a minus sign.
const OPEN: &str = "open_";

/// A place in a list that begins with what is followed in memory, and goes on with what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Behind the followed one with this time and id.
    Open(Moment, u64),
    /// Behind this row.
    Kept(Cursor),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(at, id) => write!(f, "{OPEN}{}_{id:016x}", at.as_micros()),
            Self::Kept(cursor) => cursor.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let Some(open) = text.strip_prefix(OPEN) else {
            return text.parse().map(Self::Kept);
        };
        let (at, id) = open.split_once('_').ok_or(BadCursor)?;
        let at = at.parse().map_err(|_number| BadCursor)?;
        let id = u64::from_str_radix(id, 16).map_err(|_number| BadCursor)?;
        Ok(Self::Open(Moment::from_micros(at), id))
    }
}

#[cfg(test)]
mod tests {
    use hepcat_store::RowId;

    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let places = [
            Place::Open(Moment::from_micros(1_795_000_000_000_001), u64::MAX),
            Place::Open(Moment::from_micros(-1), 0),
            Place::Kept(Cursor::new(-5, RowId::from_number(7))),
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "open_", "open_1", "open_x_1", "1", "open_1_g"] {
            assert_eq!(bad.parse::<Place>(), Err(BadCursor), "{bad}");
        }
    }
}
