//! Kamailio as a proxy that sends HEP (`siptrace`) and as a capture node that takes it (`sipcapture`).

use std::{fs, net::SocketAddr, process::Command};

use hepcat_testkit::program;

use crate::{
    free_port,
    ports::{is_tcp_bound, is_udp_bound},
    process::{Program, directory},
};

/// Where and how a [`Proxy`] sends its trace.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TraceTo {
    /// The collector.
    pub collector: SocketAddr,
    /// HEP version.
    pub version: u8,
    /// Over TCP, not UDP.
    pub tcp: bool,
}

impl TraceTo {
    /// A trace to `collector`.
    #[must_use]
    pub fn new(collector: SocketAddr, version: u8, tcp: bool) -> Self {
        Self {
            collector,
            version,
            tcp,
        }
    }
}

/// A Kamailio that forwards every request to one place and traces everything it receives and sends.
#[derive(Debug)]
pub struct Proxy {
    _program: Program,
    address: SocketAddr,
}

impl Proxy {
    /// The capture agent ID that it is given.
    pub const CAPTURE_ID: u32 = 2001;
    /// The authenticate key that it is given.
    pub const KEY: &'static str = "swordfish";

    /// Starts one that forwards to `next`; `None` where Kamailio is not installed.
    #[must_use]
    pub fn start(next: SocketAddr, trace: TraceTo) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let transport = if trace.tcp { "tcp" } else { "udp" };
        let config = format!(
            r#"
{COMMON}
listen=udp:{address}
listen=tcp:{address}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "siptrace.so"
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", {version})
modparam("siptrace", "hep_capture_id", {id})
modparam("siptrace", "auth_key", "{key}")
modparam("siptrace", "duplicate_uri", "sip:{collector};transport={transport}")
request_route {{
    $du = "sip:{next}";
    t_relay();
}}
"#,
            version = trace.version,
            id = Self::CAPTURE_ID,
            key = Self::KEY,
            collector = trace.collector,
        );
        Some(Self {
            _program: start(address, &config)?,
            address,
        })
    }

    /// Where it takes SIP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How a [`CaptureNode`] takes HEP; Kamailio does one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureOver {
    /// Versions 1, 2 and 3 in datagrams.
    Udp,
    /// Version 3 in a stream (`tcp_accept_hep3`).
    Tcp,
}

/// What a [`CaptureNode`] made of one HEP message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Captured {
    /// Method, or status code.
    pub what: String,
    /// `CSeq` as it stands.
    pub cseq: String,
    /// Call-ID.
    pub call_id: String,
    /// Source of the captured message.
    pub source: SocketAddr,
}

impl Captured {
    /// One of these parts.
    #[must_use]
    pub fn new(what: String, cseq: String, call_id: String, source: SocketAddr) -> Self {
        Self {
            what,
            cseq,
            call_id,
            source,
        }
    }
}

/// A Kamailio that takes HEP and says what it found in it.
#[derive(Debug)]
pub struct CaptureNode {
    program: Program,
    address: SocketAddr,
}

impl CaptureNode {
    /// Starts one; `None` where Kamailio is not installed.
    #[must_use]
    pub fn start(over: CaptureOver) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let tcp = over == CaptureOver::Tcp;
        let said = r#"CAPTURED|$hdr(CSeq)|$ci|$si:$sp|\n"#;
        // Kamailio 5.6 asks HEP over TCP for a Content-Length, as if it were SIP, unless told to do without.
        // It will not start without a database; a directory with one file of text is enough, as nothing is stored.
        let config = format!(
            r#"
{COMMON}
listen=udp:{address}
listen=tcp:{address}
tcp_accept_hep3={accept}
tcp_accept_no_cl={accept}
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "db_url", "text://DIRECTORY")
modparam("sipcapture", "capture_on", 1)
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "nonsip_hook", {nosip})
modparam("sipcapture", "insert_retries", 1)
request_route {{ xlog("L_ERR", "$rm|{said}"); drop; }}
reply_route {{ xlog("L_ERR", "$rs|{said}"); drop; }}
event_route[sipcapture:request] {{ return; }}
"#,
            accept = if tcp { "yes" } else { "no" },
            nosip = u8::from(tcp),
        );
        Some(Self {
            program: start(address, &config)?,
            address,
        })
    }

    /// Where it takes HEP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has taken so many messages; all of them, sorted.
    ///
    /// # Panics
    /// When it has not within 20 seconds.
    #[must_use]
    pub fn wait_for(&mut self, count: usize) -> Vec<Captured> {
        let what = format!("{count} messages were captured");
        let mut captured = self.program.wait_until(&what, |program| {
            let captured: Vec<Captured> = program.output().lines().filter_map(captured).collect();
            (captured.len() >= count).then_some(captured)
        });
        captured.sort();
        captured
    }
}

/// `...: INVITE|CAPTURED|1 INVITE|1-234@127.0.0.1|127.0.0.1:5060|`.
fn captured(line: &str) -> Option<Captured> {
    let (before, after) = line.split_once("|CAPTURED|")?;
    let mut fields = after.split('|');
    Some(Captured {
        what: before.rsplit(' ').next()?.to_owned(),
        cseq: fields.next()?.to_owned(),
        call_id: fields.next()?.to_owned(),
        source: fields.next()?.parse().ok()?,
    })
}

/// One process of each kind is enough, and with one the order is kept.
const COMMON: &str = r#"
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
"#;

fn start(address: SocketAddr, config: &str) -> Option<Program> {
    let binary = program("kamailio")?;
    let directory = directory();
    let path = directory.path().to_string_lossy().into_owned();
    let config = config.replace("DIRECTORY", &path);
    fs::write(directory.path().join("kamailio.cfg"), config).expect("write the configuration");
    let table = "table_name(string) table_version(int)\nsip_capture:4\n";
    fs::write(directory.path().join("version"), table).expect("write the table of versions");
    let mut command = Command::new(binary);
    command
        .args(["-DD", "-E", "-f", "kamailio.cfg", "-m", "32", "-M", "4"])
        .args([
            "-Y",
            &path,
            "-w",
            &path,
            "-P",
            &format!("{path}/kamailio.pid"),
        ]);
    let mut program = Program::start("Kamailio", command, directory);
    // Both are bound before its processes start; what comes earlier waits in the sockets.
    program.wait_until("its ports are bound", |_| {
        (is_udp_bound(address) && is_tcp_bound(address)).then_some(())
    });
    Some(program)
}
