//! One call of a scenario: what its agents see.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hepcat_wire::{EncodeError, IpProtocol, MessageBuilder, ProtocolType, Version};

use super::{
    media::{self, Figures},
    script::{Agent, Scenario, Step, What},
    sip::{self, Text, Via},
};

/// What one agent sees of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// When it was sent, since the call began.
    pub at: Duration,
    /// Which of [`Scenario::agents`] saw it.
    pub agent: usize,
    source: SocketAddr,
    destination: SocketAddr,
    ip_protocol: IpProtocol,
    protocol_type: ProtocolType,
    correlation_id: Option<String>,
    payload: Bytes,
    is_broken: bool,
}

impl Sighting {
    /// What was captured.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The frame that `agent` sends, which captured at `time`; its own clock may say something else.
    ///
    /// # Errors
    /// Where the agent's version cannot carry it.
    pub fn frame(&self, agent: &Agent, time: SystemTime) -> Result<Vec<u8>, EncodeError> {
        let ahead = Duration::from_micros(agent.clock_us.unsigned_abs());
        let told = if agent.clock_us < 0 {
            time.checked_sub(ahead)
        } else {
            time.checked_add(ahead)
        };
        let mut builder = MessageBuilder::new()
            .ip_protocol(self.ip_protocol)
            .source(self.source)
            .destination(self.destination)
            .payload(&self.payload);
        if agent.version != Version::V1 {
            builder = builder
                .time_at(told.unwrap_or(time))
                .capture_id(agent.capture_id);
        }
        if agent.version == Version::V3 {
            builder = builder
                .protocol_type(self.protocol_type)
                .node_name(agent.name.as_bytes());
            if let Some(id) = &self.correlation_id {
                builder = builder.correlation_id(id.as_bytes());
            }
        }
        let mut frame = builder.encode(agent.version)?;
        if self.is_broken
            && let Some(octet) = frame.get_mut(11)
        {
            // The first chunk says that it is shorter than its own header.
            *octet = 4;
        }
        Ok(frame)
    }
}

impl Scenario {
    /// What agents see of the call with this number, in the order in which it happens. The same number is the same call.
    #[must_use]
    pub fn play(&self, number: u64) -> Vec<Sighting> {
        let mut stage = Stage::new(self, number);
        let mut seen: Vec<Sighting> = self
            .steps
            .iter()
            .flat_map(|step| stage.step(step))
            .collect();
        seen.sort_by_key(|sighting| sighting.at);
        seen
    }
}

/// What the sender of a message puts into it, and proxies pass on.
#[derive(Clone)]
struct Carried {
    contact: Option<String>,
    program: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// A response that somebody got.
struct Answer {
    leg: usize,
    method: String,
    cseq: u32,
    code: u16,
    to: SocketAddr,
    tag: String,
    carried: Carried,
}

/// A request on one hop.
struct Transaction {
    leg: usize,
    method: String,
    cseq: u32,
    from: SocketAddr,
    to: SocketAddr,
    vias: Vec<Via>,
    by_caller: bool,
    carried: Carried,
    /// The last response on this hop, and its tag.
    answer: Option<(u16, String)>,
}

/// What is known of a leg while it is played.
struct Dialog {
    call_id: String,
    from_tag: String,
    /// Tag of the first response that had one, and of the 2xx.
    early: Option<String>,
    established: Option<String>,
    /// CSeq of the caller's requests, and of the callee's.
    cseq: (u32, u32),
    versions: u32,
}

struct Stage<'a> {
    scenario: &'a Scenario,
    number: u64,
    random: fastrand::Rng,
    /// Times are stretched by it, so that no two calls are alike.
    pace: f64,
    caller: String,
    callee: String,
    dialogs: Vec<Dialog>,
    transactions: Vec<Transaction>,
    answers: Vec<Answer>,
    /// Octets of what was sent, by hop and start line, to be sent again.
    sent: HashMap<(SocketAddr, SocketAddr, String), Bytes>,
}

impl<'a> Stage<'a> {
    fn new(scenario: &'a Scenario, number: u64) -> Self {
        let seed = scenario.name.bytes().fold(number, |seed, octet| {
            seed.wrapping_mul(31).wrapping_add(u64::from(octet))
        });
        let mut random = fastrand::Rng::with_seed(seed);
        let pace = 0.85 + random.f64() * 0.5;
        let phone = |random: &mut fastrand::Rng| {
            let prefixes = ["331", "334", "4930", "4420", "3906", "3491"];
            let prefix = prefixes[random.usize(..prefixes.len())];
            format!("+{prefix}{:07}", random.u32(..10_000_000))
        };
        let (caller, callee) = (phone(&mut random), phone(&mut random));
        let dialogs = scenario.legs.iter().map(|leg| Dialog {
            call_id: format!(
                "{:016x}-{}@{}.example.net",
                random.u64(..),
                leg.name,
                scenario.name
            ),
            from_tag: format!("{:08x}", random.u32(..)),
            early: None,
            established: None,
            cseq: (0, 0),
            versions: 0,
        });
        Self {
            scenario,
            number,
            pace,
            caller,
            callee,
            dialogs: dialogs.collect(),
            random,
            transactions: Vec::new(),
            answers: Vec::new(),
            sent: HashMap::new(),
        }
    }

    fn step(&mut self, step: &Step) -> Vec<Sighting> {
        let (from, to) = (self.address(&step.from), self.address(&step.to));
        let leg = step.options.get("leg").and_then(|name| {
            let mut legs = self.scenario.legs.iter();
            legs.position(|leg| leg.name == *name)
        });
        let leg = leg.unwrap_or(0);
        let call_id = self.dialogs.get(leg).map(|dialog| dialog.call_id.clone());
        let (protocol_type, correlation_id, payload) = match &step.what {
            What::Request(method) => {
                let octets = self.request(step, method, leg, from, to);
                (ProtocolType::SIP, None, octets)
            }
            What::Response(code, phrase) => {
                let octets = self.response(step, *code, phrase, leg, from, to);
                (ProtocolType::SIP, None, octets)
            }
            What::Rtcp => {
                let octets = media::sender_report(&self.figures(step));
                (ProtocolType::RTCP, call_id, octets.into())
            }
            What::Xr => {
                let octets = media::extended_report(&self.figures(step));
                (ProtocolType::RTCP, call_id, octets.into())
            }
            What::Log(text) => (
                ProtocolType::LOG,
                call_id,
                self.filled(text, leg).into_bytes().into(),
            ),
            What::Broken => (ProtocolType::SIP, None, Bytes::from_static(b"cut off")),
            What::Garbage(text) => (ProtocolType::SIP, None, text.clone().into_bytes().into()),
        };
        let at = step.at.mul_f64(self.pace);
        let sighting = Sighting {
            at,
            agent: 0,
            source: from,
            destination: to,
            ip_protocol: match self.scenario.transport.as_str() {
                "tcp" => IpProtocol::TCP,
                "tls" => IpProtocol::TLS,
                _ => IpProtocol::UDP,
            },
            protocol_type,
            correlation_id,
            payload,
            is_broken: step.what == What::Broken,
        };
        let beside = (0..).zip(&self.scenario.agents).filter(|(_, agent)| {
            agent.hosts.contains(&step.from) || agent.hosts.contains(&step.to)
        });
        beside
            .map(|(agent, spec)| Sighting {
                agent,
                // Who stands at the receiver sees it a moment later.
                at: at
                    + Duration::from_micros(if spec.hosts.contains(&step.from) {
                        0
                    } else {
                        700
                    }),
                ..sighting.clone()
            })
            .collect()
    }

    fn address(&self, name: &str) -> SocketAddr {
        let host = self.scenario.hosts.iter().find(|host| host.name == name);
        let text = host.map_or("0.0.0.0:0", |host| &host.address);
        let varying = 10 + (self.number * 7 + name.len() as u64) % 230;
        let address = text.replace("{x}", &varying.to_string());
        address
            .parse()
            .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn program(&self, name: &str) -> &'a str {
        let host = self.scenario.hosts.iter().find(|host| host.name == name);
        host.map_or("", |host| &host.user_agent)
    }

    fn request(
        &mut self,
        step: &Step,
        method: &str,
        leg: usize,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Bytes {
        let known = (from, to, format!("{leg} {method}"));
        if let Some(octets) = self
            .sent
            .get(&known)
            .filter(|_| step.options.contains_key("again"))
        {
            return octets.clone();
        }
        let scenario = self.scenario;
        let Some(hosts) = scenario.legs.get(leg) else {
            return Bytes::new();
        };
        let is_end = hosts.caller == step.from || hosts.callee == step.from;
        let got = (self.transactions.iter().rev())
            .find(|one| one.leg == leg && one.method == method && one.to == from);
        let passed_on = got
            .filter(|_| !is_end)
            .map(|got| (got.by_caller, got.carried.clone()));
        let (by_caller, carried) = match passed_on {
            Some((by_caller, carried)) => (by_caller, Some(carried)),
            None => (hosts.callee != step.from, None),
        };
        let (branch, cseq, vias) = match self.earlier(method, leg, from, to, is_end) {
            Some(earlier) => earlier,
            None => (None, self.next_cseq(method, leg, by_caller), Vec::new()),
        };
        let branch =
            branch.unwrap_or_else(|| format!("z9hG4bK{:012x}", self.random.u64(..1 << 48)));
        let mut stack = vec![Via {
            sent_by: from,
            branch,
        }];
        stack.extend(vias);
        let refused = self.refusal(leg, from, to).filter(|_| method == "ACK");
        let has_contact = matches!(
            method,
            "INVITE" | "REGISTER" | "SUBSCRIBE" | "REFER" | "UPDATE"
        );
        let carried =
            carried.unwrap_or_else(|| self.carried(step, leg, from, by_caller, has_contact));
        let Some(dialog) = self.dialogs.get(leg) else {
            return Bytes::new();
        };
        let to_tag = match method {
            "ACK" if refused.is_some() => refused,
            "CANCEL" => None,
            "INVITE" => dialog.established.clone(),
            _ => dialog.established.clone().or_else(|| dialog.early.clone()),
        };
        let user = match method {
            "REGISTER" => "",
            _ if by_caller => &self.callee,
            _ => &self.caller,
        };
        let at = if user.is_empty() { "" } else { "@" };
        let text = Text {
            start: format!("{method} sip:{user}{at}example.net SIP/2.0"),
            transport: &scenario.transport,
            vias: &stack,
            ends: self.ends(leg, by_caller, &dialog.from_tag, to_tag.as_deref()),
            call_id: &dialog.call_id,
            cseq: (cseq, method),
            contact: carried.contact.clone(),
            program: ("User-Agent", &carried.program),
            headers: &carried.headers,
            body: carried.body.clone(),
        };
        let octets = Bytes::from(text.octets());
        self.transactions.push(Transaction {
            leg,
            method: method.to_owned(),
            cseq,
            from,
            to,
            vias: stack,
            by_caller,
            carried,
            answer: None,
        });
        self.sent.insert(known, octets.clone());
        octets
    }

    /// What the sender of a message puts into it.
    fn carried(
        &mut self,
        step: &Step,
        leg: usize,
        from: SocketAddr,
        by_caller: bool,
        contact: bool,
    ) -> Carried {
        let headers = step.headers.iter();
        let user = if by_caller {
            &self.caller
        } else {
            &self.callee
        };
        let host = step.options.get("contact").cloned();
        let host = host.unwrap_or_else(|| from.to_string());
        Carried {
            contact: contact.then(|| format!("<sip:{user}@{host}>")),
            program: self.program(&step.from).to_owned(),
            headers: headers
                .map(|(name, value)| (name.clone(), self.filled(value, leg)))
                .collect(),
            body: self.body(step, leg, from),
        }
    }

    /// Branch (where it is not a new one), CSeq and the Vias below, of a request that follows from an earlier one.
    fn earlier(
        &self,
        method: &str,
        leg: usize,
        from: SocketAddr,
        to: SocketAddr,
        is_end: bool,
    ) -> Option<(Option<String>, u32, Vec<Via>)> {
        let mut of_leg = self.transactions.iter().rev().filter(|one| one.leg == leg);
        let invite = self.on_hop("INVITE", leg, from, to);
        match method {
            // The transaction of a CANCEL, and of the ACK of a refusal, is that of its INVITE on this hop.
            "CANCEL" => {
                let invite = invite?;
                Some((
                    Some(invite.vias.first()?.branch.clone()),
                    invite.cseq,
                    Vec::new(),
                ))
            }
            "ACK" if self.refusal(leg, from, to).is_some() => {
                let invite = invite?;
                Some((
                    Some(invite.vias.first()?.branch.clone()),
                    invite.cseq,
                    Vec::new(),
                ))
            }
            "ACK" if is_end => {
                let invite = of_leg.find(|one| one.method == "INVITE")?;
                Some((None, invite.cseq, Vec::new()))
            }
            _ if is_end => None,
            // Who is no end passes on what it got.
            _ => {
                let got = of_leg.find(|one| one.method == method && one.to == from)?;
                Some((None, got.cseq, got.vias.clone()))
            }
        }
    }

    fn on_hop(
        &self,
        method: &str,
        leg: usize,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Option<&Transaction> {
        let mut all = self.transactions.iter().rev();
        all.find(|one| one.leg == leg && one.method == method && one.from == from && one.to == to)
    }

    /// Tag of the refusal of the INVITE on this hop, where that is how it ended.
    fn refusal(&self, leg: usize, from: SocketAddr, to: SocketAddr) -> Option<String> {
        let (code, tag) = self.on_hop("INVITE", leg, from, to)?.answer.as_ref()?;
        (*code >= 300).then(|| tag.clone())
    }

    fn next_cseq(&mut self, method: &str, leg: usize, by_caller: bool) -> u32 {
        let Some(dialog) = self.dialogs.get_mut(leg) else {
            return 1;
        };
        let counter = if by_caller {
            &mut dialog.cseq.0
        } else {
            &mut dialog.cseq.1
        };
        if method != "ACK" {
            *counter += 1;
        }
        *counter
    }

    fn response(
        &mut self,
        step: &Step,
        code: u16,
        phrase: &str,
        leg: usize,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Bytes {
        let asked = step.options.get("for");
        let place = self.transactions.iter().rposition(|one| {
            let fits = asked.map_or(one.method != "ACK", |method| one.method == *method);
            one.leg == leg && fits && one.from == to && one.to == from
        });
        let Some(transaction) = place.and_then(|place| self.transactions.get(place)) else {
            return Bytes::new();
        };
        let (method, cseq, by_caller) = (
            transaction.method.clone(),
            transaction.cseq,
            transaction.by_caller,
        );
        let vias = transaction.vias.clone();
        let known = (from, to, format!("{leg} {code} {method} {cseq}"));
        if let Some(octets) = self
            .sent
            .get(&known)
            .filter(|_| step.options.contains_key("again"))
        {
            return octets.clone();
        }
        let is_end = (self.scenario.legs.get(leg))
            .is_some_and(|hosts| hosts.caller == step.from || hosts.callee == step.from);
        let mut got = self.answers.iter().rev().filter(|_| !is_end);
        let got = got.find(|answer| {
            answer.to == from
                && (answer.leg, answer.code, answer.cseq) == (leg, code, cseq)
                && answer.method == method
        });
        let (tag, carried) = match got.map(|got| (got.tag.clone(), got.carried.clone())) {
            Some(got) => got,
            None => {
                let is_dialog =
                    matches!(method.as_str(), "INVITE" | "SUBSCRIBE") && (101..300).contains(&code);
                let registered = method == "REGISTER" && code == 200;
                let carried = self.carried(
                    step,
                    leg,
                    from,
                    !by_caller || registered,
                    is_dialog || registered,
                );
                (self.tag(step, leg), carried)
            }
        };
        let scenario = self.scenario;
        let Some(dialog) = self.dialogs.get_mut(leg) else {
            return Bytes::new();
        };
        if by_caller
            && (101..300).contains(&code)
            && matches!(method.as_str(), "INVITE" | "SUBSCRIBE")
        {
            dialog.early.get_or_insert_with(|| tag.clone());
            if code >= 200 {
                dialog.established.get_or_insert_with(|| tag.clone());
            }
        }
        let to_tag = (code > 100).then(|| tag.clone());
        let Some(dialog) = self.dialogs.get(leg) else {
            return Bytes::new();
        };
        let text = Text {
            start: format!("SIP/2.0 {code} {phrase}"),
            transport: &scenario.transport,
            vias: &vias,
            ends: self.ends(leg, by_caller, &dialog.from_tag, to_tag.as_deref()),
            call_id: &dialog.call_id,
            cseq: (cseq, &method),
            contact: carried.contact.clone(),
            program: ("Server", &carried.program),
            headers: &carried.headers,
            body: carried.body.clone(),
        };
        let octets = Bytes::from(text.octets());
        if let Some(transaction) = place.and_then(|place| self.transactions.get_mut(place)) {
            transaction.answer = Some((code, tag.clone()));
        }
        self.answers.push(Answer {
            leg,
            method,
            cseq,
            code,
            to,
            tag,
            carried,
        });
        self.sent.insert(known, octets.clone());
        octets
    }

    /// Tag of the callee: the one that the dialog has, unless the scenario says another.
    fn tag(&self, step: &Step, leg: usize) -> String {
        let number = self.number;
        match (step.options.get("tag"), self.dialogs.get(leg)) {
            (Some(tag), _) => format!("{tag}-{number:x}"),
            (
                None,
                Some(Dialog {
                    established: Some(tag),
                    ..
                }),
            ) => tag.clone(),
            _ => format!(
                "{:x}t{leg}-{number:x}",
                number.wrapping_mul(0x9e37_79b9) & 0xff_ffff
            ),
        }
    }

    /// From and To. `to_tag` is always the callee's.
    fn ends(
        &self,
        leg: usize,
        by_caller: bool,
        from_tag: &str,
        to_tag: Option<&str>,
    ) -> (String, String) {
        let registers = self
            .scenario
            .legs
            .get(leg)
            .is_some_and(|leg| leg.name == "reg");
        let callee = if registers {
            &self.caller
        } else {
            &self.callee
        };
        let caller = format!("<sip:{}@example.net>;tag={from_tag}", self.caller);
        let callee = match to_tag {
            Some(tag) => format!("<sip:{callee}@example.net>;tag={tag}"),
            None => format!("<sip:{callee}@example.net>"),
        };
        if by_caller {
            (caller, callee)
        } else {
            (callee, caller)
        }
    }

    fn body(&mut self, step: &Step, leg: usize, from: SocketAddr) -> Option<String> {
        let codecs = step.options.get("sdp")?;
        let direction = step.options.get("dir").map_or("sendrecv", String::as_str);
        let dialog = self.dialogs.get_mut(leg)?;
        dialog.versions += 1;
        let port = 20_000 + u16::try_from((self.number * 4 + leg as u64 * 2) % 20_000).unwrap_or(0);
        let ip = match step.options.get("media") {
            Some(name) => match name.parse() {
                Ok(ip) => ip,
                Err(_) => self.address(name).ip(),
            },
            None => from.ip(),
        };
        let version = self.dialogs.get(leg)?.versions;
        Some(sip::description(
            SocketAddr::new(ip, port),
            codecs,
            direction,
            version,
        ))
    }

    fn figures(&self, step: &Step) -> Figures {
        let figure = |name: &str, usual: f64| {
            let given = step.options.get(name).and_then(|text| text.parse().ok());
            given.unwrap_or(usual)
        };
        Figures {
            loss_percent: figure("loss", 0.2),
            jitter_ms: figure("jitter", 4.0),
            round_trip_ms: step
                .options
                .get("rtt")
                .and_then(|text| text.parse().ok())
                .unwrap_or(38),
            mos: figure("mos", 4.3),
            ssrc: self.ssrc(&step.from),
            packets: u32::try_from(step.at.as_millis() / 20).unwrap_or(u32::MAX),
        }
    }

    /// The media of one sender has one SSRC throughout its call.
    fn ssrc(&self, sender: &str) -> u32 {
        let mut hash = 0x811c_9dc5_u32;
        for octet in sender.bytes().chain(self.number.to_be_bytes()) {
            hash = (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
        }
        hash
    }

    /// `text` with `{call_id}`, `{call_id:LEG}`, `{caller}`, `{callee}` and `{n}` filled in.
    fn filled(&self, text: &str, leg: usize) -> String {
        let mut filled = text
            .replace("{caller}", &self.caller)
            .replace("{callee}", &self.callee)
            .replace("{n}", &format!("{:08x}", self.number));
        if let Some(dialog) = self.dialogs.get(leg) {
            filled = filled
                .replace("{call_id}", &dialog.call_id)
                .replace("{from_tag}", &dialog.from_tag)
                .replace(
                    "{to_tag}",
                    dialog.established.as_deref().unwrap_or_default(),
                );
        }
        for (ends, dialog) in self.scenario.legs.iter().zip(&self.dialogs) {
            filled = filled.replace(&format!("{{call_id:{}}}", ends.name), &dialog.call_id);
        }
        filled
    }
}
