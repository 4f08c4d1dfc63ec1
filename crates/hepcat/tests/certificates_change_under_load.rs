//! Certificates that are replaced while agents send: nothing is lost, and who connects next meets the new one.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use hepcat_testkit::{FakeAgent, FakeCollector, Identity, NodeProcess, TestCa, frame};

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const PATIENCE: Duration = Duration::from_secs(20);

/// Puts new files in the place of old ones, as a renewal does it.
fn replace(served: &Identity, with: &Identity) {
    for (served, with) in [(&served.cert, &with.cert), (&served.key, &with.key)] {
        let beside = served.with_extension("new");
        fs::copy(with, &beside).expect("a copy");
        fs::rename(&beside, served).expect("a rename");
    }
}

/// Ends the load also when the test fails, for otherwise its threads would be waited for in vain.
struct EndsLoad<'a>(&'a AtomicBool);

impl Drop for EndsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn agents_that_send_lose_nothing_when_certificates_are_rotated() {
    const TIMES: usize = 5;
    let (old, new) = (TestCa::new(), TestCa::new());
    let served = old.localhost();
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[homer] {}"
[[listener]]
name = "in"
socket = "hep_tls:127.0.0.1:0"
tls = {{ cert = "{}", key = "{}" }}
"#,
            collector.address(),
            served.cert.display(),
            served.key.display()
        ),
    );
    let listener = node.listener("in");
    let over = AtomicBool::new(false);
    let sent = [const { AtomicUsize::new(0) }; 2];
    let counts = || sent.each_ref().map(|count| count.load(SeqCst));
    thread::scope(|scope| {
        let _ends = EndsLoad(&over);
        for (agent, sent) in sent.iter().enumerate() {
            let over = &over;
            // Here and not in the thread, which may start when the certificate is already another.
            let mut link = FakeAgent::tls(listener, old.client_config(None), "localhost")
                .expect("a handshake");
            scope.spawn(move || {
                let mut number = 0;
                while !over.load(SeqCst) {
                    let call_id = format!("{agent}-{number}@rotation");
                    link.send(&frame::sip_v3(frame::sip_options(&call_id)));
                    (number, _) = (number + 1, sent.fetch_add(1, SeqCst));
                    thread::sleep(Duration::from_millis(1));
                }
                link.finish();
            });
        }
        let mut now = (&old, &new);
        for turn in 1..=TIMES {
            now = (now.1, now.0);
            replace(&served, &now.0.localhost());
            node.reload();
            let until = Instant::now() + PATIENCE;
            while node.output().matches("configuration reloaded").count() < turn {
                assert!(Instant::now() < until, "{}", node.output());
                thread::sleep(Duration::from_millis(5));
            }
            // The new certificate is what a new agent meets, and the other authority does not vouch for it.
            let trusting = now.0.client_config(None);
            FakeAgent::tls(listener, trusting, "localhost").expect("the new certificate");
            let distrusting = now.1.client_config(None);
            FakeAgent::tls(listener, distrusting, "localhost").expect_err("the old certificate");
            // Both agents go on, on the connections that they had before.
            let before = counts();
            let until = Instant::now() + PATIENCE;
            while counts()
                .iter()
                .zip(before)
                .any(|(now, before)| *now <= before)
            {
                assert!(Instant::now() < until, "agents stand still");
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let sent = counts().iter().sum::<usize>();
    assert_eq!(collector.wait_for(sent).len(), sent);
    let status = node.wait_for_status("everything closed", |status| {
        status["listeners"][0]["connections"]["open"] == 0
    });
    assert_eq!(status["ledger"]["routed"], sent);
    assert_eq!(status["ledger"]["unaccounted"], 0);
}
