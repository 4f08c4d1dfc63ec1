//! `POST /api/v1/import`: a capture file, sent to one of the node's own listeners as an agent would send it.

use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
};
use hepcat_wire::{IpProtocol, Message, MessageBuilder, ProtocolType, Version, convert};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asking::faulty,
    inlet::{self, Inlet},
    openapi::{BadRequest, Conflict, NotKept},
    problem::Problem,
    server::Shared,
};
use crate::capfile::{Carrier, Content, Input, Item};

/// Octets of a file that are taken.
const LARGEST: usize = 32 << 20;
/// Octets of its messages, which a packed file may hide more of.
const MOST_OCTETS: usize = 256 << 20;
/// Messages of one file.
const MOST_MESSAGES: usize = 500_000;
/// By this capture agent ID what was imported is known.
const CAPTURE_ID: u32 = 0x1390_0000;

/// What was taken from a file.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Imported {
    /// Messages that were sent.
    messages: u64,
    /// Name of the listener that they were sent to.
    listener: String,
    /// What was left out, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    left_out: BTreeMap<&'static str, u64>,
    /// Why reading stopped before the end of the file.
    fault: Option<String>,
    /// How many seconds times were moved so that the last message is of now.
    moved_seconds: u64,
}

/// Takes the SIP and HEP of a pcap, pcapng or dump of frames, which may be gzipped, as if it were sent now. Of SIP the
/// times are moved so that the last message is of now; frames of HEP keep theirs, and those of versions 1 and 2 become
/// version 3.
#[utoipa::path(
    post,
    path = "/api/v1/import",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file, 32 MiB at most"),
    responses(
        (status = 200, description = "What was sent", body = Imported),
        BadRequest,
        Conflict,
        NotKept,
    ),
)]
pub(super) async fn take(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    let inlet = inlet::find(&shared, inlet::Carries::Stream)?;
    let file = to_bytes(request.into_body(), LARGEST).await.map_err(|_| {
        faulty(
            "file not taken",
            "it broke off, or is larger than 32 MiB: `hepcat send` takes files of any size",
        )
    })?;
    let sent = tokio::task::spawn_blocking(move || import(file, &inlet)).await;
    match sent {
        Ok(Ok(imported)) if imported.messages == 0 => Err(faulty(
            "nothing to import",
            imported.fault.unwrap_or_else(|| {
                "there is neither SIP nor HEP in it: pcap, pcapng and dumps of frames are read"
                    .to_owned()
            }),
        )),
        Ok(Ok(imported)) => Ok(Json(imported)),
        failed => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/import",
            "file not imported",
            match failed {
                Ok(Err(error)) => format!("the listener does not take it: {error}"),
                _ => "a defect of ours; the log says more".to_owned(),
            },
        )),
    }
}

fn import(file: Bytes, inlet: &Inlet) -> io::Result<Imported> {
    let mut imported = Imported {
        listener: inlet.name().to_owned(),
        ..Imported::default()
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Read twice, so that nothing but the file has to be kept.
    let times = limited(Input::from_reader(Cursor::new(file.clone()))?);
    let last = times.filter_map(|item| item.seen?.time).max();
    let moved = last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
    imported.moved_seconds = moved.as_secs();
    let mut outlet = inlet.open()?;
    let mut input = Input::from_reader(Cursor::new(file))?;
    for item in limited(input.by_ref()) {
        match frame(&item, moved, now) {
            Ok(frame) => {
                outlet.send(&frame)?;
                imported.messages += 1;
            }
            Err(reason) => *imported.left_out.entry(reason).or_default() += 1,
        }
    }
    outlet.finish()?;
    imported.fault = input.fault().map(ToString::to_string);
    if imported.fault.is_none() && input.next().is_some() {
        imported.fault = Some("there is more in it than is taken at once".to_owned());
    }
    Ok(imported)
}

/// As much as is taken of one file: a packed one may hide more.
fn limited(items: impl Iterator<Item = Item>) -> impl Iterator<Item = Item> {
    let mut octets = 0;
    items.take(MOST_MESSAGES).take_while(move |item| {
        octets += item.octets.len();
        octets <= MOST_OCTETS
    })
}

/// The frame of an item, or why it has none.
fn frame(item: &Item, moved: Duration, now: Duration) -> Result<Vec<u8>, &'static str> {
    if item.seen.is_some_and(|seen| seen.cut) {
        return Err("truncated");
    }
    match &item.content {
        Content::Sip => {
            let seen = item.seen.ok_or("no_addresses")?;
            let carrier = match seen.carrier {
                Carrier::Udp => IpProtocol::UDP,
                Carrier::Tcp => IpProtocol::TCP,
            };
            let builder = MessageBuilder::new()
                .ip_protocol(carrier)
                .source(seen.source)
                .destination(seen.destination)
                .time_since_epoch(seen.time.map_or(now, |time| time + moved))
                .capture_id(CAPTURE_ID)
                .protocol_type(ProtocolType::SIP)
                .payload(&item.octets);
            builder.encode(Version::V3).map_err(|error| error.reason())
        }
        Content::Hep => match Message::parse_lax(item.octets.as_slice()) {
            // Only version 3 stands in a stream, and version 1 has no time of its own.
            Ok(message) => {
                let arrival = item.seen.and_then(|seen| seen.time);
                let arrival = arrival.map_or(now, |time| time + moved);
                convert::to_v3(&message, arrival).map_err(|error| error.reason())
            }
            Err(error) => Err(error.reason()),
        },
        Content::Other(what) => Err(what),
    }
}
