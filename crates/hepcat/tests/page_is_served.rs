//! The page: that it is there, what it may do, and how long browsers keep it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use hepcat_testkit::NodeProcess;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");
const NODE: &str =
    "[http]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";

/// Head and body of the answer to a GET with more header fields.
fn get(address: SocketAddr, path: &str, fields: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a time limit");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}Connection: close\r\n\r\n"
    )
    .expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// Addresses in the page that begin so.
fn named<'a>(page: &'a str, begin: &str) -> Vec<&'a str> {
    page.split('"')
        .filter(|part| part.starts_with(begin))
        .collect()
}

#[test]
fn the_page_is_there_and_may_do_nothing_but_ask_this_node() {
    let node = NodeProcess::start(HEPCAT, NODE);
    for path in ["/", "/?q=state%3Afailed&call=00aa"] {
        let (head, body) = get(node.http_address(), path, "");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/html; charset=utf-8"),
            "{head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        let policy = head
            .lines()
            .find(|line| line.starts_with("content-security-policy: "));
        let policy = policy.expect("a policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(body.contains("<title>hepcat</title>"), "{body}");
        // No script and no style stands in the page itself.
        assert!(
            !body.contains("<style") && !body.contains("style="),
            "{body}"
        );
        assert!(!body.contains("<script>"), "{body}");
    }
}

#[cfg(feature = "ui")]
#[test]
fn what_the_page_names_is_there_below_any_path_and_kept_for_good() {
    let node = NodeProcess::start(HEPCAT, NODE);
    let (head, page) = get(node.http_address(), "/", "");
    let assets = named(&page, "./assets/");
    if assets.is_empty() {
        // Built without npm: then it says how to get the page. Where nobody watches, that does not build at all.
        assert!(page.contains("npm"), "{page}");
        return;
    }
    assert!(head.contains("cache-control: no-cache"), "{head}");
    for asset in assets {
        let (head, body) = get(node.http_address(), asset.trim_start_matches('.'), "");
        assert!(head.starts_with("http/1.1 200"), "{asset}: {head}");
        assert!(head.contains("immutable"), "{head}");
        let kind = match asset.rsplit_once('.').expect("an ending").1 {
            "js" => "content-type: text/javascript; charset=utf-8",
            "css" => "content-type: text/css; charset=utf-8",
            _ => "content-type: image/svg+xml",
        };
        assert!(head.contains(kind), "{asset}: {head}");
        assert!(!body.is_empty(), "{asset}");
    }
    assert_eq!(named(&page, "http"), [""; 0], "nothing is from elsewhere");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .expect("a tag");
    let (head, body) = get(
        node.http_address(),
        "/",
        &format!("If-None-Match: {tag}\r\n"),
    );
    assert!(head.starts_with("http/1.1 304"), "{head}");
    assert!(body.is_empty());
}

#[test]
fn what_is_not_part_of_the_page_is_not_there() {
    let node = NodeProcess::start(HEPCAT, NODE);
    for path in ["/assets/none.js", "/assets/..%2findex.html", "/index.html"] {
        let (head, _body) = get(node.http_address(), path, "");
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
}
