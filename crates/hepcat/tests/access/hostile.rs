//! What strangers write stays text, wherever it is shown: markup, characters that act on a terminal, those that turn
//! text round, and fields as long as a frame has room for.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    door::{Answer, Door, EVERYBODY},
    walking::Walk,
};
use hepcat::access::Rights;
use hepcat_testkit::{
    FakeAgent,
    frame::{self, Meta, chunk},
};

const PATIENCE: Duration = Duration::from_secs(60);
const HOSTILE: &str =
    "<script>alert(1)</script>\u{1b}]0;x\u{7}\u{202e}\u{9b}31m\u{2066}\u{8}\u{7f}&\"'%0";

/// Whether a text does something else than being read.
fn acts(text: &str) -> bool {
    text.chars().any(|character| {
        (character.is_control() && !matches!(character, '\n' | '\r'))
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn meta() -> Meta {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut meta = Meta::default();
    meta.time_sec = u32::try_from(seconds.expect("after 1970").as_secs()).expect("before 2106");
    meta
}

/// A message with this text in every field.
fn message(start: &str, call_id: &str, cseq: &str, text: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}{text}\r\n\
         From: \"{text}\" <sip:{text}@a.example>;tag={text}\r\nTo: \"{text}\" <sip:{text}@b.example>\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContact: <sip:{text}@c.example>;expires=60;+x=\"{text}\"\r\n\
         P-Asserted-Identity: <sip:{text}@d.example>\r\nDiversion: <sip:{text}@e.example>;reason={text}\r\n\
         Reason: SIP;cause=486;text=\"{text}\"\r\nWarning: 399 {text} \"{text}\"\r\nUser-Agent: {text}\r\n\
         Server: {text}\r\nSubject: {text}\r\nX-{text}: {text}\r\nContent-Type: application/sdp\r\n\r\n\
         v=0\r\no={text} 1 1 IN IP4 {text}\r\ns={text}\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\n\
         a=rtpmap:96 {text}/8000\r\na={text}\r\n"
    )
}

/// A message with one field that is nearly as long as a frame.
fn large(number: usize, field: &str) -> String {
    let long = "A".repeat(60_000);
    let (mut from, mut call_id, mut more) = (
        "a".to_owned(),
        format!("large-{number}"),
        format!("{field}: {long}\r\n"),
    );
    match field {
        "From" => (from, more) = (long, String::new()),
        "Call-ID" => (call_id, more) = (format!("{call_id}{long}"), String::new()),
        _ => {}
    }
    format!(
        "INVITE sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nFrom: <sip:{from}@h>;tag=1\r\n\
         To: <sip:b@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

const LARGE: [&str; 9] = [
    "From",
    "Call-ID",
    "User-Agent",
    "Contact",
    "Subject",
    "Reason",
    "P-Asserted-Identity",
    "Diversion",
    "X-Long",
];

fn frames() -> Vec<Vec<u8>> {
    let meta = meta();
    let odd = format!("odd-{HOSTILE}");
    let mut named = meta.chunks();
    // What an agent calls itself, and chunks of text of all kinds.
    for kind in [0x0013, 0x0014, 0x0016, 0x0017, 0x0020, 0x0023] {
        named.push(chunk(0, kind, HOSTILE.as_bytes()));
    }
    named.push(chunk(0x1234, 1, HOSTILE.as_bytes()));
    let invite = format!("INVITE sip:{HOSTILE}@b.example SIP/2.0");
    named.push(chunk(
        0,
        0x000f,
        message(&invite, &odd, "1 INVITE", HOSTILE).as_bytes(),
    ));
    let beside = |kind: u8, payload: &[u8]| {
        let mut meta = meta.clone();
        (meta.protocol_type, meta.correlation_id) = (kind, Some(odd.clone().into_bytes()));
        meta.v3(payload)
    };
    let refusal = format!("SIP/2.0 486 {HOSTILE}");
    let register = format!("REGISTER sip:{HOSTILE} SIP/2.0");
    let report = format!(
        "{{\"ssrc\":1,\"type\":200,\"sdes\":[{{\"text\":{}}}],\"report_blocks\":[{{\"source_ssrc\":2,\"fraction_lost\":9,\"ia_jitter\":3}}]}}",
        serde_json::Value::from(HOSTILE)
    );
    let mut frames = vec![
        frame::v3(&named),
        meta.v3(message(&refusal, &odd, "1 INVITE", HOSTILE).as_bytes()),
        meta.v3(message(&register, "odd-registration", "1 REGISTER", HOSTILE).as_bytes()),
        meta.v3(message("SIP/2.0 403 No", "odd-registration", "1 REGISTER", HOSTILE).as_bytes()),
        beside(5, report.as_bytes()),
        beside(100, HOSTILE.as_bytes()),
        meta.v3(HOSTILE.as_bytes()),
        frame::v3(&[[&[0, 0, 0, 15, 0, 4][..], HOSTILE.as_bytes()].concat()]),
    ];
    let large = LARGE.iter().enumerate();
    frames.extend(large.map(|(number, field)| meta.v3(self::large(number, field).as_bytes())));
    frames
}

/// What is left without colours that were asked for: `ESC [`, digits, `m`. Those of strangers would stay.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.strip_prefix('m') {
            Some(rest) => shown.push_str(rest),
            None => shown.push_str(&format!("\u{1b}[{part}")),
        }
    }
    shown
}

fn has_type_of(way: &str, answer: &Answer) {
    let kind = answer.field("content-type").expect("a type");
    let path = way.split('?').next().expect("a path");
    let expected = match way {
        _ if answer.status >= 400 => "application/problem+json",
        _ if path.ends_with("/frame") => "application/octet-stream",
        _ if path.ends_with("/flow") => "text/plain; charset=utf-8",
        _ if !path.ends_with("/export") => "application/json",
        way if way.contains("format=text") => "text/plain; charset=utf-8",
        way if way.contains("format=json") => "application/x-ndjson",
        _ => "application/x-pcapng",
    };
    assert_eq!(kind, expected, "{way}");
    if kind.starts_with("text/") {
        let shown = match way.contains("colours=") {
            true => without_colours(&answer.body),
            false => answer.body.clone(),
        };
        assert!(!acts(&shown), "{way}: {shown:?}");
    }
    if kind.ends_with("json") {
        // JSON lets DEL stand, which does nothing to a browser.
        let raw = |octet: u8| octet < b' ' && octet != b'\n';
        assert!(!answer.body.bytes().any(raw), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_stays_text() {
    let door = Door::open(&EVERYBODY, "").await;
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    for frame in frames() {
        agent.send(&frame);
    }
    agent.finish();
    // Names that are typed, and what is asked for, stand in the audit log.
    door.sign_in(HOSTILE, "wrong horse").await;
    let admin = door.cookie("admin").await;
    let asked = "/api/v1/messages?q=from%3A%3Cscript%3E%1b%E2%80%AE";
    assert_eq!(door.get_as(&admin, asked).await.status, 200);
    let walk = Walk::plan(&door, &admin, frames().len()).await;
    assert!(walk.calls.len() > LARGE.len(), "{:?}", walk.calls);
    let mut shown = 0;
    for (way, answer) in walk.answers(&door, &admin).await {
        assert!(answer.status < 500, "{way}: {}", answer.head);
        let is = |name: &str, wanted: &str| assert_eq!(answer.field(name), Some(wanted), "{way}");
        is("x-content-type-options", "nosniff");
        is("cache-control", "no-store");
        is(
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        );
        has_type_of(&way, &answer);
        shown += usize::from(answer.status == 200 && answer.body.contains("script>"));
    }
    assert!(shown > 20, "{shown}");
    // What is not there is not taken for markup either.
    let missing = door
        .get_as(&admin, "/api/v1/calls/%3Cscript%3E%1b%E2%80%AE")
        .await;
    assert_eq!(missing.status, 404);
    has_type_of("missing", &missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_does_nothing_to_a_terminal() {
    let door = Door::open(&EVERYBODY, "").await;
    let token = door.token("admin", Rights::ALL, Duration::from_secs(600));
    let node = format!("http://{}", door.page);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hepcat"));
        command
            .args(arguments)
            .env("HEPCAT_NODE", &node)
            .env("HEPCAT_TOKEN", &token)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    };
    let mut tail = command(&["tail"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let (told, lines) = mpsc::sync_channel(1_000);
    let screen = BufReader::new(tail.stdout.take().expect("a pipe"));
    thread::spawn(move || {
        for line in screen.lines().map_while(Result::ok) {
            // The test may have seen enough.
            told.send(line).ok();
        }
    });
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    let mut probes = 0;
    let until = Instant::now() + PATIENCE;
    while lines.try_recv().is_err() {
        agent.send(&meta().v3(frame::sip_options("probe").as_bytes()));
        probes += 1;
        assert!(Instant::now() < until, "nothing is told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for frame in frames() {
        agent.send(&frame);
    }
    agent.finish();
    door.sign_in(HOSTILE, "wrong horse").await;
    let admin = door.cookie("admin").await;
    let walk = Walk::plan(&door, &admin, frames().len() + probes).await;
    let data = door.directory.path().to_str().expect("text");
    let dump = door.directory.path().join("dump");
    fs::write(&dump, frames().concat()).expect("written");
    let dump = dump.to_str().expect("text");
    let mut commands = vec![
        vec!["search"],
        vec!["search", "--all"],
        vec!["search", "--messages"],
        vec!["agents"],
        vec!["agents", "show", "127.0.0.1"],
        vec!["agents", "--json"],
        vec!["search", "--json"],
        vec!["search", "--messages", "--json"],
        vec!["decode", "--json", dump],
        vec!["user", "audit", "--json", "--data-dir", data],
        vec!["destinations"],
        vec!["trace", "list"],
        vec!["store", "stats"],
        vec!["doctor"],
        vec!["decode", dump],
        vec!["user", "audit", "--data-dir", data],
    ];
    for call in &walk.calls {
        commands.push(vec!["flow", call]);
        commands.push(vec!["export", call, "--format", "text", "-o", "-"]);
    }
    let mut names = 0;
    for arguments in &commands {
        let output = command(arguments).output().expect("it runs");
        let code = output.status.code();
        // Not every frame decodes, and what is wrong is said with 1.
        assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {output:?}");
        for said in [output.stdout, output.stderr] {
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(!acts(&said), "{arguments:?}: {said:?}");
            assert!(!said.contains("sign in"), "{arguments:?}: {said}");
            names += usize::from(said.contains("script>"));
        }
    }
    assert!(names > 5, "{names}");
    let mut told = 0;
    // The frame that does not decode may be told of as well.
    while told < frames().len() - 1 {
        let line = lines.recv_timeout(PATIENCE).expect("a line");
        assert!(!acts(&line), "{line:?}");
        told += usize::from(!line.contains("probe"));
    }
    tail.kill().expect("it runs");
    tail.wait().expect("it ends");

    // Without the token, the refusal says what to do.
    let refused = command(&["search"])
        .env_remove("HEPCAT_TOKEN")
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("HEPCAT_TOKEN"), "{why}");
}
