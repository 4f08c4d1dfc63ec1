//! Who may ask a node for what: users and roles, sessions, tokens, and the door itself.

use std::time::{Duration, Instant};

use super::door::{Answer, Door, EVERYBODY, PASSWORD, add_users, configured};
use hepcat::{
    access::{Right, Rights, Role, TABLE},
    config::Config,
    node::Node,
    state::{self, users},
};
use serde_json::{Value, json};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_what_it_is_declared_to_need() {
    let door = Door::open(&EVERYBODY, "").await;
    let described = hepcat::http::description();
    let mut cookies = vec![(String::new(), Rights::NONE)];
    for (name, role) in EVERYBODY {
        cookies.push((door.cookie(name).await, role.rights()));
    }
    let mut asked = 0;
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let needs: Option<Right> = operation["x-needs"]
                .as_str()
                .map(|word| word.parse().expect("a right"));
            // Those two are asked for by everybody, and one would sign the next ones out.
            if path == "/api/v1/session" || path.ends_with("/live") {
                assert_eq!(needs, path.ends_with("/live").then_some(Right::See));
                continue;
            }
            let needed = needs.unwrap_or_else(|| panic!("{method} {path} declares nothing"));
            let address = path.replace(['{', '}'], "");
            for (cookie, rights) in &cookies {
                let fields = [("Cookie", cookie.as_str())];
                let method = method.to_uppercase();
                let answer = door.ask(&method, &address, &fields, "").await;
                let refused = answer.json_or_null()["type"] == "/problems/not-allowed";
                let what = format!("{method} {path} with {rights:?}: {answer:?}");
                if *rights == Rights::NONE {
                    assert_eq!(answer.status, 401, "{what}");
                    assert_eq!(answer.field("www-authenticate"), Some("Bearer"), "{what}");
                } else {
                    assert_eq!(refused, !rights.has(needed), "{what}");
                    assert_eq!(answer.status == 403, !rights.has(needed), "{what}");
                }
                assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
                asked += 1;
            }
        }
    }
    assert!(asked > 100, "{asked}");
    // Beside the API.
    for path in ["/healthz", "/readyz", "/"] {
        assert_eq!(door.ask("GET", path, &[], "").await.status, 200, "{path}");
    }
    assert_eq!(door.ask("GET", "/metrics", &[], "").await.status, 401);
}

trait OrNull {
    fn json_or_null(&self) -> Value;
}

impl OrNull for Answer {
    fn json_or_null(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

#[test]
fn the_table_of_roles_is_the_one_of_the_document() {
    let text = include_str!("../../../../docs/access.md");
    for (role, rights) in TABLE {
        let cells = Right::ALL.map(|right| if rights.has(right) { "yes" } else { "–" });
        let row = format!("| `{role}` | {} |", cells.join(" | "));
        assert!(text.contains(&row), "docs/access.md lacks\n{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_users_this_host_does_everything_as_before() {
    let door = Door::open(&[], "").await;
    let who = door.ask("GET", "/api/v1/session", &[], "").await.json();
    assert_eq!(who["role"], "open");
    assert_eq!(who["sign_in"], false);
    assert_eq!(door.ask("GET", "/api/v1/calls", &[], "").await.status, 200);
    let other = door.ask("GET", "/api/v1/calls", &[("Host", "evil.example")], "");
    assert_eq!(other.await.status, 403);
    // The first user closes the door, while the node runs.
    add_users(&door.directory, &[("ann", Role::Viewer)]);
    assert_eq!(door.ask("GET", "/api/v1/calls", &[], "").await.status, 401);
    let cookie = door.cookie("ann").await;
    assert_eq!(door.get_as(&cookie, "/api/v1/calls").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_a_password_and_ends_for_good() {
    let door = Door::open(&EVERYBODY, "").await;
    let answer = door.sign_in("viewer", PASSWORD).await;
    assert_eq!(answer.status, 200);
    let set = answer.field("set-cookie").expect("a cookie");
    for word in ["; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(word), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Path"), "{set}");
    let who = answer.json();
    assert_eq!(who["user"], "viewer");
    assert_eq!(who["rights"], json!(["see", "payload", "metrics"]));
    let cookie = answer.cookie();
    assert_eq!(door.get_as(&cookie, "/api/v1/session").await.json(), who);
    // A cookie that was changed, or stands in the wrong place, is none.
    let mut changed = cookie.clone();
    let last = changed.pop().expect("a digit");
    changed.push(if last == '0' { '1' } else { '0' });
    assert_eq!(door.get_as(&changed, "/api/v1/calls").await.status, 401);
    let bearer = format!("Bearer {}", cookie.split('=').nth(1).expect("a value"));
    let fields = [("Authorization", bearer.as_str())];
    let as_token = door.ask("GET", "/api/v1/calls", &fields, "").await;
    assert_eq!(as_token.status, 401);

    let two = door.cookie("viewer").await;
    let out = door
        .ask("DELETE", "/api/v1/session", &[("Cookie", &cookie)], "")
        .await;
    assert!(
        out.field("set-cookie")
            .is_some_and(|set| set.contains("Max-Age=0"))
    );
    assert_eq!(door.get_as(&cookie, "/api/v1/calls").await.status, 401);
    assert_eq!(door.get_as(&two, "/api/v1/calls").await.status, 200);

    // What a command changes holds at once.
    let mut state = state::open_beside(door.directory.path()).expect("the state");
    users::set_role(&state, "viewer", Role::Metadata).expect("kept");
    assert_eq!(
        door.get_as(&two, "/api/v1/session").await.json()["role"],
        "metadata"
    );
    users::remove(&mut state, "viewer").expect("removed");
    assert_eq!(door.get_as(&two, "/api/v1/calls").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slow_and_says_nothing() {
    let door = Door::open(&EVERYBODY, "").await;
    let wrong = door.sign_in("viewer", "wrong horse").await;
    let nobody = door.sign_in("nobody", "wrong horse").await;
    assert_eq!(wrong.status, 401);
    assert_eq!((wrong.status, &wrong.body), (nobody.status, &nobody.body));
    assert!(wrong.field("set-cookie").is_none());
    let mut limited = None;
    for _ in 0..6 {
        let answer = door.sign_in("admin", "wrong horse").await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("a limit");
    let wait: u64 = limited
        .field("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((1..=300).contains(&wait), "{wait}");
    // The right password does not help before that time.
    let since = Instant::now();
    let early = door.sign_in("admin", PASSWORD).await;
    if since.elapsed() < Duration::from_secs(wait - 1) {
        assert_eq!(early.status, 429);
    }
    let metrics = door.node.status().access;
    assert!(metrics.sign_ins["failed"] >= 4 && metrics.sign_ins["limited"] >= 1);
    for body in [
        "",
        "{}",
        "{\"user\": 1, \"password\": 2}",
        "[",
        "{\"link\": \"hcl_\"}",
    ] {
        let answer = door.ask("POST", "/api/v1/session", &[], body).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
    }
    let long = format!(
        "{{\"user\": \"{}\", \"password\": \"\"}}",
        "a".repeat(5_000)
    );
    assert_eq!(
        door.ask("POST", "/api/v1/session", &[], &long).await.status,
        413
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_changes_nothing() {
    let door = Door::open(&EVERYBODY, "").await;
    let cookie = door.cookie("admin").await;
    let switch = "{\"on\": true}";
    for (fields, status) in [
        (vec![], 200),
        (vec![("Origin", "http://localhost")], 200),
        (
            vec![
                ("Origin", "https://elsewhere.example"),
                ("Sec-Fetch-Site", "same-origin"),
            ],
            200,
        ),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (
            vec![
                ("Sec-Fetch-Site", "same-site"),
                ("Origin", "http://localhost"),
            ],
            403,
        ),
    ] {
        let mut fields = fields;
        fields.push(("Cookie", &cookie));
        let answer = door.ask("POST", "/api/v1/capture", &fields, switch).await;
        assert_eq!(answer.status, status, "{fields:?} {answer:?}");
    }
    let from_page = [("Origin", "http://evil.example")];
    let body = json!({ "user": "admin", "password": PASSWORD }).to_string();
    let answer = door.ask("POST", "/api/v1/session", &from_page, &body).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_what_it_says_and_what_its_user_may() {
    let door = Door::open(&EVERYBODY, "").await;
    let long = Duration::from_secs(3600);
    let all = door.token("viewer", Rights::ALL, long);
    let metrics = door.token("admin", Rights::of(&[Right::Metrics]), long);
    for (token, path, method, status) in [
        (&all, "/api/v1/calls", "GET", 200),
        (&all, "/api/v1/audit", "GET", 403),
        (&all, "/api/v1/capture", "POST", 403),
        (&metrics, "/metrics", "GET", 200),
        (&metrics, "/api/v1/calls", "GET", 403),
    ] {
        let bearer = format!("Bearer {token}");
        let answer = door
            .ask(method, path, &[("Authorization", &bearer)], "")
            .await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let state = state::open_beside(door.directory.path()).expect("the state");
    let kind = hepcat::access::PassKind::Token;
    let gone = state::passes::revoke_named(&state, kind, Some("viewer"), "test").expect("revoked");
    assert_eq!(gone, 1);
    let bearer = format!("Bearer {all}");
    let answer = door
        .ask("GET", "/api/v1/calls", &[("Authorization", &bearer)], "")
        .await;
    assert_eq!(answer.status, 401);
    for odd in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "bearer x",
        "Bearer \u{e9}",
    ] {
        let answer = door
            .ask("GET", "/api/v1/calls", &[("Authorization", odd)], "")
            .await;
        assert_eq!(answer.status, 401, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_this_host_nothing_is_served_without_a_user() {
    let directory = TempDir::new().expect("a directory");
    let http = "trusted_proxies = [\"127.0.0.1\"]";
    let faults = Node::start(configured(&directory, http, ""))
        .await
        .expect_err("refused");
    assert!(
        faults.to_string().contains("there are no users"),
        "{faults}"
    );
    add_users(&directory, &[("ann", Role::Admin)]);
    let node = Node::start(configured(&directory, http, ""))
        .await
        .expect("it starts");
    // Should the last user go while it runs, everybody is a stranger.
    let mut state = state::open_beside(directory.path()).expect("the state");
    users::remove(&mut state, "ann").expect("removed");
    let door = Door {
        page: node.page_address().expect("a page"),
        node,
        directory,
    };
    assert_eq!(door.ask("GET", "/api/v1/calls", &[], "").await.status, 401);

    let plain = "[node]\ndata_dir = \"d\"\n[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n[http]\nlisten = \"0.0.0.0:9080\"\n";
    let faults = Config::parse(plain, "hepcat.toml").expect_err("refused");
    assert!(faults.to_string().contains("in the clear"), "{faults}");
    let proxied = format!("{plain}trusted_proxies = [\"10.0.0.1\"]\n");
    assert!(Config::parse(&proxied, "hepcat.toml").is_ok());
    let nowhere = proxied.replace("data_dir = \"d\"", "");
    let faults = Config::parse(&nowhere, "hepcat.toml").expect_err("refused");
    assert!(faults.to_string().contains("kept nowhere"), "{faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_client_is_who_the_proxy_says() {
    let door = Door::open(&EVERYBODY, "trusted_proxies = [\"127.0.0.1\"]").await;
    let body = json!({ "user": "admin", "password": PASSWORD }).to_string();
    let fields = [
        ("X-Forwarded-For", "203.0.113.1, 192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("Host", "hepcat.example"),
        ("Origin", "https://hepcat.example"),
    ];
    let answer = door.ask("POST", "/api/v1/session", &fields, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = answer.field("set-cookie").expect("a cookie");
    assert!(set.contains("; Secure"), "{set}");
    let cookie = answer.cookie();
    let log = door.get_as(&cookie, "/api/v1/audit").await.json();
    let entries = log["entries"].as_array().expect("entries");
    let signed = entries.iter().find(|entry| entry["action"] == "sign_in");
    assert_eq!(signed.expect("an entry")["address"], "192.0.2.7");
    // Guesses from one client do not keep others out.
    for _ in 0..7 {
        let wrong = json!({ "user": "x", "password": "wrong horse" }).to_string();
        door.ask(
            "POST",
            "/api/v1/session",
            &[("X-Forwarded-For", "192.0.2.66")],
            &wrong,
        )
        .await;
    }
    let same = [("X-Forwarded-For", "192.0.2.66")];
    assert_eq!(
        door.ask("POST", "/api/v1/session", &same, &body)
            .await
            .status,
        429
    );
    let other = [("X-Forwarded-For", "192.0.2.7")];
    assert_eq!(
        door.ask("POST", "/api/v1/session", &other, &body)
            .await
            .status,
        200
    );
}
