//! `GET /api/v1/calls/{call}/export` and `GET /api/v1/messages/export`: messages as files.

use std::io::{self, BufWriter, Write};

use axum::{
    body::Body,
    extract::{Path, Query as Parameters, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{
    asking, calls, gate,
    openapi::{BadRequest, NotFound, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    agents::ClockBounds,
    export::{self, Format},
    render::Contents,
    search::{self, MessagePage, MessageSearch, Searched},
};

/// Messages in one file at most; what follows has a cursor.
const LARGEST_FILE: u64 = 100_000;
/// Octets that are handed over at a time, and how many such parts may wait for a client.
const PART: usize = 64 << 10;
const WAITING: usize = 4;

/// How many messages are in the file.
const MESSAGES: HeaderName = HeaderName::from_static("hepcat-messages");
/// The cursor of what is left out.
const NEXT: HeaderName = HeaderName::from_static("hepcat-next");
/// Files of the store that could not be read, where there are such.
const UNREADABLE: HeaderName = HeaderName::from_static("hepcat-unreadable");
/// Since when messages were searched, where nobody said.
const SEARCHED_FROM: HeaderName = HeaderName::from_static("hepcat-searched-from");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallParameters {
    /// What kind of file: `pcapng` where nobody says.
    #[serde(default)]
    format: String,
}

/// A call as a file.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/export",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs"), CallParameters),
    responses(
        (status = 200, description = "The file: pcapng, text or JSON lines", body = Vec<u8>, content_type = "application/octet-stream"),
        BadRequest,
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn call(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(parameters): Parameters<CallParameters>,
) -> Response {
    let export = of_call(&shared, name, &parameters).await;
    export.unwrap_or_else(Problem::into_response)
}

async fn of_call(
    shared: &Shared,
    name: String,
    parameters: &CallParameters,
) -> Result<Response, Problem> {
    let format = format(&parameters.format)?;
    let (call, page) = calls::whole(shared, name).await?;
    let file = format!("call-{}", call.id);
    Ok(answer(shared, page, None, format, &file))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesParameters {
    /// Which messages, in the query language; all of them when absent.
    #[serde(default)]
    q: String,
    /// Only what has this time or a later one (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// What kind of file: `pcapng` where nobody says.
    #[serde(default)]
    format: String,
    /// How many, those received last.
    limit: Option<u64>,
    /// Where the file before ended.
    cursor: Option<String>,
}

/// Messages that fit as a file.
#[utoipa::path(
    get,
    path = "/api/v1/messages/export",
    params(MessagesParameters),
    responses(
        (status = 200, description = "The file: pcapng, text or JSON lines", body = Vec<u8>, content_type = "application/octet-stream"),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn messages(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<MessagesParameters>,
) -> Response {
    let export = find(&shared, &parameters).await;
    export.unwrap_or_else(Problem::into_response)
}

async fn find(shared: &Shared, parameters: &MessagesParameters) -> Result<Response, Problem> {
    let format = format(&parameters.format)?;
    let time = asking::range(parameters.from, parameters.to);
    let asked = asking::of_messages(&parameters.q, &time)?;
    let searched = asked.searched();
    let mut search = MessageSearch::new(asked);
    search.limit = parameters
        .limit
        .unwrap_or(LARGEST_FILE)
        .clamp(1, LARGEST_FILE);
    search.after = asking::cursor(parameters.cursor.as_deref())?;
    let cancel = search.cancel.clone();
    let masking = gate::viewer().masking;
    let page = asking::ask(shared, cancel, move |sink| {
        let mut page = search::messages(sink.store(), &search)?;
        masking.hide_in(&mut page);
        Ok(page)
    });
    let page = page.await?;
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let file = format!("messages-{now}");
    Ok(answer(shared, page, Some(searched), format, &file))
}

fn format(name: &str) -> Result<Format, Problem> {
    if name.is_empty() {
        return Ok(Format::Pcapng);
    }
    Format::from_name(name).ok_or_else(|| {
        let detail = format!("`{name}` is none of pcapng, text, jsonl");
        asking::faulty("format not known", detail)
    })
}

/// The file, written while the client reads it.
fn answer(
    shared: &Shared,
    page: MessagePage,
    searched: Option<Searched>,
    format: Format,
    file: &str,
) -> Response {
    let file = format!("attachment; filename=\"{file}.{}\"", format.extension());
    let mut headers = vec![
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, file),
        (MESSAGES, page.messages.len().to_string()),
    ];
    headers.extend(page.left_out().map(|why| (calls::LEFT_OUT, why)));
    headers.extend(page.next.map(|next| (NEXT, next.to_string())));
    if page.report.unreadable > 0 {
        headers.push((UNREADABLE, page.report.unreadable.to_string()));
    }
    let since = searched.filter(|searched| searched.by_default);
    let since = since.and_then(|searched| searched.from);
    headers.extend(since.map(|since| (SEARCHED_FROM, since.to_string())));
    let clock = shared.node.pipeline().topology().clock();
    let contents = gate::viewer().masking.contents(Contents::ALL);
    let body = Body::from_stream(written(page, format, clock, contents, shared.stop.clone()));
    let mut response = body.into_response();
    for (name, value) in headers {
        // All of it is ASCII, or it would not be said.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What a file is written by, and where its parts come out.
struct Writing {
    parts: mpsc::Receiver<Bytes>,
    writer: Option<JoinHandle<io::Result<()>>>,
    stop: CancellationToken,
}

/// The parts of a file. Whoever takes no more of them ends the writing; a file that is not whole ends with an error, so
/// that nobody takes it for one that is.
fn written(
    page: MessagePage,
    format: Format,
    clock: ClockBounds,
    contents: Contents,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> {
    let (to, parts) = mpsc::channel(WAITING);
    let writer = tokio::task::spawn_blocking(move || {
        let mut to = BufWriter::with_capacity(PART, Parts(to));
        let left_out = page.left_out();
        let shown = export::Shown {
            clock,
            contents,
            left_out: left_out.as_deref(),
        };
        export::write_part(&page.messages, format, &shown, &mut to)?;
        to.flush()
    });
    let writing = Writing {
        parts,
        writer: Some(writer),
        stop,
    };
    stream::unfold(writing, |mut writing| async move {
        let part = writing.next().await?;
        Some((part, writing))
    })
}

impl Writing {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let part = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.parts.close();
                self.writer.take()?;
                return Some(Err(io::Error::other("the node stops")));
            }
            part = self.parts.recv() => part,
        };
        if let Some(part) = part {
            return Some(Ok(part));
        }
        match self.writer.take()?.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error)),
            Err(_panic) => Some(Err(io::Error::other("writing ended by a defect of ours"))),
        }
    }
}

/// A writer whose octets are read elsewhere.
struct Parts(mpsc::Sender<Bytes>);

impl Write for Parts {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let part = Bytes::copy_from_slice(octets);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(part).map_err(gone)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
