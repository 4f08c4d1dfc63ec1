//! What a role does not get to see comes out nowhere.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use super::door::{Door, EVERYBODY};
use hepcat_testkit::{FakeAgent, frame::Meta};
use serde_json::{Value, json};

const MASKING: &str = "masking = { viewer = [\"numbers\", \"digests\"], operator = [\"bodies\"], link = [\"numbers\"] }";

const DIGEST: &str = "0a4f113b";
const BODY: &str = "m=audio 49170";

fn invite(call_id: &str) -> String {
    let body = "v=0\r\no=33123456789 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:+12125550199@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\n\
         From: \"33123456789\" <sip:+33123456789@a.example>;tag=a\r\nTo: <sip:+12125550199@b.example>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:+33123456789@192.0.2.1>\r\n\
         P-Asserted-Identity: <tel:+33123456789>\r\nX-Account: 8154711\r\n\
         Proxy-Authorization: Digest username=\"ann\", response=\"{DIGEST}\"\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn register(call_id: &str) -> String {
    format!(
        "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\n\
         From: <sip:+33123456789@a.example>;tag=a\r\nTo: <sip:+33123456789@a.example>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 REGISTER\r\nContact: <sip:+33123456789@192.0.2.1>;expires=60\r\nContent-Length: 0\r\n\r\n"
    )
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u32::try_from(now.expect("after 1970").as_secs()).expect("before 2106")
}

fn send(door: &Door, payloads: &[&[u8]]) {
    let (_, address) = door.node.listening()[0];
    let mut agent = FakeAgent::tcp(address);
    for payload in payloads {
        let mut meta = Meta::default();
        meta.time_sec = now();
        agent.send(&meta.v3(payload));
    }
    agent.finish();
}

/// Waits until so many messages are found by who may see everything.
async fn wait_for_messages(door: &Door, cookie: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = door.get_as(cookie, "/api/v1/messages").await.json();
        let messages = answer["messages"].as_array().expect("messages");
        if messages.len() >= count {
            return messages.clone();
        }
        assert!(Instant::now() < until, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every way out for one call and one message.
fn ways_out(call: &str, message: &str) -> Vec<String> {
    vec![
        "/api/v1/calls".to_owned(),
        "/api/v1/calls?all=true".to_owned(),
        format!("/api/v1/calls/{call}"),
        format!("/api/v1/calls/{call}/messages"),
        format!("/api/v1/calls/{call}/ladder"),
        format!("/api/v1/calls/{call}/flow"),
        format!("/api/v1/calls/{call}/explanation"),
        format!("/api/v1/calls/{call}/quality"),
        format!("/api/v1/calls/{call}/export?format=pcapng"),
        format!("/api/v1/calls/{call}/export?format=text"),
        format!("/api/v1/calls/{call}/export?format=json"),
        "/api/v1/messages".to_owned(),
        "/api/v1/messages?brief=true".to_owned(),
        "/api/v1/messages/export?format=pcapng".to_owned(),
        "/api/v1/messages/export?format=text".to_owned(),
        "/api/v1/messages/export?format=json".to_owned(),
        format!("/api/v1/messages/{message}"),
        format!("/api/v1/messages/{message}/frame"),
        "/api/v1/facets?field=from".to_owned(),
        "/api/v1/facets?field=to&of=calls".to_owned(),
        "/api/v1/registrations".to_owned(),
        "/api/v1/traces".to_owned(),
        "/api/v1/overview".to_owned(),
        "/api/v1/agents".to_owned(),
        "/api/v1/agents/127.0.0.1".to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_from_a_role_comes_out_nowhere() {
    let door = Door::open(&EVERYBODY, MASKING).await;
    let admin = door.cookie("admin").await;
    let (invite, register) = (invite("hidden-1"), register("hidden-2"));
    send(
        &door,
        &[
            invite.as_bytes(),
            register.as_bytes(),
            b"3312345\x006789 is no SIP",
        ],
    );
    let messages = wait_for_messages(&door, &admin, 3).await;
    let is_invite = |message: &&Value| message["sip"]["method"] == "INVITE";
    let message = messages.iter().find(is_invite).expect("the INVITE");
    let message = message["id"].as_str().expect("an id").to_owned();
    let calls = door.get_as(&admin, "/api/v1/calls").await.json();
    let call = calls["calls"][0]["id"].as_str().expect("a call").to_owned();

    for role in ["admin", "operator", "viewer", "metadata"] {
        let cookie = door.cookie(role).await;
        let mut seen = String::new();
        for way in ways_out(&call, &message) {
            let answer = door.get_as(&cookie, &way).await;
            let needs_payload = way.contains("export") || way.ends_with("/frame");
            let refused = role == "metadata" && needs_payload;
            assert_eq!(
                answer.status,
                if refused { 403 } else { 200 },
                "{role} {way}: {answer:?}"
            );
            seen.push_str(&answer.body);
        }
        if role == "viewer" {
            for whole in ["33123456789", "12125550199", "8154711", DIGEST] {
                assert!(!seen.contains(whole), "{role} sees {whole}");
            }
            assert!(
                seen.contains("+3312345****") && seen.contains("+1212555****"),
                "{seen}"
            );
            assert!(seen.contains(BODY));
        }
        if role == "metadata" {
            for whole in [BODY, "8154711", DIGEST, "X-Account"] {
                assert!(!seen.contains(whole), "{role} sees {whole}");
            }
            assert!(seen.contains("+33123456789") && seen.contains("INVITE"));
        }
        if role == "operator" {
            assert!(!seen.contains(BODY) && seen.contains("33123456789") && seen.contains(DIGEST));
        }
        if role == "admin" {
            for whole in ["33123456789", "12125550199", "8154711", DIGEST, BODY] {
                assert!(seen.contains(whole), "{role} does not see {whole}");
            }
        }
    }

    // Lengths stay, so that offsets and what counts octets hold.
    let viewer = door.cookie("viewer").await;
    let path = format!("/api/v1/messages/{message}/frame");
    let (whole, masked) = (
        door.get_as(&admin, &path).await,
        door.get_as(&viewer, &path).await,
    );
    assert_eq!(whole.octets.len(), masked.octets.len());
    assert_ne!(whole.octets, masked.octets);

    // Whoever does not see all of payloads does not find what is in them.
    for (role, status) in [
        ("admin", 200),
        ("viewer", 403),
        ("operator", 403),
        ("metadata", 403),
    ] {
        let cookie = door.cookie(role).await;
        for query in ["q=49170", "q=payload~%22audio%22"] {
            for list in ["messages", "calls", "histogram", "messages/export", "live"] {
                if list == "live" && status == 200 {
                    continue;
                }
                let answer = door
                    .get_as(&cookie, &format!("/api/v1/{list}?{query}"))
                    .await;
                assert_eq!(answer.status, status, "{role} {list} {query}: {answer:?}");
            }
        }
        let found = door
            .get_as(&cookie, "/api/v1/messages?q=method:INVITE")
            .await
            .json();
        assert_eq!(
            found["messages"].as_array().map(Vec::len),
            Some(1),
            "{found}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_stream_is_masked_and_ends_with_the_session() {
    tokio::join!(
        a_stream_is_masked_and_ends("/api/v1/live"),
        a_stream_is_masked_and_ends("/api/v1/calls/live"),
    );
}

async fn a_stream_is_masked_and_ends(path: &str) {
    let door = Door::open(&EVERYBODY, MASKING).await;
    let cookie = door.cookie("viewer").await;
    let mut stream = TcpStream::connect(door.page).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
    )
    .expect("sent");
    let read_until = |mut stream: TcpStream, text: &'static str| {
        tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            let mut part = [0; 4096];
            while !String::from_utf8_lossy(&said).contains(text) {
                let length = stream.read(&mut part).expect("it goes on");
                assert!(length > 0, "{}", String::from_utf8_lossy(&said));
                said.extend_from_slice(&part[..length]);
            }
            String::from_utf8_lossy(&said).into_owned()
        })
    };
    let head = read_until(stream.try_clone().expect("a clone"), "\r\n\r\n")
        .await
        .expect("read");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    send(&door, &[invite("live-1").as_bytes()]);
    let said = read_until(stream.try_clone().expect("a clone"), "live-1")
        .await
        .expect("read");
    let said = said
        + &read_until(stream.try_clone().expect("a clone"), "\n\n")
            .await
            .unwrap_or_default();
    assert!(said.contains("3312345****"), "{said}");
    assert!(
        !said.contains("33123456789") && !said.contains(DIGEST),
        "{said}"
    );

    let out = door
        .ask("DELETE", "/api/v1/session", &[("Cookie", &cookie)], "")
        .await;
    assert_eq!(out.status, 200);
    let ended = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).is_err()
            || rest.ends_with(b"0\r\n\r\n")
            || rest.len() < 100_000
    });
    // It ends by itself, or this never returns.
    assert!(
        tokio::time::timeout(Duration::from_secs(50), ended)
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_one_call_until_it_is_revoked() {
    let door = Door::open(&EVERYBODY, MASKING).await;
    let admin = door.cookie("admin").await;
    send(
        &door,
        &[invite("shared-1").as_bytes(), invite("other-1").as_bytes()],
    );
    let messages = wait_for_messages(&door, &admin, 2).await;
    let id_of = |call_id: &str| {
        let found = messages
            .iter()
            .find(|message| message["sip"]["call_id"] == call_id);
        found
            .and_then(|message| message["id"].as_str())
            .expect("an id")
            .to_owned()
    };
    let as_admin = [("Cookie", admin.as_str())];
    let made = door
        .ask(
            "POST",
            "/api/v1/calls/shared-1/share",
            &as_admin,
            "{\"name\": \"for-bob\", \"expires\": \"2d\"}",
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let link = made.json();
    let address = link["address"].as_str().expect("an address");
    let (_, secret) = address.split_once("#link=").expect("a link");
    let call = link["call"].as_str().expect("a call");
    for bad in [
        "{\"expires\": \"31d\"}",
        "{\"expires\": \"0s\"}",
        "{\"name\": \"<b>\"}",
        "{\"to\": 1}",
    ] {
        let answer = door
            .ask("POST", "/api/v1/calls/shared-1/share", &as_admin, bad)
            .await;
        assert!(matches!(answer.status, 400 | 422), "{bad}: {answer:?}");
    }

    let body = json!({ "link": secret }).to_string();
    let came = door.ask("POST", "/api/v1/session", &[], &body).await;
    assert_eq!(came.status, 200, "{came:?}");
    assert_eq!(came.json()["call"], call);
    let guest = came.cookie();
    let one = id_of("shared-1");
    for way in [
        format!("/api/v1/calls/{call}"),
        format!("/api/v1/calls/{call}/ladder"),
        format!("/api/v1/calls/{call}/messages"),
        format!("/api/v1/calls/{call}/export?format=text"),
        format!("/api/v1/messages/{one}"),
        format!("/api/v1/messages/{one}/frame"),
    ] {
        let answer = door.get_as(&guest, &way).await;
        assert_eq!(answer.status, 200, "{way}: {answer:?}");
        assert!(!answer.body.contains("33123456789"), "{way}: {answer:?}");
    }
    let other = id_of("other-1");
    for (way, status) in [
        ("/api/v1/calls".to_owned(), 403),
        ("/api/v1/calls/other-1".to_owned(), 403),
        ("/api/v1/calls/other-1/ladder".to_owned(), 403),
        (format!("/api/v1/messages/{other}"), 404),
        (format!("/api/v1/messages/{other}/frame"), 404),
        ("/api/v1/messages".to_owned(), 403),
        ("/api/v1/live".to_owned(), 403),
        ("/api/v1/status".to_owned(), 403),
        ("/api/v1/links".to_owned(), 403),
    ] {
        assert_eq!(door.get_as(&guest, &way).await.status, status, "{way}");
    }
    let as_guest = [("Cookie", guest.as_str())];
    let again = door
        .ask(
            "POST",
            &format!("/api/v1/calls/{call}/share"),
            &as_guest,
            "{}",
        )
        .await;
    assert_eq!(again.status, 403);

    let links = door.get_as(&admin, "/api/v1/links").await;
    assert_eq!(links.json()["links"][0]["name"], "for-bob");
    assert!(!links.body.contains(secret));
    let id = link["id"].as_str().expect("an id");
    // Of somebody else, it is not there.
    let operator = door.cookie("operator").await;
    let as_operator = [("Cookie", operator.as_str())];
    let not_mine = door
        .ask("DELETE", &format!("/api/v1/links/{id}"), &as_operator, "")
        .await;
    assert_eq!(not_mine.status, 404);
    let gone = door
        .ask("DELETE", &format!("/api/v1/links/{id}"), &as_admin, "")
        .await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(
        door.get_as(&guest, &format!("/api/v1/calls/{call}"))
            .await
            .status,
        401
    );
    assert_eq!(
        door.ask("POST", "/api/v1/session", &[], &body).await.status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_opened_what() {
    let door = Door::open(&EVERYBODY, MASKING).await;
    let viewer = door.cookie("viewer").await;
    let admin = door.cookie("admin").await;
    send(&door, &[invite("opened-1").as_bytes()]);
    wait_for_messages(&door, &admin, 1).await;
    for way in [
        "calls/opened-1",
        "calls/opened-1/ladder",
        "calls/opened-1/export",
        "calls?q=from:x",
        "audit",
    ] {
        door.get_as(&viewer, &format!("/api/v1/{way}")).await;
    }
    door.sign_in("viewer\u{1b}[31m", "wrong horse").await;
    let log = door.get_as(&admin, "/api/v1/audit?limit=100").await.json();
    assert_eq!(log["lost"], 0);
    let entries = log["entries"].as_array().expect("entries");
    let of = |action: &str| -> Vec<&Value> {
        let mine = entries.iter().filter(|entry| entry["action"] == action);
        mine.filter(|entry| {
            entry["user"]
                .as_str()
                .is_some_and(|user| user.starts_with("viewer"))
        })
        .collect()
    };
    let opened = of("open");
    assert_eq!(opened.len(), 1, "one view is one entry: {opened:?}");
    assert_eq!(opened[0]["subject"], "opened-1");
    assert_eq!(opened[0]["role"], "viewer");
    assert_eq!(opened[0]["address"], "127.0.0.1");
    assert_eq!(of("export").len(), 1);
    assert_eq!(of("search")[0]["subject"], "from:x");
    assert_eq!(of("refused")[0]["subject"], "GET /api/v1/audit");
    assert_eq!(of("sign_in").len(), 1);
    assert_eq!(of("sign_in_failed")[0]["user"], "viewer\u{1b}[31m");
    let status = door.node.status().access;
    assert_eq!(status.audit["lost"], 0);
    assert!(status.audit["written"] >= entries.len() as u64);

    // Page by page, of one kind, or with a word in it.
    for (wanted, found) in [
        ("action=sign_in_failed", vec!["viewer\u{1b}[31m"]),
        ("action=open&text=OPENED-1", vec!["viewer"]),
        ("text=opened-1", vec!["viewer", "viewer"]),
        ("action=open&text=nobody", vec![]),
        ("text=%25", vec![]),
    ] {
        let path = format!("/api/v1/audit?{wanted}");
        let page = door.get_as(&admin, &path).await.json();
        let users = page["entries"].as_array().expect("entries").iter();
        let users: Vec<&str> = users.filter_map(|entry| entry["user"].as_str()).collect();
        assert_eq!(users, found, "{wanted}: {page}");
    }
    let first = door.get_as(&admin, "/api/v1/audit?limit=2").await.json();
    let next = first["next"].as_i64().expect("more");
    let path = format!("/api/v1/audit?limit=2&before={next}");
    let second = door.get_as(&admin, &path).await.json();
    assert_eq!(first["entries"][1]["id"], next);
    assert!(
        second["entries"][0]["id"]
            .as_i64()
            .is_some_and(|id| id < next),
        "{second}"
    );

    // The same from the command line, where what was typed as a name does nothing to the terminal.
    let output = Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .args(["user", "audit", "--data-dir"])
        .arg(door.directory.path())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        said.contains("sign_in_failed") && said.contains("\\x1b[31m"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
}
