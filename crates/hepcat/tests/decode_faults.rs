//! `hepcat decode` says what is wrong with a frame and where, and loses no good frame over a bad one.

mod captures;

use assert_cmd::Command;
use captures::{ETHERNET, Tcp, every_second, pcap, ping, sip, tcp, udp};
use hepcat_testkit::frame::{Meta, chunk, v3};
use serde_json::{Value, json};

struct Shown {
    code: i32,
    out: String,
    err: String,
}

fn decode(arguments: &[&str], input: &[u8]) -> Shown {
    let mut command = Command::cargo_bin("hepcat").expect("the binary is built");
    let output = command
        .arg("decode")
        .args(arguments)
        .write_stdin(input)
        .output()
        .expect("it runs");
    Shown {
        code: output.status.code().expect("it exits"),
        out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("the output is UTF-8"),
    }
}

fn objects(input: &[u8]) -> (i32, Vec<Value>) {
    let shown = decode(&["--json"], input);
    let objects = shown.out.lines().map(serde_json::from_str);
    (shown.code, objects.map(|o| o.expect("JSON")).collect())
}

fn good(call_id: &str) -> Vec<u8> {
    Meta::default().v3(&sip("INVITE", call_id, ""))
}

/// The third chunk, at octet 20 of the frame, has a length of 5.
fn chunk_too_short() -> Vec<u8> {
    let mut bad = chunk(0, 3, b"");
    bad[5] = 5;
    v3(&[chunk(0, 1, &[2]), chunk(0, 2, &[17]), bad])
}

#[test]
fn bad_frames_are_reported_with_their_evidence_and_good_ones_beside_them_decoded() {
    let cases: [(Vec<u8>, &str, u64); 6] = [
        (chunk_too_short(), "chunk_too_short", 20),
        (
            v3(&[chunk(0, 1, &[2]), vec![0, 0, 0]]),
            "chunk_header_truncated",
            13,
        ),
        (v3(&[vec![0, 0, 0, 15, 0, 200, 1]]), "chunk_overrun", 6),
        (b"HEP3\x00\x05".to_vec(), "bad_total_length", 4),
        (b"HEP3\x40\x00\x00\x00".to_vec(), "total_exceeds_data", 4),
        (b"\x07nonsense".to_vec(), "unknown_format", 0),
    ];
    for (bad, reason, offset) in cases {
        let text: Vec<String> = [good("one"), bad.clone(), good("two")]
            .iter()
            .map(|frame| frame.iter().map(|o| format!("{o:02x}")).collect())
            .collect();
        let (code, objects) = objects(text.join("\n\n").as_bytes());
        assert_eq!(code, 1, "{reason}");
        assert_eq!(objects.len(), 3, "{reason}: {objects:?}");
        assert_eq!(objects[0]["sip"]["call_id"], "one");
        assert_eq!(objects[1]["error"]["reason"], reason);
        assert_eq!(objects[1]["error"]["offset"], offset, "{reason}");
        assert_eq!(objects[2]["sip"]["call_id"], "two");
        let numbers: Vec<_> = objects.iter().map(|o| o["frame"].clone()).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}

#[test]
fn a_stream_goes_on_behind_a_bad_frame() {
    let stream = [good("one"), chunk_too_short(), good("two")].concat();
    let (code, objects) = objects(&stream);
    assert_eq!(code, 1);
    assert_eq!(objects.len(), 3);
    let expected = json!({
        "reason": "chunk_too_short",
        "offset": 20,
        "chunk_type": 3,
        "needed": 6,
        "actual": 5,
        "message": "chunk length 5 is below the 6-octet header in chunk 0x0003 at octet 20",
    });
    assert_eq!(objects[1]["error"], expected);
    // What could be followed is there.
    assert_eq!(objects[1]["chunks"].as_array().map(Vec::len), Some(2));
    assert_eq!(objects[2]["sip"]["call_id"], "two");
}

#[test]
fn the_text_for_people_marks_faults() {
    let shown = decode(&[], &chunk_too_short());
    assert_eq!(shown.code, 1);
    insta::assert_snapshot!(shown.out, @"
    frame 1 (octet 0): not decodable, 26 octets
      offset  vendor  type    name                  length  value
           6  0x0000  0x0001  ip_family                  7  2 (IPv4)
          13  0x0000  0x0002  ip_protocol                7  17 (udp)
      ! chunk_too_short: chunk length 5 is below the 6-octet header in chunk 0x0003 at octet 20
    ");
}

#[test]
fn keys_are_blanked_in_frames_that_decode_and_in_those_that_do_not() {
    let mut meta = Meta::default();
    meta.auth_key = Some(b"s3cret-key".to_vec());
    let good = meta.v3(b"payload");
    let mut twice = meta.chunks();
    twice.push(chunk(0, 14, b"s3cret-key"));
    twice.push(chunk(0, 15, b"payload"));
    let mut bad = meta.chunks();
    bad.push(vec![0, 0, 0]);
    for frame in [good, v3(&twice), v3(&bad)] {
        for arguments in [&[][..], &["--json"]] {
            let shown = decode(arguments, &frame);
            assert!(!shown.out.contains("s3cret"), "{}", shown.out);
            assert!(!shown.out.contains("733363"), "{}", shown.out);
            assert!(shown.out.contains("**********"), "{}", shown.out);
        }
    }
}

#[test]
fn a_senders_text_cannot_take_hold_of_the_terminal() {
    let hostile =
        "INVITE sip:\u{1b}[2Ja\u{202e}@b SIP/2.0\r\nCall-ID: \u{9b}31m\u{2066}x\r\n\r\n\x07";
    let mut meta = Meta::default();
    meta.correlation_id = Some("\u{1b}]0;title\u{7}\u{202e}".as_bytes().to_vec());
    for arguments in [&[][..], &["--json"]] {
        let shown = decode(arguments, &meta.v3(hostile.as_bytes()));
        assert_eq!(shown.code, 0);
        let acting = |c: char| c.is_control() && c != '\n';
        assert!(!shown.out.contains(acting), "{:?}", shown.out);
        assert!(
            !shown.out.contains(['\u{202e}', '\u{2066}']),
            "{:?}",
            shown.out
        );
    }
    // The JSON still says exactly what was sent.
    let (_, objects) = objects(&meta.v3(hostile.as_bytes()));
    assert_eq!(objects[0]["payload"], hostile);
}

#[test]
fn hep_in_a_capture_is_found_over_udp_and_tcp_and_the_rest_is_said_to_be_left_out() {
    let frame = good("udp");
    let stream = [good("tcp-1"), good("tcp-2")].concat();
    let segment = |sequence| Tcp {
        source_port: 44_444,
        destination_port: 9060,
        sequence,
        flags: "A",
    };
    let file = pcap(
        ETHERNET,
        &every_second(vec![
            udp(40_000, 9060, &frame),
            tcp(&segment(1), &stream[..100]),
            tcp(&segment(101), &stream[100..]),
            udp(5060, 5060, &sip("BYE", "plain", "")),
            ping(),
        ]),
    );
    let shown = decode(&["--json"], &file);
    assert_eq!(shown.code, 0);
    assert_eq!(
        shown.err,
        "-: 1 payloads that are no HEP, 1 not_udp_or_tcp\n"
    );
    let objects: Vec<Value> = shown
        .out
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let calls: Vec<_> = objects
        .iter()
        .map(|o| o["sip"]["call_id"].clone())
        .collect();
    assert_eq!(calls, ["udp", "tcp-1", "tcp-2"]);
    assert_eq!(
        objects[2]["found"],
        json!({
            "packet": 3,
            "time": "2026-11-23T00:00:02.000000Z",
            "source": "192.0.2.1:44444",
            "destination": "198.51.100.2:9060",
            "carrier": "tcp",
        })
    );
}

#[test]
fn a_capture_that_breaks_off_gives_what_was_read_and_fails() {
    let mut file = pcap(ETHERNET, &every_second(vec![udp(1, 9060, &good("one")); 2]));
    let whole = (file.len() - 24) / 2;
    file.truncate(file.len() - 5);
    let shown = decode(&["--json"], &file);
    assert_eq!(shown.code, 1);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(lines.len(), 2);
    let fault: Value = serde_json::from_str(lines[1]).expect("JSON");
    assert_eq!(fault["error"]["reason"], "truncated");
    assert_eq!(fault["error"]["offset"], 24 + whole);
    let expected = format!(
        "error: -: the file ends inside a block (octet {})\n",
        24 + whole
    );
    assert_eq!(shown.err, expected);
}

#[test]
fn exit_codes_tell_failure_from_misuse() {
    assert_eq!(decode(&[], &good("fine")).code, 0);
    assert_eq!(decode(&[], b"").code, 1);
    assert_eq!(decode(&["/no/such/file"], b"").code, 1);
    assert_eq!(decode(&["--no-such-option"], b"").code, 2);
}

#[test]
fn arbitrary_octets_never_crash_it() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut input = Vec::new();
    let seed = [
        good("x"),
        pcap(ETHERNET, &every_second(vec![udp(1, 2, &good("y")); 3])),
        captures::pcapng(1, &every_second(vec![udp(1, 2, &good("z")); 3])),
        chunk_too_short(),
    ];
    for round in 0..400_usize {
        input.clear();
        input.extend_from_slice(&seed[round % seed.len()]);
        for _ in 0..=next() % 6 {
            let at = usize::try_from(next()).expect("64 bits") % input.len();
            input[at] = next().to_le_bytes()[0];
        }
        let mut read = hepcat::capfile::Input::from_reader(std::io::Cursor::new(input.clone()))
            .expect("memory can be read");
        for item in read.by_ref() {
            match hepcat_wire::Message::try_parse_lax(item.octets.as_slice()) {
                Ok(message) => {
                    drop(hepcat::render::explain_message(&message));
                    let contents = hepcat::render::Contents::ALL;
                    let object = hepcat::render::json_message(&message, None, contents);
                    drop(hepcat::render::Summary::of_json(&object));
                }
                Err((error, frame)) => {
                    drop(hepcat::render::explain_fault(&error, frame));
                    drop(hepcat::render::json_fault(&error, frame, None));
                }
            }
        }
    }
}
