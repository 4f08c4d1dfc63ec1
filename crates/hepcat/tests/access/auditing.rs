//! The audit log: how much it keeps, and what becomes of what cannot be written; and what waits in quarantine, which is
//! hidden like anything else.

use std::{
    fs::File,
    io::Write as _,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use super::door::{Door, EVERYBODY, add_users, configured};
use hepcat::{
    config::Config,
    node::Node,
    state::{
        self,
        audit::{self, Bounds, Entry, Sought},
    },
};
use hepcat_testkit::{FakeAgent, frame::Meta, skipped};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

fn entry(at: Timestamp, subject: String) -> Entry {
    Entry {
        id: 0,
        at,
        user: "ann".to_owned(),
        role: "viewer".to_owned(),
        address: "192.0.2.7".to_owned(),
        action: "open".to_owned(),
        subject,
    }
}

#[test]
fn the_audit_log_keeps_what_it_may_and_lets_the_oldest_go() {
    let directory = TempDir::new().expect("a directory");
    let state = state::open_beside(directory.path()).expect("the state");
    let now = Timestamp::now();
    let bounds = Bounds {
        max_age: Duration::from_secs(3_600),
        max_entries: 100,
    };
    let write = |at, number: usize| {
        let entry = entry(at, format!("call-{number}"));
        audit::write(&state, &entry, bounds).expect("written");
    };
    for number in 0..1_000 {
        write(now, number);
    }
    let kept = audit::list(&state, &Sought::default(), 10_000).expect("read");
    // The oldest go now and then, not with each entry.
    assert!((100..200).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0].subject, "call-999", "the newest stands first");
    let numbers: Vec<i64> = kept.iter().map(|entry| entry.id).collect();
    assert!(numbers.windows(2).all(|two| two[0] == two[1] + 1));

    // What is older than it may be goes too, however few there are.
    let directory = TempDir::new().expect("a directory");
    let state = state::open_beside(directory.path()).expect("the state");
    let hours_ago = now - jiff::SignedDuration::from_hours(2);
    for number in 0..200 {
        let at = if number < 100 { hours_ago } else { now };
        let entry = entry(at, format!("call-{number}"));
        let many = Bounds {
            max_entries: 1_000_000,
            ..bounds
        };
        audit::write(&state, &entry, many).expect("written");
    }
    let kept = audit::list(&state, &Sought::default(), 10_000).expect("read");
    assert_eq!(kept.len(), 100);
    assert!(kept.iter().all(|entry| entry.at == kept[0].at));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_to_the_audit_log_is_counted_and_the_answer_comes() {
    let door = Door::open(&EVERYBODY, "").await;
    let admin = door.cookie("admin").await;
    let before = door.get_as(&admin, "/api/v1/audit").await.json();
    assert_eq!(before["lost"], 0);
    let held = state::open_beside(door.directory.path()).expect("the state");
    held.execute_batch("BEGIN IMMEDIATE").expect("held");
    let answer = door.get_as(&admin, "/api/v1/calls/held-1").await;
    assert_eq!(answer.status, 404, "{answer:?}");
    held.execute_batch("ROLLBACK").expect("let go");
    let until = Instant::now() + Duration::from_secs(60);
    while door.node.status().access.audit["lost"] == 0 {
        assert!(Instant::now() < until, "{:?}", door.node.status().access);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after = door
        .get_as(&admin, "/api/v1/audit?text=held-1")
        .await
        .json();
    assert_eq!(after["lost"], 1, "{after}");
    let metrics = door.get_as(&admin, "/metrics").await.body;
    let lost = "hepcat_audit_entries_total{outcome=\"lost\"} 1";
    assert!(metrics.contains(lost), "{metrics}");
    let by_reason = door.node.status().access.audit_lost;
    assert_eq!(by_reason["held"] + by_reason["late"], 1, "{by_reason:?}");
    // From then on it is written again.
    door.get_as(&admin, "/api/v1/calls/held-2").await;
    let after = door
        .get_as(&admin, "/api/v1/audit?text=held-2")
        .await
        .json();
    assert_eq!(after["entries"][0]["subject"], "held-2", "{after}");
}

/// A file system of 1 MiB in memory, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = TempDir::new().expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(directory))
    }

    /// Takes all room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut filler = File::create(&path).expect("a file");
        for size in [64 << 10, 4 << 10, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node that a failed test leaves behind may still use it.
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_a_full_disk_does_not_take_are_counted_as_that() {
    let Some(disk) = SmallDisk::mount() else {
        skipped("no file system can be mounted here");
        return;
    };
    let directory = TempDir::new_in(disk.0.path()).expect("a directory");
    add_users(&directory, &EVERYBODY);
    let text = format!(
        "[node]\ndata_dir = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
        directory.path()
    );
    let config = Config::parse(&text, "hepcat.toml").expect("a good configuration");
    let node = Node::start(config).await.expect("it starts");
    let door = Door {
        page: node.page_address().expect("a page"),
        node,
        directory,
    };
    let admin = door.cookie("admin").await;
    let filler = disk.fill();
    let until = Instant::now() + Duration::from_secs(60);
    let mut asked = 0;
    while door.node.status().access.audit_lost["disk_full"] == 0 {
        // The write-ahead file may have room of its own for a while.
        let path = format!("/api/v1/calls/full-{asked}-{}", "x".repeat(400));
        let answer = door.get_as(&admin, &path).await;
        assert!(answer.status < 600, "{answer:?}");
        asked += 1;
        assert!(Instant::now() < until, "{:?}", door.node.status().access);
    }
    let metrics = door.get_as(&admin, "/metrics").await.body;
    assert!(
        metrics.contains("hepcat_audit_lost_total{reason=\"disk_full\"}"),
        "{metrics}"
    );
    // With room, it is written again, and says how much is missing.
    std::fs::remove_file(filler).expect("removed");
    door.get_as(&admin, "/api/v1/calls/room-again").await;
    let log = door.get_as(&admin, "/api/v1/audit?text=room-again").await;
    let log = log.json();
    assert_eq!(log["entries"][0]["subject"], "room-again", "{log}");
    assert!(log["lost"].as_u64() > Some(0), "{log}");
    drop(door);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_quarantine_is_hidden_like_anything_else() {
    let directory = TempDir::new().expect("a directory");
    add_users(&directory, &EVERYBODY);
    let masking = "masking = { viewer = [\"numbers\", \"digests\"] }";
    let config = configured(
        &directory,
        masking,
        "[agents]\nunknown_agents = \"quarantine\"",
    );
    let node = Node::start(config).await.expect("it starts");
    let door = Door {
        page: node.page_address().expect("a page"),
        node,
        directory,
    };
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut meta = Meta::default();
    meta.time_sec = u32::try_from(seconds.expect("after 1970").as_secs()).expect("before 2106");
    let payload = "INVITE sip:+12125550199@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKq\r\n\
        From: <sip:+33123456789@a.example>;tag=a\r\nTo: <sip:+12125550199@b.example>\r\nCall-ID: waits-1\r\n\
        CSeq: 1 INVITE\r\nAuthorization: Digest response=\"0a4f113b\"\r\nContent-Length: 0\r\n\r\n";
    let mut agent = FakeAgent::tcp(door.node.listening()[0].1);
    agent.send(&meta.v3(payload.as_bytes()));
    agent.finish();
    let admin = door.cookie("admin").await;
    let until = Instant::now() + Duration::from_secs(60);
    let waits = |answer: &Value| !answer["quarantined"].as_array().is_none_or(Vec::is_empty);
    let mut whole = String::new();
    while whole.is_empty() {
        let answer = door.get_as(&admin, "/api/v1/agents/127.0.0.1").await;
        if waits(&serde_json::from_str(&answer.body).unwrap_or_default()) {
            whole = answer.body;
        }
        assert!(Instant::now() < until, "nothing waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        whole.contains("+33123456789") && whole.contains("waits-1"),
        "{whole}"
    );
    for (role, there, hidden) in [
        ("viewer", "+3312345****", ["+33123456789", "0a4f113b"]),
        ("metadata", "waits-1", ["Authorization", "0a4f113b"]),
    ] {
        let cookie = door.cookie(role).await;
        let shown = door.get_as(&cookie, "/api/v1/agents/127.0.0.1").await.body;
        assert!(shown.contains(there), "{role}: {shown}");
        for word in hidden {
            assert!(!shown.contains(word), "{role} sees {word}: {shown}");
        }
    }
}
