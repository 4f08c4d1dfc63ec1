//! The `[hep]` table: the parameters of OpenSIPS's `proto_hep` under their own names.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use hepcat_net::trace::Format;

use super::{
    Fault, HepId, Marked, hep_id,
    reader::{Bare, Table},
};

/// The parameters of the module, checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hep {
    /// `hep_port`: port of a listener that names none.
    pub hep_port: u16,
    /// `hep_max_msg_chunks`: the read event that must complete a message; `None` is no limit.
    pub hep_max_msg_chunks: Option<NonZeroU32>,
    /// `hep_route`: what a captured frame runs first.
    pub hep_route: String,
    /// `capture_on`: whether frames are taken in until somebody switches that at run time.
    pub capture_on: bool,
    /// The sending parameters, for destinations that do not set their own.
    pub sending: Sending,
}

impl Default for Hep {
    fn default() -> Self {
        Self {
            // The module's documentation; its code and most collectors use 9060.
            hep_port: 5656,
            hep_max_msg_chunks: NonZeroU32::new(32),
            // As sipcapture: the payload goes the way of a received message.
            hep_route: "sip".to_owned(),
            // Of sipcapture it is 0, in a program that does something else as well; ours is there to capture.
            capture_on: true,
            sending: Sending::default(),
        }
    }
}

/// How HEP is sent: in `[hep]` for all destinations, in a `[[destination]]` for that one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sending {
    /// `homer5_on`: messages of our own are written for HOMER 5, parts of a payload as plain text; `false` is HOMER 6 and
    /// its JSON.
    pub homer5_on: bool,
    /// `homer5_delim`: what stands between two payload parts with `homer5_on`.
    pub homer5_delim: String,
    /// `hep_async`: the producer never waits for a write. `false` makes it wait for each.
    pub hep_async: bool,
    /// `hep_send_timeout`: a connection not writable for this long while the producer waits is closed.
    pub hep_send_timeout: Duration,
    /// `hep_async_local_connect_timeout`: a younger attempt leaves the destination `connecting`, an older one
    /// counts as unavailable.
    pub hep_async_local_connect_timeout: Duration,
    /// `hep_async_local_write_timeout`: a write that is pending for longer marks the destination slow.
    pub hep_async_local_write_timeout: Duration,
    /// `hep_async_max_postponed_chunks`: frames that may wait for one destination. `None` where the parameter
    /// is not set: then [`QUEUE_FRAMES`](super::QUEUE_FRAMES) do.
    pub hep_async_max_postponed_chunks: Option<Marked<u32>>,
    /// `hep_capture_id`: capture agent ID of what this node itself sends.
    pub hep_capture_id: Marked<u32>,
    /// `hep_max_retries`: failures in a row after which `hep_retry_cooldown` begins. `None` (both parameters
    /// unset): back-off alone.
    pub hep_max_retries: Option<u32>,
    /// `hep_retry_cooldown`: how long a destination is then left alone. `None` as above.
    pub hep_retry_cooldown: Option<Duration>,
    /// `compressed_payload`: payloads of what this node itself sends are compressed.
    pub compressed_payload: bool,
}

impl Default for Sending {
    /// The values of the module's documentation.
    fn default() -> Self {
        Self {
            homer5_on: true,
            homer5_delim: ":".to_owned(),
            hep_async: true,
            hep_send_timeout: Duration::from_millis(100),
            hep_async_local_connect_timeout: Duration::from_millis(100),
            hep_async_local_write_timeout: Duration::from_millis(10),
            hep_async_max_postponed_chunks: None,
            hep_capture_id: Marked::built_in(1),
            hep_max_retries: None,
            hep_retry_cooldown: None,
            compressed_payload: false,
        }
    }
}

/// `hep_max_retries` where only the cool-down is set: the module's default.
const DEFAULT_MAX_RETRIES: u32 = 5;
/// `hep_retry_cooldown` where only the retries are set: the module's default.
const DEFAULT_RETRY_COOLDOWN: Duration = Duration::from_secs(3600);

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// A wait of the producer; none at all would close every connection.
const SEND_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=MINUTE;
/// How long the fast path is tried; 0 does not try it.
const LOCAL_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=MINUTE;
const COOLDOWN: RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;

/// The range of queue lengths in frames: at most a million, about 1 GiB of messages per destination.
pub(super) const QUEUE_RANGE: RangeInclusive<i64> = 1..=1_000_000;

/// As wide as C's int, which the original reads these into.
const INT: RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;

/// The `hep_id` texts.
#[derive(Default)]
pub(super) struct Ids {
    /// Those that are good.
    pub(super) read: Vec<Marked<HepId>>,
    /// The names of the others, as far as they have one: a route to one of them is no second fault.
    pub(super) unread: Vec<String>,
}

impl Hep {
    /// Reads `[hep]`, and the `hep_id` in it.
    pub(super) fn read(table: &Table<'_>) -> (Self, Ids) {
        let d = Self::default();
        let chunks = table.integer("hep_max_msg_chunks", INT).map(|limit| {
            let limit = u32::try_from(*limit).ok();
            limit.and_then(NonZeroU32::new)
        });
        let hep = Self {
            hep_port: table
                .number("hep_port", 1..=65_535)
                .map_or(d.hep_port, Marked::into_inner),
            hep_max_msg_chunks: chunks.unwrap_or(d.hep_max_msg_chunks),
            hep_route: read_route(table).unwrap_or(d.hep_route),
            capture_on: table
                .switch("capture_on")
                .map_or(d.capture_on, Marked::into_inner),
            sending: Sending::read(table, &d.sending),
        };
        (hep, read_ids(table))
    }
}

impl Sending {
    /// How messages of our own are written: what `homer5_on` and `homer5_delim` say together.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.homer5_on {
            Format::homer5(self.homer5_delim.as_str())
        } else {
            Format::Homer6
        }
    }

    /// Reads the sending parameters of `table`; `base` has those that it does not set.
    pub(super) fn read(table: &Table<'_>, base: &Self) -> Self {
        let base = base.clone();
        let mut read = Self {
            homer5_on: table
                .bool_or_integer("homer5_on", INT)
                .map_or(base.homer5_on, |number| *number != 0),
            homer5_delim: read_delimiter(table).unwrap_or(base.homer5_delim),
            hep_async: table
                .switch("hep_async")
                .map_or(base.hep_async, Marked::into_inner),
            hep_send_timeout: table
                .duration("hep_send_timeout", Bare::Millis, SEND_TIMEOUT)
                .map_or(base.hep_send_timeout, Marked::into_inner),
            hep_async_local_connect_timeout: table
                .duration(
                    "hep_async_local_connect_timeout",
                    Bare::Millis,
                    LOCAL_TIMEOUT,
                )
                .map_or(base.hep_async_local_connect_timeout, Marked::into_inner),
            hep_async_local_write_timeout: table
                .duration("hep_async_local_write_timeout", Bare::Millis, LOCAL_TIMEOUT)
                .map_or(base.hep_async_local_write_timeout, Marked::into_inner),
            hep_async_max_postponed_chunks: table
                .number("hep_async_max_postponed_chunks", QUEUE_RANGE)
                .or(base.hep_async_max_postponed_chunks),
            hep_capture_id: table
                .number("hep_capture_id", 0..=i64::from(u32::MAX))
                .unwrap_or(base.hep_capture_id),
            hep_max_retries: table
                .number("hep_max_retries", 1..=i64::from(i32::MAX))
                .map(Marked::into_inner)
                .or(base.hep_max_retries),
            hep_retry_cooldown: table
                .duration("hep_retry_cooldown", Bare::Seconds, COOLDOWN)
                .map(Marked::into_inner)
                .or(base.hep_retry_cooldown),
            compressed_payload: table
                .switch("compressed_payload")
                .map_or(base.compressed_payload, Marked::into_inner),
        };
        // One of the two alone asks for the mechanism; the other has then the module's default.
        if read.hep_max_retries.is_some() || read.hep_retry_cooldown.is_some() {
            read.hep_max_retries.get_or_insert(DEFAULT_MAX_RETRIES);
            read.hep_retry_cooldown
                .get_or_insert(DEFAULT_RETRY_COOLDOWN);
        }
        read
    }
}

fn read_delimiter(table: &Table<'_>) -> Option<String> {
    const LONGEST: usize = 255;
    let delimiter = table.text("homer5_delim")?;
    if delimiter.len() > LONGEST {
        let message = format!("`homer5_delim` is {} octets long", delimiter.len());
        table.fault(&delimiter, message, "write at most 255 octets");
        return None;
    }
    Some(delimiter.into_inner())
}

fn read_route(table: &Table<'_>) -> Option<String> {
    let route = table.text("hep_route")?;
    if route.is_empty() || route.contains(char::is_whitespace) {
        let message = format!("`hep_route` cannot be \"{}\"", *route);
        table.fault(
            &route,
            message,
            "write \"sip\", \"none\" or the name of a route",
        );
        return None;
    }
    Some(route.into_inner())
}

fn read_ids(table: &Table<'_>) -> Ids {
    let mut ids = Ids::default();
    for text in table.texts("hep_id").unwrap_or_default() {
        match hep_id::parse(&text) {
            Ok(id) => ids.read.push(text.map(|_| id)),
            Err(faults) => {
                ids.unread.extend(hep_id::name(&text).map(str::to_owned));
                for fault in faults {
                    let message = format!("`hep_id`: {}", fault.message());
                    let fault = Fault::within(&text, fault.span(), message, fault.remedy());
                    table.reader().fault(fault);
                }
            }
        }
    }
    ids
}
