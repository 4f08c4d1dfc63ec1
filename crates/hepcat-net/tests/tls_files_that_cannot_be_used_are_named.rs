//! Each fault of a certificate, key or authority file is told apart, and the file at fault is named.

mod support;

use std::fs;

use hepcat_net::tls::{ClientAuth, ServerTls, TlsError, load_ca, load_certified_key};
use support::pki::{Authority, provider};

fn faults(error: &TlsError) -> (&'static str, Option<String>) {
    let file = error.path().map(|path| {
        let name = path.file_name().unwrap();
        name.to_string_lossy().into_owned()
    });
    (error.reason(), file)
}

#[test]
fn a_certificate_and_its_key_load() {
    let authority = Authority::new();
    let issued = authority.server("edge", &["edge.example"]);
    let certified = load_certified_key(&issued.cert, &issued.key, &provider()).unwrap();
    assert_eq!(certified.cert.len(), 1);
    assert_eq!(load_ca(&authority.ca).unwrap().len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let authority = Authority::new();
    let issued = authority.server("edge", &["edge.example"]);
    let absent = authority.dir().join("absent.pem");
    let error = load_certified_key(&absent, &issued.key, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("unreadable", Some("absent.pem".to_owned()))
    );
    let error = load_certified_key(&issued.cert, &absent, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("unreadable", Some("absent.pem".to_owned()))
    );
}

#[test]
fn a_key_of_another_certificate_is_a_mismatch() {
    let authority = Authority::new();
    let a = authority.server("a", &["a.example"]);
    let b = authority.server("b", &["b.example"]);
    let error = load_certified_key(&a.cert, &b.key, &provider()).unwrap_err();
    assert_eq!(faults(&error), ("mismatch", Some("b.key".to_owned())));
    let text = error.to_string();
    assert!(text.contains("a.pem") && text.contains("b.key"), "{text}");
}

#[test]
fn files_given_the_wrong_way_round_are_told_apart() {
    let authority = Authority::new();
    let issued = authority.server("edge", &["edge.example"]);
    let error = load_certified_key(&issued.key, &issued.cert, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("no_certificate", Some("edge.key".to_owned()))
    );
    let error = load_certified_key(&issued.cert, &issued.cert, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("no_private_key", Some("edge.pem".to_owned()))
    );
}

#[test]
fn a_file_cut_in_the_middle_is_no_pem() {
    let authority = Authority::new();
    let issued = authority.server("edge", &["edge.example"]);
    let text = fs::read(&issued.cert).unwrap();
    fs::write(&issued.cert, &text[..text.len() / 2]).unwrap();
    let error = load_certified_key(&issued.cert, &issued.key, &provider()).unwrap_err();
    assert_eq!(faults(&error), ("bad_pem", Some("edge.pem".to_owned())));
}

#[test]
fn octets_that_are_no_certificate_or_key_are_refused() {
    let authority = Authority::new();
    let issued = authority.server("edge", &["edge.example"]);
    let junk = authority.dir().join("junk.pem");
    fs::write(
        &junk,
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = load_certified_key(&junk, &issued.key, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("bad_certificate", Some("junk.pem".to_owned()))
    );
    assert_eq!(load_ca(&junk).unwrap_err().reason(), "bad_certificate");
    fs::write(
        &junk,
        "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let error = load_certified_key(&issued.cert, &junk, &provider()).unwrap_err();
    assert_eq!(
        faults(&error),
        ("bad_private_key", Some("junk.pem".to_owned()))
    );
}

#[test]
fn server_names_are_checked() {
    let authority = Authority::new();
    let a = authority.server("a", &["a.example"]);
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
    let authority = Authority::new();
    let a = authority.server("a", &["a.example"]);
    let ca = authority.dir().join("absent-ca.pem");
    let tls = ServerTls::new(provider(), &a.cert, &a.key).client_auth(ClientAuth::Required { ca });
    let error = tls.load().unwrap_err();
    assert_eq!(
        faults(&error),
        ("unreadable", Some("absent-ca.pem".to_owned()))
    );
}
