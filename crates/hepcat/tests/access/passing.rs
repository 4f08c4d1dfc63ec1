//! Passes that end: by time, by signing out everywhere, by revocation, and with the user whose they are.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::door::{Answer, Door, EVERYBODY, PASSWORD};
use hepcat::{
    access::{Hashed, PassKind, Right, Rights},
    state::{self, users},
};
use hepcat_testkit::{
    FakeAgent,
    frame::{sip_options, sip_v3},
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is 401; all before were 200.
async fn ends<F: Future<Output = Answer>>(what: &str, ask: impl Fn() -> F) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if answer.status == 401 {
            return;
        }
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(Instant::now() < until, "{what} never ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_tokens_end_by_themselves() {
    let door = Door::open(&EVERYBODY, "").await;
    let cookie = door.cookie("viewer").await;
    let (name, _) = cookie.split_once('=').expect("a pair");
    let lifetime = Duration::from_secs(2);
    let since = Instant::now();
    let session = door.pass(PassKind::Session, "viewer", Rights::ALL, lifetime);
    let token = door.token("viewer", Rights::of(&[Right::See]), lifetime);
    let (short, bearer) = (format!("{name}={session}"), format!("Bearer {token}"));
    let with_cookie = || door.get_as(&short, "/api/v1/status");
    let with_token = || async {
        let fields = [("Authorization", bearer.as_str())];
        door.ask("GET", "/api/v1/status", &fields, "").await
    };
    for status in [with_cookie().await.status, with_token().await.status] {
        // A machine that takes its time may be too late for both.
        assert!(status == 200 || since.elapsed() > lifetime, "{status}");
    }
    ends("a session", with_cookie).await;
    ends("a token", with_token).await;
    // A pass says the second when it ends.
    assert!(since.elapsed() + Duration::from_secs(1) >= lifetime);
    // Another one of the same user goes on.
    assert_eq!(door.get_as(&cookie, "/api/v1/status").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_every_session_of_one_user() {
    let door = Door::open(&EVERYBODY, "").await;
    let (here, there) = (door.cookie("viewer").await, door.cookie("viewer").await);
    let other = door.cookie("operator").await;
    let token = door.token("viewer", Rights::of(&[Right::See]), PATIENCE);
    let out = door
        .ask(
            "DELETE",
            "/api/v1/session?everywhere=true",
            &[("Cookie", &here)],
            "",
        )
        .await;
    assert_eq!(out.status, 200, "{out:?}");
    assert!(
        out.field("set-cookie")
            .is_some_and(|set| set.contains("Max-Age=0"))
    );
    for cookie in [&here, &there] {
        assert_eq!(door.get_as(cookie, "/api/v1/status").await.status, 401);
    }
    // Programs are not signed in: their tokens are revoked one by one.
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", bearer.as_str())];
    let answer = door.ask("GET", "/api/v1/status", &fields, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(door.get_as(&other, "/api/v1/status").await.status, 200);
    // A stranger, and a program, sign nobody out.
    for fields in [&[][..], &fields[..]] {
        let answer = door
            .ask("DELETE", "/api/v1/session?everywhere=true", fields, "")
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(door.get_as(&other, "/api/v1/status").await.status, 200);

    // So does another password, for who has lost the machine that is signed in.
    let lost = door.cookie("viewer").await;
    let mut state = state::open_beside(door.directory.path()).expect("the state");
    let hash = Hashed::new(b"another horse").expect("a password");
    assert!(users::set_password(&mut state, "viewer", &hash).expect("kept"));
    assert_eq!(door.get_as(&lost, "/api/v1/status").await.status, 401);
    assert_eq!(door.sign_in("viewer", PASSWORD).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_end_by_themselves_and_with_whoever_made_them() {
    let door = Door::open(&EVERYBODY, "").await;
    let operator = door.cookie("operator").await;
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    agent.send(&sip_v3(sip_options("linked-1")));
    agent.finish();
    let until = Instant::now() + PATIENCE;
    while door
        .get_as(&operator, "/api/v1/calls/linked-1")
        .await
        .status
        != 200
    {
        assert!(Instant::now() < until, "it is never kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let made = async |expires: &str| {
        let fields = [("Cookie", operator.as_str())];
        let body = json!({ "expires": expires }).to_string();
        let made = door
            .ask("POST", "/api/v1/calls/linked-1/share", &fields, &body)
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        let address = made["address"].as_str().expect("an address").to_owned();
        let (_, secret) = address.split_once("#link=").expect("a link");
        let call = made["call"].as_str().expect("a call").to_owned();
        (call, json!({ "link": secret }).to_string())
    };
    let come = |body: &str| {
        let body = body.to_owned();
        let door = &door;
        async move { door.ask("POST", "/api/v1/session", &[], &body).await }
    };
    let (call, short) = made("3s").await;
    let since = Instant::now();
    let came = come(&short).await;
    let call = format!("/api/v1/calls/{call}");
    if came.status == 200 {
        let guest = came.cookie();
        ends("a link", || door.get_as(&guest, &call)).await;
    }
    assert!(since.elapsed() + Duration::from_secs(1) >= Duration::from_secs(3));
    assert_eq!(come(&short).await.status, 401);

    let (_, long) = made("1d").await;
    let guest = come(&long).await.cookie();
    assert_eq!(door.get_as(&guest, &call).await.status, 200);
    // One letter of it changed, or cut short, it opens nothing.
    for changed in [
        long.replace("hcl_", "hct_"),
        long.replacen("hcl_", "hcl_0", 1),
    ] {
        assert_eq!(come(&changed).await.status, 401, "{changed}");
    }
    let mut state = state::open_beside(door.directory.path()).expect("the state");
    assert!(users::remove(&mut state, "operator").expect("removed"));
    assert_eq!(door.get_as(&guest, &call).await.status, 401);
    assert_eq!(come(&long).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_watches_ends_with_the_user() {
    let door = Door::open(&EVERYBODY, "").await;
    let cookie = door.cookie("viewer").await;
    let mut streams = Vec::new();
    for path in ["/api/v1/live", "/api/v1/calls/live"] {
        let mut stream = TcpStream::connect(door.page).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).expect("an answer");
        assert_eq!(&begin, b"HTTP/1.1 200", "{path}");
        streams.push(stream);
    }
    let mut state = state::open_beside(door.directory.path()).expect("the state");
    assert!(users::remove(&mut state, "viewer").expect("removed"));
    let ended = streams.into_iter().map(|mut stream| {
        tokio::task::spawn_blocking(move || {
            let mut rest = Vec::new();
            // Before the limit of the socket.
            stream.read_to_end(&mut rest).expect("its end");
            rest
        })
    });
    for ended in ended {
        let rest = ended.await.expect("read");
        assert!(rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    }
}
