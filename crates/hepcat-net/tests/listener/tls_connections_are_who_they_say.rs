use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use hepcat_net::{
    ListenerId, TlsIdentity, Transport,
    listener::{Listener, ListenerConfig},
    rustls::{
        ClientConfig, ProtocolVersion,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
    tls::{ClientAuth, ServerTls},
};
use hepcat_testkit::{Identity, TestCa, program};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::rig::{Rig, limits, loopback, numbered, wait_eof};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn server(identity: &Identity) -> ServerTls {
    ServerTls::new(provider(), &identity.cert, &identity.key)
}

fn listen(tls: ServerTls) -> Rig {
    Rig::new(ListenerConfig::tls(ListenerId(7), loopback(), tls))
}

async fn connect(
    rig: &Rig,
    config: Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config)
        .connect(name, rig.connect().await)
        .await
}

fn leaf(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

fn same_certificate(stream: &TlsStream<TcpStream>, file: &Path) -> bool {
    hepcat_net::tls::load_cert_chain(file).unwrap()[0] == leaf(stream)
}

/// A new certificate and key in the place of old ones, as a renewal does it.
fn replace(old: &Identity, new: &Identity) {
    for (old, new) in [(&old.cert, &new.cert), (&old.key, &new.key)] {
        let beside = old.with_extension("new");
        fs::copy(new, &beside).unwrap();
        fs::rename(&beside, old).unwrap();
    }
}

#[tokio::test]
async fn versions_1_2_and_1_3_are_spoken() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(ca.roots())
            .with_no_client_auth();
        let before = rig.recorder.all().len();
        let mut agent = connect(&rig, Arc::new(config), "localhost").await.unwrap();
        assert_eq!(agent.get_ref().1.protocol_version(), Some(number));
        agent.write_all(&numbered(1)).await.unwrap();
        let got = rig.recorder.wait_for(before + 1).await.pop().unwrap();
        assert_eq!(got.frame, numbered(1));
        assert_eq!(got.origin.transport, Transport::Tls);
        let identity = TlsIdentity::new(None, Some("localhost".to_owned()));
        assert_eq!(got.origin.tls, Some(identity));
        agent.shutdown().await.unwrap();
    }
    let stats = rig.wait_stats(|stats| stats.connections_open == 0).await;
    assert_eq!(stats.connections_closed.get("peer_closed"), 2);
    assert_eq!(
        (stats.tls_handshakes, stats.tls_handshake_failures.total()),
        (2, 0)
    );
}

#[tokio::test]
async fn a_stream_of_many_records_arrives_whole() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let mut agent = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    let sent: Vec<Vec<u8>> = (0..2000).map(numbered).collect();
    agent.write_all(&sent.concat()).await.unwrap();
    // Gone at once, without having read anything: nothing of ours may lie unread and turn this into a reset.
    agent.shutdown().await.unwrap();
    drop(agent);
    rig.recorder.wait_for(sent.len()).await;
    assert!(rig.recorder.frames() == sent);
    rig.wait_closed("peer_closed").await;
}

#[tokio::test]
async fn a_stream_that_ends_without_the_closing_alert_loses_nothing() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let mut agent = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    agent.flush().await.unwrap();
    agent.into_inner().0.shutdown().await.unwrap();
    let stats = rig.wait_closed("peer_closed").await;
    assert_eq!((stats.messages.total(), stats.truncated), (1, 0));
}

#[tokio::test]
async fn the_server_name_chooses_the_certificate() {
    let ca = TestCa::new();
    let (default, a, wild) = (
        ca.localhost(),
        ca.server(&["a.example"]),
        ca.server(&["*.b.example", "b.example"]),
    );
    let tls = server(&default)
        .domain("A.example", &a.cert, &a.key)
        .domain("*.b.example", &wild.cert, &wild.key);
    let rig = listen(tls);
    for (name, identity) in [
        ("a.example", &a),
        ("x.b.example", &wild),
        ("localhost", &default),
        // An address is never sent as a server name.
        ("127.0.0.1", &default),
    ] {
        let agent = connect(&rig, ca.client_config(None), name).await.unwrap();
        assert!(same_certificate(&agent, &identity.cert), "{name}");
    }
    // Nobody's name: the default certificate, which this client then does not trust for it.
    for name in ["other.example", "x.y.b.example"] {
        connect(&rig, ca.client_config(None), name)
            .await
            .unwrap_err();
    }
    let stats = rig
        .wait_stats(|stats| stats.tls_handshake_failures.total() == 2)
        .await;
    assert_eq!(stats.tls_handshake_failures.get("alert"), 2);
}

#[tokio::test]
async fn client_certificates_may_be_required() {
    let ca = TestCa::new();
    let required = ClientAuth::Required {
        ca: ca.ca_file().to_owned(),
    };
    let rig = listen(server(&ca.localhost()).client_auth(required));
    let identity = ca.client("edge-1");
    let mut agent = connect(&rig, ca.client_config(Some(&identity)), "localhost")
        .await
        .unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    let got = rig.recorder.wait_for(1).await;
    let subject = got[0].origin.tls.clone().unwrap().subject;
    assert_eq!(subject.as_deref(), Some("CN=edge-1"));

    // Without one, of a stranger, past its time. With TLS 1.3 the client hears of it when it reads.
    let stranger = TestCa::new();
    let foreign = stranger.client("edge-1");
    let expired = ca.expired_client("edge-1");
    for (identity, reason) in [
        (None, "no_certificate"),
        (Some(&foreign), "bad_certificate"),
        (Some(&expired), "bad_certificate"),
    ] {
        let before = rig.stats().tls_handshake_failures.get(reason);
        if let Ok(mut agent) = connect(&rig, ca.client_config(identity), "localhost").await {
            drop(agent.write_all(&numbered(2)).await);
            wait_eof(&mut agent).await;
        }
        rig.wait_stats(|stats| stats.tls_handshake_failures.get(reason) == before + 1)
            .await;
    }
    // Others never notice.
    agent.write_all(&numbered(3)).await.unwrap();
    rig.recorder.wait_for(2).await;
    assert_eq!(rig.recorder.frames(), [numbered(1), numbered(3)]);
    assert_eq!(rig.stats().connections_closed.get("handshake"), 3);
}

#[tokio::test]
async fn client_certificates_may_be_optional() {
    let ca = TestCa::new();
    let optional = ClientAuth::Optional {
        ca: ca.ca_file().to_owned(),
    };
    let rig = listen(server(&ca.localhost()).client_auth(optional));
    let identity = ca.client("edge-2");
    let mut subjects = Vec::new();
    for (count, identity) in [(1, None), (2, Some(&identity))] {
        let mut agent = connect(&rig, ca.client_config(identity), "localhost")
            .await
            .unwrap();
        agent.write_all(&numbered(count)).await.unwrap();
        let got = rig.recorder.wait_for(count).await;
        subjects.push(got[count - 1].origin.tls.clone().unwrap().subject);
    }
    assert_eq!(subjects, [None, Some("CN=edge-2".to_owned())]);
    let stranger = TestCa::new();
    let foreign = stranger.client("edge-2");
    if let Ok(mut agent) = connect(&rig, ca.client_config(Some(&foreign)), "localhost").await {
        wait_eof(&mut agent).await;
    }
    rig.wait_stats(|stats| stats.tls_handshake_failures.get("bad_certificate") == 1)
        .await;
}

#[tokio::test]
async fn client_certificates_are_not_asked_for_unless_told_to() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let stranger = TestCa::new();
    let identity = stranger.client("whoever");
    let mut agent = connect(&rig, ca.client_config(Some(&identity)), "localhost")
        .await
        .unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!(got[0].origin.tls.clone().unwrap().subject, None);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let ca = TestCa::new();
    let (first, second) = (ca.localhost(), ca.localhost());
    let first_leaf = hepcat_net::tls::load_cert_chain(&first.cert).unwrap()[0].clone();
    let tls = server(&first).reload_interval(Duration::from_millis(5));
    let rig = listen(tls);
    let mut old = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    assert_eq!(leaf(&old), first_leaf);
    replace(&first, &second);
    // The files are found changed one by one: the first look may see a pair that does not match.
    rig.wait_stats(|stats| stats.tls_reloads > 0 && stats.tls_reload_error.is_none())
        .await;
    let new = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    assert!(same_certificate(&new, &second.cert));
    old.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
    assert_eq!(rig.stats().connections_open, 2);
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_in_use_and_is_reported() {
    let ca = TestCa::new();
    let (first, second) = (ca.localhost(), ca.localhost());
    let rig = listen(server(&first).reload_interval(Duration::ZERO));
    let kept = hepcat_net::tls::load_cert_chain(&first.cert).unwrap()[0].clone();
    fs::copy(&second.cert, &first.cert).unwrap();
    let error = rig.listener.reload_tls().unwrap_err();
    assert_eq!(error.reason(), "mismatch");
    let stats = rig.stats();
    assert_eq!((stats.tls_reloads, stats.tls_reload_failures), (0, 1));
    let text = stats.tls_reload_error.unwrap();
    assert!(text.contains(&*first.key.to_string_lossy()), "{text}");
    let agent = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    assert_eq!(leaf(&agent), kept);
    // The other half comes, and all is well.
    fs::copy(&second.key, &first.key).unwrap();
    rig.listener.reload_tls().unwrap();
    let agent = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    assert!(same_certificate(&agent, &second.cert));
    assert_eq!(rig.stats().tls_reload_error, None);
}

#[tokio::test]
async fn a_changed_authority_is_read_again_too() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let authority = ca.directory().join("clients.pem");
    fs::copy(ca.ca_file(), &authority).unwrap();
    let required = ClientAuth::Required {
        ca: authority.clone(),
    };
    let rig = listen(server(&ca.localhost()).client_auth(required));
    fs::copy(other.ca_file(), &authority).unwrap();
    rig.listener.reload_tls().unwrap();
    let identity = other.client("edge-3");
    let mut agent = connect(&rig, ca.client_config(Some(&identity)), "localhost")
        .await
        .unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_found_before_anything_is_bound() {
    let ca = TestCa::new();
    let (a, b) = (ca.localhost(), ca.localhost());
    let tls = ServerTls::new(provider(), &a.cert, &b.key);
    let config = ListenerConfig::tls(ListenerId(7), loopback(), tls);
    assert_eq!(Listener::bind(config).unwrap_err().reason(), "mismatch");
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_off_in_time() {
    let ca = TestCa::new();
    let tls = server(&ca.localhost());
    let config = ListenerConfig::tls(ListenerId(7), loopback(), tls).limits(limits(|limits| {
        limits.handshake_timeout = Duration::from_millis(30)
    }));
    let rig = Rig::new(config);
    let mut agent = rig.connect().await;
    // The first octets of a handshake record.
    agent.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("handshake").await;
    assert_eq!(stats.tls_handshake_failures.get("timeout"), 1);
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_and_counted() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let mut plain = rig.connect().await;
    plain.write_all(&numbered(1)).await.unwrap();
    wait_eof(&mut plain).await;
    rig.wait_stats(|stats| stats.tls_handshake_failures.get("not_tls") == 1)
        .await;
    let gone = rig.connect().await;
    drop(gone);
    rig.wait_stats(|stats| stats.tls_handshake_failures.get("closed") == 1)
        .await;
    assert_eq!(rig.stats().decode_errors.total(), 0);
}

#[tokio::test]
async fn rubbish_inside_an_established_session_closes_that_connection_only() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let mut good = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    let bad = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    rig.wait_stats(|stats| stats.tls_handshakes == 2).await;
    let (mut raw, _session) = bad.into_inner();
    raw.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    raw.write_all(&[0; 32]).await.unwrap();
    wait_eof(&mut raw).await;
    rig.wait_closed("tls").await;
    good.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
}

#[tokio::test]
async fn stopping_ends_handshakes_and_says_goodbye_to_sessions() {
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let silent = rig.connect().await;
    let mut agent = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
    rig.wait_stats(|stats| stats.connections_open == 2).await;
    let stats = rig.stop().await;
    assert_eq!(stats.tls_handshake_failures.get("stopped"), 1);
    assert_eq!(stats.connections_closed.get("stopped"), 1);
    // The closing alert came: the end is no truncation.
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut agent, &mut rest).await;
    assert_eq!(read.unwrap(), 0);
    drop(silent);
}

/// TLS 1.2 only: 1.3 has no renegotiation. OpenSSL's own client asks for it, as rustls never would.
#[tokio::test]
async fn a_renegotiation_is_refused_and_others_never_notice() {
    let Some(openssl) = program("openssl") else {
        return;
    };
    let ca = TestCa::new();
    let rig = listen(server(&ca.localhost()));
    let mut other = connect(&rig, ca.client_config(None), "localhost")
        .await
        .unwrap();
    let (addr, authority) = (rig.addr().to_string(), ca.ca_file().to_owned());
    let client = tokio::task::spawn_blocking(move || {
        let mut client = Command::new(openssl)
            .args([
                "s_client",
                "-tls1_2",
                "-servername",
                "localhost",
                "-connect",
                &addr,
            ])
            .arg("-CAfile")
            .arg(authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(client.stdout.take().unwrap()).lines();
        // Near the end of its report on the session: what it reads from here on are commands.
        stdout.find(|line| line.as_ref().unwrap().contains("Extended master secret"));
        let mut stdin = client.stdin.take().unwrap();
        // This client gives up when it is refused.
        stdin.write_all(b"R\n").unwrap();
        let mut stderr = BufReader::new(client.stderr.take().unwrap()).lines();
        let refused = stderr.find(|line| line.as_ref().unwrap().contains("no renegotiation"));
        for line in stdout {
            line.unwrap();
        }
        client.wait().unwrap();
        drop(stdin);
        refused
    });
    assert!(client.await.unwrap().is_some());
    let stats = rig
        .wait_stats(|stats| stats.connections_closed.total() == 1)
        .await;
    assert_eq!(stats.tls_handshakes, 2);
    other.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
}
