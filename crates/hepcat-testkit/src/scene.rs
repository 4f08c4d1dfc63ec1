//! Calls as agents see them: SIP messages with who saw them, when, and between whom.
//!
//! ```
//! use hepcat_testkit::scene::{Leg, Scene, Sip};
//!
//! let leg = Leg::new("1@atlanta", "alice", "bob");
//! let mut scene = Scene::new();
//! scene.add("edge", 0, "10.0.0.1:5060", "10.0.0.2:5060", &Sip::request("OPTIONS", &leg, 1));
//! scene.add("edge", 20, "10.0.0.2:5060", "10.0.0.1:5060", &Sip::response(200, "OK", &leg, 1, "OPTIONS"));
//! assert_eq!(scene.observations.len(), 2);
//! ```

use std::net::SocketAddr;

/// When scenes begin: 2023-11-14 22:13:20 UTC, in microseconds.
pub const START_US: i64 = 1_700_000_000_000_000;

/// Who talks to whom in one leg.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Call-ID.
    pub call_id: String,
    /// From: user, and tag `f-USER`.
    pub caller: String,
    /// To: user, and tag `t-USER`.
    pub callee: String,
}

impl Leg {
    /// A leg between two users of `example.net`.
    #[must_use]
    pub fn new(call_id: &str, caller: &str, callee: &str) -> Self {
        Self {
            call_id: call_id.into(),
            caller: caller.into(),
            callee: callee.into(),
        }
    }
}

/// A SIP message in the making.
#[derive(Debug, Clone)]
pub struct Sip {
    start: String,
    vias: Vec<String>,
    from: String,
    to: String,
    to_tag: Option<String>,
    call_id: String,
    cseq: String,
    headers: Vec<(String, String)>,
    body: Option<(String, String)>,
    compact: bool,
}

impl Sip {
    /// A request outside a dialog, from the caller.
    #[must_use]
    pub fn request(method: &str, leg: &Leg, cseq: u32) -> Self {
        let mut sip = Self::of(leg, cseq, method);
        sip.start = format!("{method} sip:{}@example.net SIP/2.0", leg.callee);
        sip
    }

    /// A response of the callee.
    #[must_use]
    pub fn response(code: u16, phrase: &str, leg: &Leg, cseq: u32, method: &str) -> Self {
        let mut sip = Self::of(leg, cseq, method);
        sip.start = format!("SIP/2.0 {code} {phrase}");
        sip.to_tag = (code > 100).then(|| format!("t-{}", leg.callee));
        sip
    }

    fn of(leg: &Leg, cseq: u32, method: &str) -> Self {
        Self {
            start: String::new(),
            // The transaction of a CANCEL, and of the ACK of a refusal, is that of its INVITE.
            vias: vec![format!(
                "z9hG4bK-{}-{cseq}-{}",
                leg.call_id,
                if method == "CANCEL" { "INVITE" } else { method }
            )],
            from: format!("<sip:{0}@example.net>;tag=f-{0}", leg.caller),
            to: format!("<sip:{}@example.net>", leg.callee),
            to_tag: None,
            call_id: leg.call_id.clone(),
            cseq: format!("{cseq} {method}"),
            headers: Vec::new(),
            body: None,
            compact: false,
        }
    }

    /// Inside the dialog: with the callee's tag.
    #[must_use]
    pub fn inside(mut self, leg: &Leg) -> Self {
        self.to_tag = Some(format!("t-{}", leg.callee));
        self
    }

    /// From the callee to the caller, or a response to such a request: From and To change places.
    #[must_use]
    pub fn backwards(mut self, leg: &Leg) -> Self {
        if !self.start.starts_with("SIP/") {
            let method = self.cseq.split(' ').next_back().unwrap_or_default();
            self.start = format!("{method} sip:{}@example.net SIP/2.0", leg.caller);
        }
        self.from = format!("<sip:{0}@example.net>;tag=t-{0}", leg.callee);
        self.to = format!("<sip:{}@example.net>", leg.caller);
        self.to_tag = Some(format!("f-{}", leg.caller));
        if let Some(via) = self.vias.first_mut() {
            via.push_str("-back");
        }
        self
    }

    /// With this tag in To.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        self.to_tag = Some(tag.into());
        self
    }

    /// With these From and To instead, tags included.
    #[must_use]
    pub fn parties(mut self, from: &str, to: &str) -> Self {
        (self.from, self.to) = (from.into(), to.into());
        self
    }

    /// With this start line.
    #[must_use]
    pub fn start_line(mut self, line: &str) -> Self {
        self.start = line.into();
        self
    }

    /// With these Via branches, the topmost first.
    #[must_use]
    pub fn vias(mut self, branches: &[&str]) -> Self {
        self.vias = branches.iter().map(|branch| (*branch).to_owned()).collect();
        self
    }

    /// With another header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With an audio description: address, port, codecs as `8 PCMA/8000`, direction.
    #[must_use]
    pub fn sdp(self, address: &str, port: u16, codecs: &[&str], direction: &str) -> Self {
        let types: Vec<&str> = codecs
            .iter()
            .filter_map(|codec| codec.split(' ').next())
            .collect();
        let family = if address.contains(':') { "IP6" } else { "IP4" };
        let mut body = format!(
            "v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP {}\r\n",
            types.join(" ")
        );
        for codec in codecs.iter().filter(|codec| codec.contains('/')) {
            body.push_str(&format!("a=rtpmap:{codec}\r\n"));
        }
        body.push_str(&format!("a={direction}\r\n"));
        self.body("application/sdp", &body)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        self.body = Some((content_type.into(), body.into()));
        self
    }

    /// With compact names of header fields.
    #[must_use]
    pub fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let name =
            |long: &'static str, short: &'static str| if self.compact { short } else { long };
        let mut text = format!("{}\r\n", self.start);
        for via in &self.vias {
            text.push_str(&format!(
                "{}: SIP/2.0/UDP host.example.net;branch={via}\r\n",
                name("Via", "v")
            ));
        }
        text.push_str(&format!("{}: {}\r\n", name("From", "f"), self.from));
        let tag = self
            .to_tag
            .as_ref()
            .map(|tag| format!(";tag={tag}"))
            .unwrap_or_default();
        text.push_str(&format!("{}: {}{tag}\r\n", name("To", "t"), self.to));
        text.push_str(&format!(
            "{}: {}\r\nCSeq: {}\r\n",
            name("Call-ID", "i"),
            self.call_id,
            self.cseq
        ));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let (content_type, body) = self
            .body
            .as_ref()
            .map_or(("", ""), |(kind, body)| (kind, body));
        if !content_type.is_empty() {
            text.push_str(&format!(
                "{}: {content_type}\r\n",
                name("Content-Type", "c")
            ));
        }
        text.push_str(&format!(
            "{}: {}\r\n\r\n{body}",
            name("Content-Length", "l"),
            body.len()
        ));
        text.into_bytes()
    }
}

/// One observation of one message.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Who saw it.
    pub agent: String,
    /// When, by that agent's clock, in microseconds since 1970.
    pub sent_us: i64,
    /// When it came to us, by our clock.
    pub received_us: i64,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// HEP protocol type.
    pub protocol_type: u8,
    /// What was seen.
    pub payload: Vec<u8>,
    /// HEP chunk 0x0011.
    pub correlation_id: Option<String>,
    /// HEP chunk 0x0065.
    pub extra_correlation: Option<String>,
}

/// What agents saw, in the order of time.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// All of it.
    pub observations: Vec<Observation>,
    skews: Vec<(String, i64)>,
}

impl Scene {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock of `agent` is off by so many milliseconds from now on; ahead where positive.
    pub fn skew(&mut self, agent: &str, millis: i64) {
        self.skews.push((agent.into(), millis));
    }

    /// `agent` sees `sip` `at` milliseconds after the start.
    pub fn add(
        &mut self,
        agent: &str,
        at: i64,
        source: &str,
        destination: &str,
        sip: &Sip,
    ) -> &mut Observation {
        self.add_other(agent, at, source, destination, 1, &sip.octets())
    }

    /// `agent` sees something else, of a HEP protocol type.
    ///
    /// # Panics
    /// Where an address is not one.
    pub fn add_other(
        &mut self,
        agent: &str,
        at: i64,
        source: &str,
        destination: &str,
        protocol_type: u8,
        payload: &[u8],
    ) -> &mut Observation {
        let skew = self
            .skews
            .iter()
            .rev()
            .find(|(name, _)| name == agent)
            .map_or(0, |(_, skew)| *skew);
        let true_us = START_US + at * 1_000;
        self.observations.push(Observation {
            agent: agent.into(),
            sent_us: true_us + skew * 1_000,
            received_us: true_us + 1_000,
            source: source.parse().expect("an address and port"),
            destination: destination.parse().expect("an address and port"),
            protocol_type,
            payload: payload.to_vec(),
            correlation_id: None,
            extra_correlation: None,
        });
        self.observations.last_mut().expect("it was just added")
    }
}
