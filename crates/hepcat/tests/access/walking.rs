//! Every operation that the API describes, asked by everybody who does not get to see everything: what is hidden comes
//! out of none of them. An operation that is new is asked like any other, or this says that it is not known how.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::door::{Answer, Door, EVERYBODY, add_users, configured};
use hepcat::{node::Node, query::FIELDS};
use hepcat_testkit::{
    FakeAgent,
    frame::{self, Meta, chunk},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const MASKING: &str = "[http.masking]\nmetadata = [\"numbers\", \"digests\"]\nviewer = [\"numbers\", \"digests\"]\n\
    operator = [\"numbers\", \"digests\", \"bodies\"]\nadmin = [\"numbers\", \"digests\"]\nlink = [\"numbers\", \"digests\"]";

/// Of whom `digests` are hidden here: everybody.
const DIGESTS: [&str; 2] = ["0a4f113b77", "WVNfX19zZW1jdGwg"];
/// What stands in bodies, of whom they are hidden: operators, and whoever sees no payload.
const BODIES: [&str; 5] = ["RTP/SAVP", "zebra", "quagga", "okapi", "gnu-cname"];
/// What stands in header fields beyond those that messages are listed by.
const FIELDS_OF_PAYLOAD: [&str; 2] = ["X-Account", "giraffe"];

/// The number that stands at one place of what is sent and nowhere else.
fn number(place: usize) -> String {
    format!("+3312345{:04}", 6_000 + place)
}
/// So many places have one.
const PLACES: usize = 22;

fn invite(call_id: &str, first: usize) -> String {
    let n = |place: usize| number(first + place);
    let body = format!(
        "v=0\r\no={} 1 1 IN IP4 192.0.2.1\r\ns=of {}\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/SAVP 0\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwg\r\n",
        n(9),
        n(10)
    );
    format!(
        "INVITE sip:{}@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\n\
         From: \"{}\" <sip:{}@a.example>;tag=a\r\nTo: <sip:{}@b.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{}@192.0.2.1>\r\nP-Asserted-Identity: <tel:{}>\r\nDiversion: <sip:{}@c.example>;reason=no-answer\r\n\
         X-Account: {}\r\nSubject: giraffe {}\r\n\
         Proxy-Authorization: Digest username=\"ann\", response=\"0a4f113b77\"\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        n(0),
        n(1),
        n(2),
        n(3),
        n(4),
        n(5),
        n(6),
        n(7),
        n(8),
        body.len()
    )
}

fn short(start: &str, call_id: &str, cseq: &str, more: &str, body: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\nFrom: <sip:{}@a.example>;tag=a\r\n\
         To: <sip:{}@b.example>;tag=b\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        number(2),
        number(3),
        body.len()
    )
}

/// Frames with a number at each place.
fn frames() -> Vec<Vec<u8>> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut meta = Meta::default();
    meta.time_sec = u32::try_from(seconds.expect("after 1970").as_secs()).expect("before 2106");
    let beside = |kind: u8, payload: &[u8]| {
        let mut meta = meta.clone();
        (meta.protocol_type, meta.correlation_id) = (kind, Some(b"walk-1".to_vec()));
        meta.v3(payload)
    };
    let refusal = format!(
        "Reason: Q.850;cause=1;text=\"{} is nobody\"\r\nWarning: 399 h \"no {}\"\r\n",
        number(11),
        number(12)
    );
    let refusal = short(
        &format!("SIP/2.0 404 No {} here", number(13)),
        "walk-1",
        "1 INVITE",
        &refusal,
        "",
    );
    let text = short(
        "MESSAGE sip:b.example SIP/2.0",
        "walk-2",
        "1 MESSAGE",
        "Content-Type: text/plain\r\n",
        &format!("the zebra is at {}", number(14)),
    );
    let register = short(
        "REGISTER sip:a.example SIP/2.0",
        "walk-3",
        "1 REGISTER",
        &format!("Contact: <sip:{}@192.0.2.1>;expires=60\r\n", number(15)),
        "",
    );
    let reports = format!(
        "{{\"ssrc\":11,\"type\":201,\"sdes_ssrc\":11,\"sdes\":[{{\"type\":1,\"text\":\"gnu-cname {}\"}}],\
         \"report_blocks\":[{{\"source_ssrc\":12,\"fraction_lost\":0,\"packets_lost\":0,\"ia_jitter\":3}}]}}",
        number(16)
    );
    let log = format!("the quagga called {}", number(17));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let within = short(
        "OPTIONS sip:b.example SIP/2.0",
        "walk-4",
        "1 OPTIONS",
        &format!("P-Preferred-Identity: <sip:{}@a.example>\r\n", number(18)),
        "",
    );
    packed.write_all(within.as_bytes()).expect("packed");
    let mut compressed = meta.chunks();
    compressed.push(chunk(0, 0x0010, &packed.finish().expect("packed")));
    let mut vendors = meta.chunks();
    let said = format!("the okapi is {}", number(19));
    vendors.push(chunk(0x1234, 0x0001, said.as_bytes()));
    let plain = short("OPTIONS sip:c SIP/2.0", "walk-5", "1 OPTIONS", "", "");
    vendors.push(chunk(0, 0x000f, plain.as_bytes()));
    // A chunk that is shorter than a chunk can be.
    let mut broken = vec![0, 0, 0, 0x0f, 0, 4];
    broken.extend_from_slice(number(20).as_bytes());
    vec![
        meta.v3(invite("walk-1", 0).as_bytes()),
        meta.v3(refusal.as_bytes()),
        meta.v3(text.as_bytes()),
        meta.v3(register.as_bytes()),
        beside(5, reports.as_bytes()),
        beside(100, log.as_bytes()),
        meta.v3(format!("\u{1}{} is no SIP", number(21)).as_bytes()),
        frame::v3(&compressed),
        frame::v3(&vendors),
        frame::v3(&[broken]),
    ]
}

/// Everything that can be asked about with GET, as the description has it.
pub(super) struct Walk {
    pub(super) calls: Vec<String>,
    pub(super) messages: Vec<String>,
    /// Template of the path, and the addresses that are asked for it.
    ways: Vec<(String, Vec<String>)>,
    /// The templates of streams, which do not end.
    streams: Vec<String>,
}

impl Walk {
    /// When so many messages are kept.
    pub(super) async fn plan(door: &Door, cookie: &str, count: usize) -> Self {
        let ids = |answer: &Value, list: &str| -> Vec<String> {
            let rows = answer[list].as_array().expect("a list").iter();
            rows.filter_map(|row| row["id"].as_str().map(str::to_owned))
                .collect()
        };
        let until = Instant::now() + Duration::from_secs(60);
        let messages = loop {
            let answer = door.get_as(cookie, "/api/v1/messages").await.json();
            let messages = ids(&answer, "messages");
            if messages.len() >= count {
                break messages;
            }
            assert!(Instant::now() < until, "{answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let calls = door.get_as(cookie, "/api/v1/calls?all=true").await.json();
        let calls = ids(&calls, "calls");
        let mut walk = Self {
            calls,
            messages,
            ways: Vec::new(),
            streams: Vec::new(),
        };
        let described = hepcat::http::description();
        for (path, methods) in described["paths"].as_object().expect("paths") {
            let operation = &methods["get"];
            let answers = &operation["responses"]["200"]["content"];
            if answers.get("text/event-stream").is_some() {
                walk.streams.push(path.clone());
            } else if operation.is_object() {
                let ways = walk.ways_to(path, operation);
                walk.ways.push((path.clone(), ways));
            }
        }
        walk
    }

    /// The addresses for a path: with everything that can stand in it, and each thing that can be asked for.
    fn ways_to(&self, path: &str, operation: &Value) -> Vec<String> {
        let agent = vec!["127.0.0.1".to_owned()];
        let (before, values, after) = match path.split_once('{') {
            None => (path, vec![String::new()], ""),
            Some((before, rest)) => {
                let (name, after) = rest.split_once('}').expect("a name");
                let values = match name {
                    "call" => self.calls.clone(),
                    "id" => self.messages.clone(),
                    "agent" => agent,
                    other => panic!("teach this test what to ask for {other} of {path}"),
                };
                (before, values, after)
            }
        };
        let mut asked = vec![Vec::new()];
        let mut parameters: Vec<&Value> = (operation["parameters"].as_array().into_iter())
            .flatten()
            .collect();
        let is_required =
            |parameter: &Value| parameter["in"] == "query" && parameter["required"] == true;
        parameters.sort_by_key(|parameter| !is_required(parameter));
        let required = (parameters.iter())
            .filter(|parameter| is_required(parameter))
            .count();
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let schema = &parameter["schema"];
            let choices: Vec<String> = match (name, schema["type"].as_str()) {
                _ if parameter["in"] != "query" => continue,
                ("field", _) => FIELDS.iter().map(|field| field.name.to_owned()).collect(),
                ("format", _) => ["pcapng", "text", "json"].map(str::to_owned).into(),
                (_, Some("boolean")) => vec!["true".to_owned()],
                _ => {
                    let choices = schema["enum"].as_array().into_iter().flatten();
                    choices
                        .filter_map(|word| word.as_str().map(str::to_owned))
                        .collect()
                }
            };
            let with = |before: &Vec<String>, choice: &String| {
                [&before[..], &[format!("{name}={choice}")]].concat()
            };
            if parameter["required"] == true {
                // With each of them everything else.
                asked = (choices.iter())
                    .flat_map(|choice| asked.iter().map(move |before| with(before, choice)))
                    .collect();
            } else {
                // One at a time: together they would be thousands.
                let alone = asked.iter().filter(|before| before.len() <= required);
                let more: Vec<_> = alone
                    .flat_map(|before| choices.iter().map(move |choice| with(before, choice)))
                    .collect();
                asked.extend(more);
            }
            assert!(
                !asked.is_empty(),
                "teach this test what to ask {path} for as `{name}`"
            );
        }
        let ways = values.iter().flat_map(|value| {
            let address = format!("{before}{value}{after}");
            asked.iter().map(move |query| match query.is_empty() {
                true => address.clone(),
                false => format!("{address}?{}", query.join("&")),
            })
        });
        ways.collect()
    }

    /// All answers to somebody, each with what was asked.
    pub(super) async fn answers(&self, door: &Door, cookie: &str) -> Vec<(String, Answer)> {
        let mut answers = Vec::new();
        for way in self.ways.iter().flat_map(|(_, ways)| ways) {
            answers.push((way.clone(), door.get_as(cookie, way).await));
        }
        answers
    }
}

/// Whether an answer has a word, in letters or in hexadecimal.
fn has(answer: &Answer, word: &str) -> bool {
    let hex: String = word.bytes().map(|octet| format!("{octet:02x}")).collect();
    let octets = |wanted: &[u8]| {
        let mut windows = answer.octets.windows(wanted.len());
        windows.any(|window| window == wanted)
    };
    octets(word.as_bytes()) || octets(hex.as_bytes()) || octets(hex.to_uppercase().as_bytes())
}

fn hidden_from(role: &str) -> Vec<String> {
    let mut words: Vec<String> = (0..PLACES)
        .map(|place| number(place).trim_start_matches('+').to_owned())
        .collect();
    words.extend(DIGESTS.map(str::to_owned));
    if matches!(role, "operator" | "metadata") {
        words.extend(BODIES.map(str::to_owned));
    }
    if role == "metadata" {
        words.extend(FIELDS_OF_PAYLOAD.map(str::to_owned));
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_shows_what_is_hidden() {
    let directory = TempDir::new().expect("a directory");
    add_users(&directory, &EVERYBODY);
    let node = Node::start(configured(&directory, "", ""))
        .await
        .expect("it starts");
    let mut door = Door {
        page: node.page_address().expect("a page"),
        node,
        directory,
    };
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    for frame in frames() {
        agent.send(&frame);
    }
    agent.finish();
    let admin = door.cookie("admin").await;
    let walk = Walk::plan(&door, &admin, frames().len()).await;
    assert!(walk.calls.len() >= 4, "{:?}", walk.calls);
    let described = walk.ways.len() + walk.streams.len();
    assert!(described > 25, "{described}");

    // As long as nothing is hidden each of it is seen somewhere, or nothing below would say anything.
    let seen = walk.answers(&door, &admin).await;
    let everything = hidden_from("metadata");
    for word in &everything {
        let shown = seen.iter().any(|(_, answer)| has(answer, word));
        assert!(shown, "{word} comes out nowhere");
    }
    let answered: BTreeSet<&str> = (seen.iter())
        .filter(|(_, answer)| answer.status == 200)
        .map(|(way, _)| way.as_str())
        .collect();
    for (path, ways) in &walk.ways {
        let is_known = ways.iter().any(|way| answered.contains(way.as_str()));
        assert!(is_known, "teach this test how to ask {path}: {ways:?}");
    }
    let link = share(&door, &admin).await;

    // From here on it is hidden, also from who signed in before.
    let hiding = configured(&door.directory, "", MASKING);
    Arc::clone(&door.node)
        .reload(hiding)
        .await
        .expect("it reloads");
    door.page = door.node.page_address().expect("a page");
    let mut everybody = Vec::new();
    for (role, _) in EVERYBODY {
        everybody.push((role, door.cookie(role).await));
    }
    everybody.push(("link", link));
    everybody.push(("admin", admin.clone()));
    for (role, cookie) in &everybody {
        let hidden = hidden_from(role);
        let answers = walk.answers(&door, cookie).await;
        let shown = answers
            .iter()
            .filter(|(_, answer)| answer.status == 200)
            .count();
        assert!(shown > 5, "{role} is shown {shown}");
        for (way, answer) in &answers {
            assert!(answer.status < 500, "{role} {way}: {answer:?}");
            for word in &hidden {
                assert!(
                    !has(answer, word),
                    "{role} sees {word} in {way}: {}",
                    answer.body
                );
            }
        }
    }
    for path in &walk.streams {
        for (role, cookie) in &everybody {
            stream_hides(&door, path, role, cookie).await;
        }
    }
    // What changes something answers as well.
    let described = hepcat::http::description();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for method in ["post", "put", "patch", "delete"] {
            if methods.get(method).is_none() || path == "/api/v1/session" {
                continue;
            }
            let address = path
                .replace("{call}", &walk.calls[0])
                .replace("{agent}", "127.0.0.1")
                .replace("{id}", &walk.messages[0]);
            let cookie = [("Cookie", admin.as_str())];
            let answer = door
                .ask(&method.to_uppercase(), &address, &cookie, "{}")
                .await;
            for word in hidden_from("admin") {
                assert!(
                    !has(&answer, &word),
                    "an admin sees {word} by {method} {address}: {answer:?}"
                );
            }
        }
    }
}

/// The cookie of somebody who came by a link to the first call.
async fn share(door: &Door, admin: &str) -> String {
    let made = door
        .ask(
            "POST",
            "/api/v1/calls/walk-1/share",
            &[("Cookie", admin)],
            "{}",
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let (_, secret) = made["address"]
        .as_str()
        .and_then(|address| address.split_once("#link="))
        .expect("a link");
    let body = json!({ "link": secret }).to_string();
    let came = door.ask("POST", "/api/v1/session", &[], &body).await;
    assert_eq!(came.status, 200, "{came:?}");
    came.cookie()
}

/// What a stream says of a call that comes while somebody listens.
async fn stream_hides(door: &Door, path: &str, role: &str, cookie: &str) {
    let mut stream = TcpStream::connect(door.page).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
    )
    .expect("sent");
    let call_id = format!("stream-{}-{role}", path.replace('/', "-"));
    let told = |mut stream: TcpStream, until: String| {
        let said = tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            let mut part = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&said).into_owned();
                // To the end of the event.
                let found = text.find(&until);
                if found.is_some_and(|at| text.get(at..).is_some_and(|rest| rest.contains("\n\n")))
                    || text.starts_with("HTTP/1.1 4")
                    || (until == "HTTP/1.1 " && text.contains("\r\n\r\n"))
                {
                    return text;
                }
                let length = stream.read(&mut part).expect("it goes on");
                assert!(length > 0, "{text}");
                said.extend_from_slice(&part[..length]);
            }
        });
        async { said.await.expect("read") }
    };
    let head = told(stream.try_clone().expect("a clone"), "HTTP/1.1 ".to_owned()).await;
    if role == "link" {
        assert!(head.starts_with("HTTP/1.1 403"), "{path}: {head}");
        return;
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{role} {path}: {head}");
    let mut meta = Meta::default();
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    meta.time_sec = u32::try_from(seconds.expect("after 1970").as_secs()).expect("before 2106");
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    agent.send(&meta.v3(invite(&call_id, 0).as_bytes()));
    agent.finish();
    let said = told(stream, call_id).await;
    for word in hidden_from(role) {
        assert!(
            !said.contains(&word),
            "{role} is told {word} by {path}: {said}"
        );
    }
}
