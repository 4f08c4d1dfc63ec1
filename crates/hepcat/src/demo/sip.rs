//! SIP messages of scenarios as text.

use std::{fmt::Write as _, net::SocketAddr};

/// One hop of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Via {
    pub(super) sent_by: SocketAddr,
    pub(super) branch: String,
}

/// Everything that is written.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    pub(super) start: String,
    pub(super) transport: &'a str,
    pub(super) vias: &'a [Via],
    /// From with its tag, To with its tag.
    pub(super) ends: (String, String),
    pub(super) call_id: &'a str,
    pub(super) cseq: (u32, &'a str),
    /// Contact, where the message has one.
    pub(super) contact: Option<String>,
    /// `User-Agent` of a request, `Server` of a response.
    pub(super) program: (&'a str, &'a str),
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Option<String>,
}

impl Text<'_> {
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            // Writing into a string does not fail.
            write!(text, "{name}: {value}\r\n").ok();
        };
        for via in self.vias {
            let transport = self.transport.to_ascii_uppercase();
            add(
                "Via",
                &format_args!(
                    "SIP/2.0/{transport} {};branch={};rport",
                    via.sent_by, via.branch
                ),
            );
        }
        if !self.start.starts_with("SIP/") {
            add("Max-Forwards", &71usize.saturating_sub(self.vias.len()));
        }
        add("From", &self.ends.0);
        add("To", &self.ends.1);
        add("Call-ID", &self.call_id);
        add("CSeq", &format_args!("{} {}", self.cseq.0, self.cseq.1));
        if let Some(contact) = &self.contact {
            add("Contact", contact);
        }
        let (name, program) = self.program;
        if !program.is_empty() {
            add(name, &program);
        }
        for (name, value) in self.headers {
            add(name, value);
        }
        let body = self.body.as_deref().unwrap_or_default();
        if !body.is_empty() {
            add("Content-Type", &"application/sdp");
        }
        add("Content-Length", &body.len());
        text.push_str("\r\n");
        text.push_str(body);
        text.into_bytes()
    }
}

/// An audio description.
pub(super) fn description(
    media: SocketAddr,
    codecs: &str,
    direction: &str,
    version: u32,
) -> String {
    let family = if media.is_ipv6() { "IP6" } else { "IP4" };
    let ip = media.ip();
    let codecs: Vec<(u8, &str)> = codecs.split(',').map(format).collect();
    let types: Vec<String> = codecs
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    let mut text = format!(
        "v=0\r\no=- {0} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {1} RTP/AVP {2} 101\r\n",
        media.port(),
        media.port(),
        types.join(" ")
    );
    for (number, map) in codecs {
        text.push_str(&format!("a=rtpmap:{number} {map}\r\n"));
    }
    text.push_str("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n");
    text.push_str(&format!("a={direction}\r\n"));
    text
}

/// Payload type and mapping of a codec (RFC 3551; dynamic ones as phones commonly number them).
fn format(name: &str) -> (u8, &'static str) {
    match name {
        "PCMU" => (0, "PCMU/8000"),
        "G722" => (9, "G722/8000"),
        "G729" => (18, "G729/8000"),
        "opus" => (96, "opus/48000/2"),
        _ => (8, "PCMA/8000"),
    }
}
