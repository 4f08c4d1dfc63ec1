//! The description of the API says what is served, no more and no less.

use std::collections::BTreeSet;

use hepcat_testkit::NodeProcess;
use serde_json::Value;

fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an object").keys();
        methods.map(|method| (path.clone(), method.clone()))
    });
    each.collect()
}

#[test]
fn every_endpoint_is_described_and_every_described_one_is_served() {
    let served: BTreeSet<(String, String)> = hepcat::http::endpoints()
        .into_iter()
        .filter(|endpoint| endpoint.path.starts_with("/api/"))
        .map(|endpoint| (endpoint.path.to_owned(), endpoint.method.to_owned()))
        .collect();
    assert_eq!(described(&hepcat::http::description()), served);
}

#[test]
fn the_description_is_as_it_was_reviewed() {
    insta::assert_json_snapshot!(hepcat::http::description());
}

/// Calls `see` with every object of a document.
fn each_object(value: &Value, see: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values().for_each(|value| each_object(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| each_object(value, see)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_endpoint_says_what_it_is_for() {
    let document = hepcat::http::description();
    each_object(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    });
    let mut ids = BTreeSet::new();
    for (path, method) in described(&document) {
        let operation = &document["paths"][&path][&method];
        let summary = operation["summary"].as_str();
        assert!(
            summary.is_some_and(|words| !words.is_empty()),
            "{method} {path}"
        );
        let id = operation["operationId"].as_str().expect("an id");
        assert!(ids.insert(id.to_owned()), "{id} twice");
        // What stands in braces is a parameter, and the other way round.
        let wanted: BTreeSet<&str> = path
            .split('/')
            .filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array();
        let given: BTreeSet<&str> = parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(given, wanted, "{method} {path}");
        for parameter in parameters.into_iter().flatten() {
            let words = parameter["description"].as_str();
            assert!(
                words.is_some_and(|words| !words.is_empty()),
                "{path}: {parameter}"
            );
        }
        let responses = operation["responses"].as_object().expect("responses");
        for (status, response) in responses {
            let refusal = status.as_str() >= "400";
            let reference = response["$ref"].as_str().unwrap_or_default();
            let response = document.pointer(reference.trim_start_matches('#'));
            let content = response.map(|response| &response["content"]);
            let is_problem =
                content.is_some_and(|kinds| !kinds["application/problem+json"].is_null());
            assert_eq!(refusal, is_problem, "{method} {path}: {status}");
        }
    }
}

#[test]
fn a_node_serves_it() {
    let node = NodeProcess::start(
        env!("CARGO_BIN_EXE_hepcat"),
        "[http]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nname = \"udp\"\nsocket = \"hep_udp:127.0.0.1:0\"\n",
    );
    let (status, body) = node.get("/api/v1/openapi.json");
    assert_eq!(status, 200);
    let served: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(served, hepcat::http::description());
    assert!(
        served["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3."))
    );
}
