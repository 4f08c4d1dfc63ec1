//! A spool on a disk that is really full: a small file system in memory, where mounting one is allowed.

use std::{path::Path, process::Command};

use hepcat_testkit::{
    FakeAgent, FakeCollector, NodeProcess,
    frame::{sip_options, sip_v3},
    skipped,
};
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// A file system of 2 MiB, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node that a failed test leaves behind may still use it.
        Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status()
            .ok();
    }
}

fn sink(status: &Value) -> Value {
    let sinks = status["sinks"].as_array().expect("sinks");
    let homer = sinks.iter().find(|sink| sink["name"] == "homer");
    homer.cloned().expect("the destination")
}

#[test]
fn a_spool_on_a_full_disk_counts_what_it_cannot_keep_and_goes_on() {
    let Some(disk) = SmallDisk::mount() else {
        skipped("no file system can be mounted here");
        return;
    };
    let collector = FakeCollector::refusing();
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[node]
data_dir = "{}"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
[[destination]]
name = "homer"
socket = "hep_tcp:{}"
queue = {{ frames = 500 }}
spool = {{ replay_rate = 1_000_000 }}
"#,
            disk.path().display(),
            collector.address()
        ),
    );
    let frames = 20_000_u64;
    let mut agent = FakeAgent::tcp(node.listener("in"));
    for number in 0..frames {
        agent.send(&sip_v3(sip_options(&format!("{number:08}@full"))));
    }
    let status = node.wait_for_status("everything is somewhere", |status| {
        let homer = sink(status);
        homer["offered"] == frames && homer["dropped"]["spool_failed"].as_u64() > Some(0)
    });
    let homer = sink(&status);
    assert_eq!(homer["unaccounted"], 0, "{homer:#}");
    assert!(homer["spooled"].as_u64() > Some(1000), "{homer:#}");
    assert!(
        homer["destination"]["spool"]["failing"].is_string(),
        "{homer:#}"
    );
    collector.listen();
    // Room comes back as files are delivered, and with it the spool.
    let status = node.wait_for_status("everything else is delivered", |status| {
        let homer = sink(status);
        homer["spooled"] == 0 && homer["queued"] == 0
    });
    let homer = sink(&status);
    let dropped: u64 = homer["dropped"]
        .as_object()
        .expect("by reason")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    let delivered = homer["delivered"].as_u64().expect("a count");
    assert_eq!(delivered + dropped, frames, "{homer:#}");
    collector.wait_for_accepted(1);
    let count = usize::try_from(delivered).expect("a small one");
    assert_eq!(collector.wait_for(count).len(), count);
    drop(node);
}
