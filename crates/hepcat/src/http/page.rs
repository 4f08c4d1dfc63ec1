//! The page: what `build.rs` built, embedded; or a plain page that says how to get it.
//!
//! Everything is addressed relative to the page itself, so that it works below any path that a proxy serves it under.
//! Names of assets contain a digest of their contents: browsers keep those for good, and ask about the page each time.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

/// Name, entity tag and octets of each file; none where it was built without npm.
#[cfg(feature = "ui")]
static FILES: &[(&str, &str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/page.rs"));
#[cfg(not(feature = "ui"))]
static FILES: &[(&str, &str, &[u8])] = &[];

/// Nothing from elsewhere, nothing inline, no form, no frame. The page writes captured text as text; should it ever
/// not, `require-trusted-types-for` makes browsers that know it refuse to read that as markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

const LEFT_OUT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>hepcat</title>
<h1>hepcat runs, without its page</h1>
<p>This program was built without the web page. To get it, install Node 20 or later with npm and build again:</p>
<pre>cargo build --release</pre>
<p>Until then there are <code>hepcat search</code>, <code>hepcat flow</code>, <code>hepcat tail</code> and
<code>hepcat doctor</code>, and the interface that they use below <a href=\"api/v1/status\">api/v1</a>.</p>
</html>
";

fn file(name: &str) -> Option<(&'static str, Bytes)> {
    let (_, tag, octets) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some((tag, Bytes::from_static(octets)))
}

/// `GET /`.
pub(super) async fn index(headers: HeaderMap) -> Response {
    let Some((tag, octets)) = file("index.html") else {
        let plain = Bytes::from_static(LEFT_OUT.as_bytes());
        return guarded("text/html; charset=utf-8", "no-store", plain);
    };
    if is_known(&headers, tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let mut response = guarded("text/html; charset=utf-8", "no-cache", octets);
    let tag = HeaderValue::from_static(tag);
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// `GET /assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match file(&format!("assets/{name}")) {
        Some((_, octets)) => guarded(kind(&name), "public, max-age=31536000, immutable", octets),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn guarded(kind: &'static str, keep: &'static str, octets: Bytes) -> Response {
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    (headers, octets).into_response()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known
        .filter_map(|known| known.to_str().ok())
        .flat_map(|known| known.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_alone_in_a_list_and_when_weak() {
        let tag = "\"abab\"";
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::try_from(value).unwrap());
            is_known(&headers, tag)
        };
        assert!(asked(tag));
        assert!(asked(&format!("\"other\", W/{tag}")));
        assert!(!asked("\"other\""));
        assert!(!is_known(&HeaderMap::new(), tag));
    }

    #[test]
    fn scripts_are_scripts() {
        assert_eq!(kind("index-1a2b.js"), "text/javascript; charset=utf-8");
        assert_eq!(kind("index-1a2b.css"), "text/css; charset=utf-8");
        assert_eq!(kind("none"), "application/octet-stream");
    }
}
