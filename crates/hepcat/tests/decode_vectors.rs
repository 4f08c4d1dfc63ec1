//! `hepcat decode --json` says of every frame of a real program what the index of the corpus says.

use std::io::Write;

use assert_cmd::Command;
use hepcat_testkit::{Vector, testdata, vectors};
use serde_json::Value;

/// Keys of `expect`. One that an entry does not have must be absent from the output, too.
const KEYS: [&str; 32] = [
    "authenticate_key",
    "capture_id",
    "chunk_order",
    "correlation_id",
    "dst_ip",
    "dst_port",
    "extra_correlations",
    "header_length_byte",
    "ip_family",
    "ip_protocol",
    "ip_tos",
    "mos",
    "node_name",
    "other_chunks",
    "padding_hex",
    "payload_absent",
    "payload_chunk_type",
    "payload_first_line",
    "payload_length",
    "payload_length_without_trailing_zeros",
    "payload_offset",
    "payload_sha256",
    "payload_sha256_without_trailing_zeros",
    "protocol_type",
    "src_ip",
    "src_port",
    "time_block_byte_order",
    "time_sec",
    "time_usec",
    "total_length_field",
    "trailing_zero_bytes",
    "vlan_id",
];

fn decode(input: Input<'_>) -> Vec<Value> {
    let mut command = Command::cargo_bin("hepcat").expect("the binary is built");
    command.args(["decode", "--json"]);
    match input {
        Input::File(vector) => {
            command.arg(testdata().join(&vector.file));
        }
        Input::Octets(octets) => {
            command.arg("-").write_stdin(octets.to_vec());
        }
    }
    let output = command.assert().success().stderr("").get_output().clone();
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect()
}

enum Input<'a> {
    File(&'a Vector),
    Octets(&'a [u8]),
}

fn compare(vector: &Vector, expect: &Value, object: &Value, full: bool) {
    let expect = expect.as_object().expect("expect is an object");
    for key in expect.keys() {
        assert!(KEYS.contains(&key.as_str()), "a new key: {key}");
    }
    for key in KEYS {
        let wanted = expect.get(key);
        let got = object.get(key);
        let file = &vector.file;
        match (key, wanted) {
            ("authenticate_key", Some(key)) => {
                let length = key.as_str().expect("a key is text").len();
                let blanked = got.and_then(Value::as_str);
                assert_eq!(blanked, Some("*".repeat(length).as_str()), "{file}");
            }
            // Versions 1 and 2 carry SIP and say nothing of it; the entries of a stream are shorter.
            ("protocol_type", None) => assert_eq!(got, Some(&Value::from(1)), "{file}"),
            (_, None) if !full => {}
            _ => assert_eq!(got, wanted, "{file}: {key}"),
        }
    }
    let version = vector.entry.get("hep_version");
    assert_eq!(object.get("version"), version, "{}", vector.file);
    assert_eq!(object.get("error"), None);
}

fn compare_all(vector: &Vector, objects: &[Value]) {
    match vector.entry.get("messages") {
        None => {
            assert_eq!(objects.len(), 1, "{}", vector.file);
            compare(vector, vector.expect(), &objects[0], true);
        }
        Some(messages) => {
            let messages = messages.as_array().expect("a list");
            assert_eq!(objects.len(), messages.len(), "{}", vector.file);
            for (message, object) in messages.iter().zip(objects) {
                compare(vector, &message["expect"], object, false);
                assert_eq!(object["found"]["offset"], message["offset"]);
            }
        }
    }
}

#[test]
fn every_vector_decodes_to_its_entry_from_hex_and_from_octets() {
    let vectors = vectors();
    assert!(vectors.len() >= 106, "{}", vectors.len());
    for vector in &vectors {
        let objects = decode(Input::File(vector));
        compare_all(vector, &objects);
        assert_eq!(objects, decode(Input::Octets(&vector.octets)));
        let gzipped = vector.entry.get("whole_message_gzip");
        assert_eq!(objects[0].get("whole_message_gzip"), gzipped);
    }
}

#[test]
fn no_vector_gives_its_key_away() {
    for json in [true, false] {
        for vector in vectors() {
            let mut command = Command::cargo_bin("hepcat").expect("the binary is built");
            command.arg("decode").args(json.then_some("--json"));
            let output = command
                .arg(testdata().join(&vector.file))
                .assert()
                .success();
            let shown = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
            for key in ["vectorpw", "766563746f727077"] {
                assert!(!shown.contains(key), "{}", vector.file);
            }
        }
    }
}

#[test]
fn all_vectors_of_one_datagram_decode_from_one_text() {
    let mut text = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut wanted = Vec::new();
    for vector in vectors().iter().filter(|v| !v.is_stream()) {
        let hex = std::fs::read(testdata().join(&vector.file)).expect("the vector");
        text.write_all(&hex).expect("room on the disk");
        text.write_all(b"\n# the next\n\n")
            .expect("room on the disk");
        wanted.push(vector.entry["expect"]["payload_sha256"].clone());
    }
    let mut command = Command::cargo_bin("hepcat").expect("the binary is built");
    let output = command.args(["decode", "--json"]).arg(text.path()).assert();
    let stdout = String::from_utf8(output.success().get_output().stdout.clone()).expect("UTF-8");
    let got: Vec<Value> = stdout
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).expect("JSON")["payload_sha256"].clone())
        .collect();
    assert_eq!(got, wanted);
}
