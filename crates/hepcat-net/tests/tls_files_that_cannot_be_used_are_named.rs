//! Each fault of a certificate, key or authority file is told apart, and the file at fault is named.

use std::{fs, path::Path, sync::Arc};

use hepcat_net::rustls::crypto::{CryptoProvider, aws_lc_rs};
use hepcat_net::tls::{ClientAuth, ServerTls, TlsError, load_ca, load_certified_key};
use hepcat_testkit::TestCa;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn check(error: &TlsError, reason: &str, file: &Path) {
    assert_eq!((error.reason(), error.path()), (reason, Some(file)));
    let name = file.to_string_lossy();
    assert!(error.to_string().contains(&*name), "{error}");
}

#[test]
fn a_certificate_and_its_key_load() {
    let ca = TestCa::new();
    let issued = ca.server(&["edge.example"]);
    let certified = load_certified_key(&issued.cert, &issued.key, &provider()).unwrap();
    assert_eq!(certified.cert.len(), 1);
    assert_eq!(load_ca(ca.ca_file()).unwrap().len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let ca = TestCa::new();
    let issued = ca.server(&["edge.example"]);
    let absent = ca.directory().join("absent.pem");
    let error = load_certified_key(&absent, &issued.key, &provider()).unwrap_err();
    check(&error, "unreadable", &absent);
    let error = load_certified_key(&issued.cert, &absent, &provider()).unwrap_err();
    check(&error, "unreadable", &absent);
}

#[test]
fn a_key_of_another_certificate_is_a_mismatch() {
    let ca = TestCa::new();
    let a = ca.server(&["a.example"]);
    let b = ca.server(&["b.example"]);
    let error = load_certified_key(&a.cert, &b.key, &provider()).unwrap_err();
    check(&error, "mismatch", &b.key);
    assert!(
        error.to_string().contains(&*a.cert.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn files_given_the_wrong_way_round_are_told_apart() {
    let ca = TestCa::new();
    let issued = ca.server(&["edge.example"]);
    let error = load_certified_key(&issued.key, &issued.cert, &provider()).unwrap_err();
    check(&error, "no_certificate", &issued.key);
    let error = load_certified_key(&issued.cert, &issued.cert, &provider()).unwrap_err();
    check(&error, "no_private_key", &issued.cert);
}

#[test]
fn a_file_cut_in_the_middle_is_no_pem() {
    let ca = TestCa::new();
    let issued = ca.server(&["edge.example"]);
    let text = fs::read(&issued.cert).unwrap();
    fs::write(&issued.cert, &text[..text.len() / 2]).unwrap();
    let error = load_certified_key(&issued.cert, &issued.key, &provider()).unwrap_err();
    check(&error, "bad_pem", &issued.cert);
}

#[test]
fn octets_that_are_no_certificate_or_key_are_refused() {
    let ca = TestCa::new();
    let issued = ca.server(&["edge.example"]);
    let junk = ca.directory().join("junk.pem");
    fs::write(
        &junk,
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = load_certified_key(&junk, &issued.key, &provider()).unwrap_err();
    check(&error, "bad_certificate", &junk);
    assert_eq!(load_ca(&junk).unwrap_err().reason(), "bad_certificate");
    fs::write(
        &junk,
        "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let error = load_certified_key(&issued.cert, &junk, &provider()).unwrap_err();
    check(&error, "bad_private_key", &junk);
}

#[test]
fn server_names_are_checked() {
    let ca = TestCa::new();
    let a = ca.server(&["a.example"]);
    let server = || ServerTls::new(provider(), &a.cert, &a.key);
    let bad = server().domain("not a name", &a.cert, &a.key).load();
    assert_eq!(bad.unwrap_err().reason(), "bad_server_name");
    let twice = server()
        .domain("a.example", &a.cert, &a.key)
        .domain("A.Example", &a.cert, &a.key)
        .load();
    assert_eq!(twice.unwrap_err().reason(), "duplicate_server_name");
    let wild = server()
        .domain("example", &a.cert, &a.key)
        .domain("*.example", &a.cert, &a.key)
        .load();
    assert!(wild.is_ok(), "{wild:?}");
}

#[test]
fn a_missing_authority_of_clients_is_named() {
    let ca = TestCa::new();
    let a = ca.server(&["a.example"]);
    let absent = ca.directory().join("absent-ca.pem");
    let tls = ServerTls::new(provider(), &a.cert, &a.key)
        .client_auth(ClientAuth::Required { ca: absent.clone() });
    let error = tls.load().unwrap_err();
    check(&error, "unreadable", &absent);
}

#[test]
fn secrets_of_agents_connections_are_written_nowhere() {
    let ca = TestCa::new();
    let issued = ca.server(&["a.example"]);
    let config = ServerTls::new(provider(), &issued.cert, &issued.key)
        .load()
        .unwrap();
    assert!(!config.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
    assert!(!config.key_log.will_log("CLIENT_RANDOM"));
}
