//! `/api/v1/session`: signing in, signing out, and who one is.

use std::time::{Duration, Instant, SystemTime};

use axum::{
    Extension, Json,
    extract::{Query as Parameters, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    body::Body,
    gate,
    openapi::{BadRequest, TooOften, Unavailable},
    problem::Problem,
    server::Shared,
};
use crate::{
    access::{Client, Hashed, PassKind, Right, Rights, Role, Viewer, Who},
    state::{
        passes::{self, Pass},
        users,
    },
};

/// What somebody signs in with: a name and a password, or the last part of a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, untagged)]
pub(super) enum SignIn {
    /// As a user.
    User {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a link to one call.
    Link {
        /// What stands after `#link=` in it.
        link: String,
    },
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// Whether one has to sign in before anything is shown.
    sign_in: bool,
    /// The user's name, where somebody signed in.
    user: Option<String>,
    /// The role; `open` where there are no users, `link` for who came by one; none for a stranger.
    role: Option<&'static str>,
    /// What one may.
    rights: Vec<Right>,
    /// What one does not get to see.
    hidden: Vec<&'static str>,
    /// The only call that one may see, where one came by a link.
    call: Option<String>,
    /// Until when.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl Session {
    fn of(viewer: &Viewer) -> Self {
        let user = match viewer.who {
            Who::User(_) => Some(viewer.user.clone()),
            _ => None,
        };
        let masking = viewer.masking;
        let hidden = [
            ("numbers", masking.digits > 0),
            ("bodies", masking.bodies),
            ("digests", masking.digests),
            ("payload", masking.payload),
        ];
        let expires_at = viewer
            .pass
            .and_then(|(.., expires)| Timestamp::try_from(expires).ok())
            // A pass says the second.
            .and_then(|expires| Timestamp::from_second(expires.as_second()).ok());
        Self {
            sign_in: viewer.who == Who::Stranger,
            user,
            role: Some(viewer.role()).filter(|role| !role.is_empty()),
            rights: viewer.rights.iter().collect(),
            hidden: hidden
                .into_iter()
                .filter_map(|(word, is_hidden)| is_hidden.then_some(word))
                .collect(),
            call: viewer.only_call().map(str::to_owned),
            expires_at,
        }
    }
}

/// Who one is, and what one may.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    responses((status = 200, description = "Also for who has not signed in", body = Session)),
)]
pub(super) async fn show() -> Json<Session> {
    Json(Session::of(&gate::viewer()))
}

/// Signs in.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    request_body = SignIn,
    responses(
        (status = 200, description = "Who one is from now on; a cookie comes along", body = Session),
        BadRequest,
        TooOften,
        Unavailable,
    ),
)]
pub(super) async fn begin(
    State(shared): State<Shared>,
    Extension(client): Extension<Client>,
    Body(asked): Body<SignIn>,
) -> Result<Response, Problem> {
    match asked {
        SignIn::User { user, password } => with_password(&shared, client, user, password).await,
        SignIn::Link { link } => with_link(&shared, client, &link).await,
    }
}

async fn with_password(
    shared: &Shared,
    client: Client,
    user: String,
    password: String,
) -> Result<Response, Problem> {
    let access = shared.node.access();
    let stranger = Viewer {
        user: user.clone(),
        ..Viewer::stranger(client.address)
    };
    let begun = access
        .attempts()
        .begin(client.address, &user, Instant::now());
    if let Err(wait) = begun {
        access.counters().sign_in_limited();
        return Ok(too_often(wait));
    }
    let name = user.clone();
    let known = shared
        .node
        .state()
        .call(move |connection| users::find(connection, &name))
        .await
        .map_err(|_| unavailable())?;
    let fits = check(
        shared,
        known.as_ref().map(|(_, hash)| hash.clone()),
        password,
    )
    .await?;
    let role = known.and_then(|(user, _)| user.role).filter(|_| fits);
    let Some(role) = role else {
        access.counters().sign_in_failed();
        let subject = String::new();
        shared
            .node
            .note(&stranger, "sign_in_failed", subject, &shared.spec)
            .await;
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "/problems/sign-in-failed",
            "not signed in",
            "there is no such user, or the password is another",
        ));
    };
    access.attempts().succeeded(client.address, &user);
    admit(shared, client, user, role).await
}

/// Whether the password fits, with the same work whether there is such a user or not.
async fn check(shared: &Shared, hash: Option<Hashed>, password: String) -> Result<bool, Problem> {
    /// A hash takes tens of milliseconds: whoever waits for longer is one of very many.
    const PATIENCE: Duration = Duration::from_secs(5);
    let access = shared.node.access();
    let place = tokio::time::timeout(PATIENCE, access.hashing().acquire()).await;
    let Ok(Ok(place)) = place else {
        return Err(unavailable());
    };
    let done = tokio::task::spawn_blocking(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(Hashed::of_nobody);
        hash.fits(password.as_bytes()) && known
    });
    let fits = done.await.unwrap_or(false);
    drop(place);
    Ok(fits)
}

async fn admit(
    shared: &Shared,
    client: Client,
    user: String,
    role: Role,
) -> Result<Response, Problem> {
    let now = SystemTime::now();
    let expires_at = now + shared.spec.session;
    let key = shared.node.access().key();
    let (text, digest) = key
        .issue(PassKind::Session, expires_at)
        .ok_or_else(unavailable)?;
    let pass = Pass {
        id: digest.id(),
        kind: PassKind::Session,
        user,
        name: String::new(),
        rights: Rights::ALL,
        call: None,
        created_at: now,
        expires_at,
    };
    let viewer = Viewer::with(
        &pass,
        digest,
        Some(role),
        &shared.spec.masking,
        client.address,
    );
    let kept = shared
        .node
        .state()
        .call(move |connection| passes::add(connection, &digest, &pass, now));
    kept.await.map_err(|_| unavailable())?;
    shared.node.access().counters().signed_in();
    let subject = String::new();
    shared
        .node
        .note(&viewer, "sign_in", subject, &shared.spec)
        .await;
    let cookie = cookie(shared, client, &text, shared.spec.session);
    Ok(([(header::SET_COOKIE, cookie)], Json(Session::of(&viewer))).into_response())
}

async fn with_link(shared: &Shared, client: Client, link: &str) -> Result<Response, Problem> {
    let now = SystemTime::now();
    let gone = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "/problems/link-gone",
            "the link is not good",
            "it has expired, was revoked, or is of another node",
        )
    };
    let key = shared.node.access().key();
    let (_, digest) = key
        .read(link, now)
        .filter(|(kind, _)| *kind == PassKind::Link)
        .ok_or_else(gone)?;
    let found = shared
        .node
        .state()
        .call(move |connection| passes::find(connection, &digest, now));
    let (pass, role) = found.await.map_err(|_| unavailable())?.ok_or_else(gone)?;
    let viewer = Viewer::with(&pass, digest, role, &shared.spec.masking, client.address);
    let Some(call) = viewer.only_call() else {
        return Err(gone());
    };
    let subject = format!("{call} by link {}", pass.id);
    shared
        .node
        .note(&viewer, "link", subject, &shared.spec)
        .await;
    let left = pass.expires_at.duration_since(now).unwrap_or_default();
    let cookie = cookie(shared, client, link, left);
    Ok(([(header::SET_COOKIE, cookie)], Json(Session::of(&viewer))).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EndParameters {
    /// Every other session of the same user ends too.
    #[serde(default)]
    everywhere: bool,
}

/// Signs out: the session ends here and now, wherever its cookie is.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    params(EndParameters),
    responses(
        (status = 200, description = "Who one is from now on", body = Session),
        Unavailable,
    ),
)]
pub(super) async fn end(
    State(shared): State<Shared>,
    Extension(client): Extension<Client>,
    Parameters(parameters): Parameters<EndParameters>,
) -> Result<Response, Problem> {
    let viewer = gate::viewer();
    if let Some((digest, PassKind::Session, _)) = viewer.pass {
        let user = viewer.user.clone();
        let revoked = shared.node.state().call(move |connection| {
            if parameters.everywhere {
                passes::revoke_sessions(connection, &user)?;
            }
            passes::revoke(connection, &digest)
        });
        revoked.await.map_err(|_| unavailable())?;
        let subject = if parameters.everywhere {
            "everywhere"
        } else {
            ""
        };
        let subject = subject.to_owned();
        shared
            .node
            .note(&viewer, "sign_out", subject, &shared.spec)
            .await;
    }
    let cookie = cookie(&shared, client, "", Duration::ZERO);
    let stranger = Session::of(&Viewer::stranger(client.address));
    Ok(([(header::SET_COOKIE, cookie)], Json(stranger)).into_response())
}

/// A cookie that scripts cannot read and other sites cannot send. It has no path of its own: browsers send it below
/// `…/api/v1`, wherever a proxy puts that (RFC 6265 §5.1.4).
fn cookie(shared: &Shared, client: Client, value: &str, lifetime: Duration) -> HeaderValue {
    let name = gate::cookie_name(shared);
    let secure = if client.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{name}={value}; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        lifetime.as_secs()
    );
    HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn too_often(wait: Duration) -> Response {
    // Rounded up: who comes then is let try.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let refusal = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "/problems/sign-in-limited",
        "too many attempts",
        format!("try again in {seconds} s"),
    );
    ([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response()
}

fn unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "/problems/state",
        "not possible now",
        "users or passes cannot be read or written, or too many sign in at once",
    )
}
