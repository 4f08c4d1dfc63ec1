//! Wireshark without its window: what it makes of a capture file.

use std::{collections::HashMap, fs, process::Command};

use hepcat_testkit::program;

use crate::process::{Program, directory};

/// Divides fields, and nothing else does.
const SEPARATOR: char = '\u{1f}';

/// The fields of each packet of a capture file, as `tshark` understands it.
#[derive(Debug)]
pub struct Dissected {
    packets: Vec<HashMap<&'static str, String>>,
}

impl Dissected {
    /// Lets `tshark` read a capture file and say `fields` of each packet (names as in its display filters), checksums
    /// verified. `None` where it is not installed.
    ///
    /// # Panics
    /// When it finds a fault in the file.
    #[must_use]
    pub fn of(file: &[u8], fields: &[&'static str]) -> Option<Self> {
        let tshark = program("tshark")?;
        let directory = directory();
        let capture = directory.path().join("capture.pcapng");
        fs::write(&capture, file).expect("write a file");
        let mut command = Command::new(tshark);
        command
            .arg("-r")
            .arg(capture)
            // No names of hosts or ports, and no settings of whoever runs this.
            .args(["-n", "-T", "fields"])
            .args(["-E", &format!("separator={SEPARATOR}")])
            .env("HOME", directory.path());
        for layer in ["ip", "tcp", "udp"] {
            command.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
        }
        command.args(["-o", "sctp.checksum:CRC 32c"]);
        for field in fields {
            command.args(["-e", field]);
        }
        let mut tshark = Program::start("tshark", command, directory);
        let status = tshark.wait_for_exit();
        let output = tshark.output();
        assert!(status.success(), "{status}: {output}");
        let packets = output
            .lines()
            .filter(|line| line.contains(SEPARATOR))
            .map(|line| {
                fields
                    .iter()
                    .copied()
                    .zip(line.split(SEPARATOR).map(str::to_owned))
            })
            .map(HashMap::from_iter)
            .collect();
        Some(Self { packets })
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The field of each packet; empty where it has none.
    #[must_use]
    pub fn all(&self, field: &str) -> Vec<&str> {
        let values = self.packets.iter().map(|packet| packet.get(field));
        values
            .map(|value| value.map_or("", String::as_str))
            .collect()
    }
}
