//! `POST /api/v1/calls/{call}/share` and `/api/v1/links`: links that show one call to whoever has them.

use std::time::{Duration, SystemTime};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use hepcat_store::Cancel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    asking,
    body::Body,
    gate,
    openapi::{BadRequest, NotFound, NotKept, SearchEnded},
    problem::Problem,
    server::Shared,
};
use crate::{
    access::{PassKind, Right, Rights, Role, Who, check_name},
    config, search,
    state::passes::{self, Pass},
};

/// How long a link is good where nobody says: a fault is usually closed within a week.
const LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// The longest; messages themselves are kept no longer by default.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// What a link is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Share {
    /// What it is called in the list.
    name: String,
    /// How long it is good: `7d` where nobody says, `30d` at most.
    expires: Option<String>,
}

/// A link to a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedLink {
    /// Names it in the list; nothing can be opened with it.
    id: String,
    /// What it is called.
    name: String,
    /// The call.
    call: String,
    /// Who made it.
    user: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Relative to the page, said once: what is kept of it cannot be made a link again.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// All links.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkList {
    /// Those that are good, the newest first.
    links: Vec<SharedLink>,
}

impl SharedLink {
    fn of(pass: Pass, address: Option<String>) -> Self {
        let time = |time| Timestamp::try_from(time).unwrap_or_default();
        Self {
            id: pass.id,
            name: pass.name,
            call: pass.call.unwrap_or_default(),
            user: pass.user,
            created_at: time(pass.created_at),
            expires_at: time(pass.expires_at),
            address,
        }
    }
}

/// Makes a link that shows this call, and nothing else, to whoever has it.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{call}/share",
    request_body = Share,
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 201, description = "The link", body = SharedLink),
        BadRequest,
        NotFound,
        NotKept,
        SearchEnded,
    ),
)]
pub(super) async fn share(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(asked): Body<Share>,
) -> Result<Response, Problem> {
    let lifetime = match &asked.expires {
        None => LIFETIME,
        Some(text) => config::duration(text).map_err(|why| faulty(why.to_string()))?,
    };
    if lifetime.is_zero() || lifetime > LONGEST {
        return Err(faulty(
            "`expires` must be above 0 and at most 30d".to_owned(),
        ));
    }
    if !asked.name.is_empty() {
        check_name(&asked.name).map_err(|error| faulty(error.to_string()))?;
    }
    let viewer = gate::viewer();
    if viewer.who == Who::Anybody {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "/problems/no-users",
            "nobody to let in",
            "a link is of the user who makes it: add one with `hepcat user add`",
        ));
    }
    let searched = name.clone();
    let found = asking::ask(&shared, Cancel::default(), move |sink| {
        search::call(sink, &searched)
    });
    let call = found.await?.ok_or_else(|| super::calls::no_call(&name))?;
    let now = SystemTime::now();
    let expires_at = now + lifetime;
    let (text, digest) = shared
        .node
        .access()
        .key()
        .issue(PassKind::Link, expires_at)
        .ok_or_else(not_kept)?;
    let pass = Pass {
        id: digest.id(),
        kind: PassKind::Link,
        user: viewer.user.clone(),
        name: asked.name,
        rights: Rights::of(&[Right::See, Right::Payload]),
        call: Some(call.id.to_string()),
        created_at: now,
        expires_at,
    };
    let kept = pass.clone();
    shared
        .node
        .state()
        .call(move |connection| passes::add(connection, &digest, &kept, now))
        .await
        .map_err(|_| not_kept())?;
    let address = format!("?call={}#link={text}", call.id);
    let link = SharedLink::of(pass, Some(address));
    Ok((StatusCode::CREATED, Json(link)).into_response())
}

/// Links that are good: one's own, and all of them for an admin.
#[utoipa::path(
    get,
    path = "/api/v1/links",
    responses((status = 200, description = "The newest first", body = LinkList), NotKept),
)]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<LinkList>, Problem> {
    let user = only_of();
    let listed = shared.node.state().call(move |connection| {
        passes::list(
            connection,
            PassKind::Link,
            user.as_deref(),
            SystemTime::now(),
        )
    });
    let links = listed.await.map_err(|_| not_kept())?.into_iter();
    Ok(Json(LinkList {
        links: links.map(|pass| SharedLink::of(pass, None)).collect(),
    }))
}

/// Revokes a link: whoever has it sees nothing any more.
#[utoipa::path(
    delete,
    path = "/api/v1/links/{id}",
    params(("id" = String, Path, description = "Id of a link")),
    responses((status = 200, description = "The links that are left", body = LinkList), NotFound, NotKept),
)]
pub(super) async fn revoke(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<LinkList>, Problem> {
    let user = only_of();
    let asked = id.clone();
    let gone = shared.node.state().call(move |connection| {
        passes::revoke_named(connection, PassKind::Link, user.as_deref(), &asked)
    });
    if gone.await.map_err(|_| not_kept())? == 0 {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "/problems/no-link",
            "no such link",
            format!("there is no link `{id}` of yours"),
        ));
    }
    list(State(shared)).await
}

/// Whose links somebody may see.
fn only_of() -> Option<String> {
    let viewer = gate::viewer();
    match viewer.who {
        Who::Anybody | Who::User(Role::Admin) => None,
        _ => Some(viewer.user.clone()),
    }
}

fn faulty(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "/problems/body",
        "body not understood",
        detail,
    )
}

fn not_kept() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "/problems/state",
        "not kept",
        "the links cannot be read or written; the log says more",
    )
}
