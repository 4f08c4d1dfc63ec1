//! Who may ask: the `Host` check against rebinding, and the token of metrics beyond loopback.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Problem;
use crate::config::Secret;

/// What is said to whoever names another host.
pub(super) fn other_host() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "/problems/host",
        "host not served",
        "the Host header must be localhost or a loopback address while there are no users",
    )
}

/// What is said to a page of another origin.
pub(super) fn other_origin() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "/problems/origin",
        "page of another origin",
        "what a page elsewhere asks for is not done",
    )
}

/// Whether no page of another origin sent this: browsers name the origin of every request that is not a simple reading,
/// and send some of them without asking first.
///
/// Newer ones say in `Sec-Fetch-Site` whose page it is (Fetch Metadata, W3C), which holds whatever a proxy makes of
/// `Host`. Where neither is said, a program asks.
pub(super) fn comes_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    authority.is_some() && authority == host
}

/// Whether `Host` is a loopback address or `localhost`.
pub(super) fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(authority) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .and_then(|host| host.parse::<Authority>().ok())
    else {
        return false;
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Lets a request through that carries the token as `Authorization: Bearer`.
pub(super) async fn bearer(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if given.is_some_and(|given| hepcat_wire::keys_equal(given, token.expose())) {
        return next.run(request).await;
    }
    let refusal = Problem::new(
        StatusCode::UNAUTHORIZED,
        "/problems/token",
        "token wanted",
        "send the token of the metrics token file as Authorization: Bearer",
    );
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_and_our_own_page_may_change_anything() {
        let from = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:9080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            comes_from_here(&headers)
        };
        assert!(from(None));
        assert!(from(Some("http://127.0.0.1:9080")));
        for other in [
            "http://evil.example",
            "http://127.0.0.1:8000",
            "null",
            "http://127.0.0.1:9080.evil.example",
        ] {
            assert!(!from(Some(other)), "{other}");
        }
        for (site, is_ours) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:9080".parse().unwrap());
            headers.insert(header::ORIGIN, "https://hepcat.example".parse().unwrap());
            headers.insert("sec-fetch-site", site.parse().unwrap());
            assert_eq!(comes_from_here(&headers), is_ours, "{site}");
        }
    }

    #[test]
    fn only_loopback_names_are_served() {
        let served = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            names_loopback(&headers)
        };
        for host in [
            "localhost",
            "LOCALHOST:9080",
            "127.0.0.1:9080",
            "127.8.8.8",
            "[::1]:9080",
        ] {
            assert!(served(host), "{host}");
        }
        for host in [
            "evil.example:9080",
            "10.0.0.1",
            "localhost.evil.example",
            "127.0.0.1.nip",
            "",
        ] {
            assert!(!served(host), "{host}");
        }
        assert!(!names_loopback(&HeaderMap::new()));
    }
}
