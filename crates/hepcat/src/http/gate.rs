//! Who asks, and whether they may: before every handler, so that none can forget it.
//!
//! [`identify`] finds out who asks and keeps that for as long as the request is handled: whatever answers finds it with
//! [`viewer`]. [`allow`] stands before each single method of each path, with what `routes` says that it needs.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::{Query, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hepcat_store::Cancel;
use tokio::task_local;

use super::{accept::Peer, asking, guard, problem::Problem, routes::Endpoint, server::Shared};
use crate::{
    access::{self, PassDigest, PassKind, Refused, Right, Viewer, Who, mask_json},
    search,
    state::{passes, users},
};

task_local! {
    static VIEWER: Arc<Viewer>;
}

/// Octets of a body that is read of somebody who has not signed in.
const STRANGERS_BODY: u64 = 4 << 10;
/// Octets of an answer that is looked through for numbers. The largest page of messages is a fifth of it.
const LARGEST_ANSWER: usize = 256 << 20;

/// Who asks. Outside of a request, and where [`identify`] was not asked, that is a stranger who may nothing and sees
/// nothing.
pub(super) fn viewer() -> Arc<Viewer> {
    VIEWER
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Arc::new(Viewer::stranger(std::net::Ipv4Addr::UNSPECIFIED.into())))
}

/// Finds out who asks, refuses what nobody may ask, and handles the rest as asked by them.
pub(super) async fn identify(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let spec = &shared.spec;
    let client = access::client(
        peer.ip(),
        spec.tls.is_some(),
        &spec.trusted_proxies,
        request.headers(),
    );
    let counters = shared.node.access().counters();
    let shown = credentials(&shared, request.headers());
    let viewer = match recognise(&shared, shown, &client).await {
        Ok(viewer) => viewer,
        Err(problem) => return problem.into_response(),
    };
    // Where everybody may do everything, a name that somebody else controls must not lead here.
    if viewer.who == Who::Anybody && !guard::names_loopback(request.headers()) {
        counters.refused(Refused::Host);
        return guard::other_host().into_response();
    }
    if !request.method().is_safe() && !guard::comes_from_here(request.headers()) {
        counters.refused(Refused::Origin);
        return guard::other_origin().into_response();
    }
    if viewer.who == Who::Stranger && body_size(request.headers()) > STRANGERS_BODY {
        return Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "/problems/body",
            "body too large",
            "sign in before you send this much, and say how much it is",
        )
        .into_response();
    }
    let masking = viewer.masking;
    // Who gets to see nothing gets nothing that could be masked.
    let is_stranger = viewer.who == Who::Stranger;
    let is_api = request.uri().path().starts_with("/api/");
    let viewer = Arc::new(viewer);
    request.extensions_mut().insert(client);
    let mut response = VIEWER.scope(viewer, next.run(request)).await;
    if masking.digits > 0 && !is_stranger && is_api && is_json(response.headers()) {
        response = masked(masking, response).await;
    }
    harden(response.headers_mut(), is_api);
    response
}

/// What every answer says about itself. The page has a policy of its own.
fn harden(headers: &mut HeaderMap, is_api: bool) {
    const POLICY: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let referrer = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, referrer);
    let resource = HeaderValue::from_static("same-origin");
    let name = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(name, resource);
    if is_api {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(POLICY);
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

fn body_size(headers: &HeaderMap) -> u64 {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return u64::MAX;
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The same answer without people's numbers.
async fn masked(masking: access::Masking, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let hidden = to_bytes(body, LARGEST_ANSWER).await.ok().and_then(|body| {
        let mut value = serde_json::from_slice(&body).ok()?;
        mask_json(masking, &mut value);
        serde_json::to_vec(&value).ok()
    });
    let Some(hidden) = hidden else {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/masking",
            "not shown",
            "the answer is too large to be masked: ask for less",
        )
        .into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(hidden))
}

/// A pass in `Authorization`, else in a cookie of ours.
fn credentials(shared: &Shared, headers: &HeaderMap) -> Option<(PassKind, PassDigest)> {
    let key = shared.node.access().key();
    let now = SystemTime::now();
    if let Some(bearer) = headers.get(header::AUTHORIZATION) {
        let token = bearer.to_str().ok()?.strip_prefix("Bearer ")?;
        // Only tokens go this way: a cookie that somebody reads out is of no use to a program.
        return key
            .read(token.trim(), now)
            .filter(|(kind, _)| *kind == PassKind::Token);
    }
    let name = cookie_name(shared);
    cookies(headers, &name)
        .filter_map(|value| key.read(value, now))
        .find(|(kind, _)| *kind != PassKind::Token)
}

/// The values of cookies of this name, in all fields.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The name of our cookie: browsers send those of one host to each of its ports, where other nodes may be.
pub(super) fn cookie_name(shared: &Shared) -> String {
    format!("hepcat_{}", shared.node.access().key().label())
}

async fn recognise(
    shared: &Shared,
    shown: Option<(PassKind, PassDigest)>,
    client: &access::Client,
) -> Result<Viewer, Problem> {
    let digest = shown.map(|(_, digest)| digest);
    let read = shared.node.state().call(move |connection| {
        let found = match &digest {
            Some(digest) => passes::find(connection, digest, SystemTime::now())?,
            None => None,
        };
        Ok((users::exist(connection)?, found))
    });
    let (has_users, found) = read.await.map_err(|error| {
        tracing::error!(%error, "users cannot be read");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/state",
            "users cannot be read",
            "nobody is let in until they can; the log says more",
        )
    })?;
    Ok(match (found, digest) {
        (Some((pass, role)), Some(digest)) if has_users => {
            Viewer::with(&pass, digest, role, &shared.spec.masking, client.address)
        }
        _ if !has_users && !shared.spec.is_public() => Viewer::anybody(client.address),
        _ => Viewer::stranger(client.address),
    })
}

/// Lets a request through whose viewer has what the endpoint needs, and writes down what is worth it.
pub(super) async fn allow(
    State(endpoint): State<Endpoint>,
    Extension(door): Extension<Shared>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(needed) = endpoint.needs else {
        return next.run(request).await;
    };
    let viewer = viewer();
    let counters = door.node.access().counters();
    if viewer.who == Who::Stranger {
        counters.refused(Refused::SignIn);
        return sign_in_first().into_response();
    }
    let parameters: Vec<(String, String)> = parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if !viewer.rights.has(needed) || !is_within(&viewer, endpoint, &parameters) {
        counters.refused(Refused::Right);
        let subject = format!("{} {}", request.method(), request.uri().path());
        door.node
            .note(&viewer, "refused", subject, &door.spec)
            .await;
        return not_allowed(&viewer, needed).into_response();
    }
    if let Some((action, subject)) = noted(&viewer, endpoint, &parameters, &request) {
        door.node.note(&viewer, action, subject, &door.spec).await;
    }
    next.run(request).await
}

/// Whether what is asked for lies within what a viewer may see at all: a link leads to one call, and to messages, of
/// which their handler says whether they are of that call.
fn is_within(viewer: &Viewer, endpoint: Endpoint, parameters: &[(String, String)]) -> bool {
    let Some(only) = viewer.only_call() else {
        return true;
    };
    let is_safe = endpoint.method == "get";
    let is_of_call = endpoint.path.starts_with("/api/v1/calls/{call}")
        && parameters
            .iter()
            .any(|(name, value)| name == "call" && value == only);
    is_safe && (is_of_call || endpoint.path.starts_with("/api/v1/messages/{id}"))
}

/// What is written to the audit log about a request that is let through.
fn noted(
    viewer: &Viewer,
    endpoint: Endpoint,
    parameters: &[(String, String)],
    request: &Request,
) -> Option<(&'static str, String)> {
    // There is nobody to tell apart from others.
    if viewer.who == Who::Anybody {
        return None;
    }
    let values: Vec<&str> = parameters.iter().map(|(_, value)| value.as_str()).collect();
    let first = || values.join(" ");
    let asked = || query_of(request.uri());
    Some(match endpoint.path {
        _ if request.method() != Method::GET && request.method() != Method::HEAD => (
            "change",
            format!("{} {}", request.method(), request.uri().path()),
        ),
        "/api/v1/calls/{call}/export" => ("export", first()),
        "/api/v1/messages/export" => ("export", asked()),
        path if path.starts_with("/api/v1/calls/{call}") => ("open", first()),
        "/api/v1/messages/{id}/frame" => ("frame", first()),
        "/api/v1/messages/{id}" => ("message", first()),
        "/api/v1/live" | "/api/v1/calls/live" => ("watch", asked()),
        "/api/v1/audit" => ("audit", String::new()),
        "/api/v1/messages" => ("search", asked()),
        // Whoever does not see numbers could ask for them one digit after the other.
        _ if viewer.masking.hides() && !asked().is_empty() => ("search", asked()),
        _ => return None,
    })
}

/// What stands in `q` of an address.
fn query_of(uri: &Uri) -> String {
    Query::<HashMap<String, String>>::try_from_uri(uri)
        .ok()
        .and_then(|Query(mut parameters)| parameters.remove("q"))
        .unwrap_or_default()
}

fn sign_in_first() -> Response {
    let refusal = Problem::new(
        StatusCode::UNAUTHORIZED,
        "/problems/sign-in",
        "sign in",
        "this node has users: sign in, or show a token (HEPCAT_TOKEN or --token-file on the command line)",
    );
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

fn not_allowed(viewer: &Viewer, needed: Right) -> Problem {
    let what = match &viewer.who {
        Who::Link(_) => "a link shows one call and nothing else".to_owned(),
        _ => format!(
            "that needs the right `{needed}`, which {} does not have here",
            viewer.user
        ),
    };
    Problem::new(
        StatusCode::FORBIDDEN,
        "/problems/not-allowed",
        "not allowed",
        what,
    )
}

/// Refuses a query that reads payloads from somebody who does not get to see all of them: the answers would tell, one
/// guess after the other.
pub(super) fn may_read_payloads(reads: bool) -> Result<(), Problem> {
    let viewer = viewer();
    if !reads || !viewer.masking.hides() {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "/problems/not-allowed",
        "not allowed",
        "the query looks into payloads, of which you do not see everything: ask for fields",
    ))
}

/// Whether a message may be shown to somebody who has a link to one call.
pub(super) async fn is_of_only_call(
    shared: &Shared,
    message: &search::StoredMessage,
) -> Result<bool, Problem> {
    let viewer = viewer();
    let Some(only) = viewer.only_call() else {
        return Ok(true);
    };
    let only = only.to_owned();
    let call = asking::ask(shared, Cancel::default(), move |sink| {
        search::call(sink, &only)
    });
    let Some(call) = call.await? else {
        return Ok(false);
    };
    let Some(message) = message.message() else {
        return Ok(false);
    };
    let content = crate::pipeline::content(message).unwrap_or_default();
    let scan = hepcat_sip::scan(&content);
    let call_id = scan.as_ref().and_then(|scan| scan.call_id());
    let call_id = call_id.or_else(|| message.correlation_id());
    let mut legs = call.legs.iter();
    Ok(call_id.is_some_and(|call_id| legs.any(|leg| leg.call_id.as_bytes() == call_id)))
}

/// Waits until a viewer's pass is good no more. Looks now and then: what is revoked ends within seconds.
pub(super) async fn until_revoked(shared: Shared, viewer: Arc<Viewer>) {
    const LOOK: std::time::Duration = std::time::Duration::from_secs(10);
    loop {
        tokio::time::sleep(LOOK).await;
        let pass = viewer.pass;
        let spec = Arc::clone(&shared.spec);
        let (who, address) = (viewer.who.clone(), viewer.address);
        let holds = shared.node.state().call(move |connection| {
            let Some((digest, ..)) = pass else {
                return Ok(!users::exist(connection)?);
            };
            let found = passes::find(connection, &digest, SystemTime::now())?;
            Ok(found.is_some_and(|(pass, role)| {
                Viewer::with(&pass, digest, role, &spec.masking, address).who == who
            }))
        });
        if !holds.await.unwrap_or(false) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(fields: &[&str], name: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::COOKIE, HeaderValue::from_str(field).unwrap());
        }
        cookies(&headers, name).map(str::to_owned).collect()
    }

    #[test]
    fn cookies_are_found_among_others() {
        assert_eq!(
            values(&["a=1; hepcat_x=2;b", "hepcat_x=3"], "hepcat_x"),
            ["2", "3"]
        );
        assert_eq!(values(&["hepcat_xy=1", "=", ";;"], "hepcat_x"), [""; 0]);
        assert_eq!(values(&["hepcat_x=a=b"], "hepcat_x"), ["a=b"]);
    }

    #[test]
    fn without_a_request_there_is_a_stranger() {
        let viewer = viewer();
        assert_eq!(viewer.who, Who::Stranger);
        assert!(
            Right::ALL
                .into_iter()
                .all(|right| !viewer.rights.has(right))
        );
    }

    proptest! {
        #[test]
        fn any_cookie_field_is_read(field in "[ -~]{0,300}") {
            values(&[&field], "hepcat_x");
        }
    }
}
