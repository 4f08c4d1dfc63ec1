//! SIP traffic of realistic entropy: what a store has to compress and to find again.
//!
//! Calls of 7 to 14 messages that overlap as they do at the given rate, registrations of 4 and keep-alives of 2, in
//! the shares 74, 18 and 8 % of messages. Tags, branches, nonces and Call-IDs are random, numbers are drawn from
//! skewed users and wide externals, payloads have 787 octets in the mean. The same seed gives the same traffic.
//!
//! Random are 12 octets of a Call-ID, 8 of each branch, 5 and 7 of the tags, 16 of a nonce and of what answers it, 4 of a
//! cnonce, 4 of an SDP session: as much as in the frames of real agents in `testdata` or more, which no compression takes
//! away.

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Write as _, rc::Rc};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// What a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    /// A call.
    Call,
    /// A registration.
    Registration,
    /// A keep-alive.
    Options,
}

/// One message, its fields as a scanner would find them.
#[derive(Debug, Clone, Default)]
pub struct SipMessage {
    /// When it was captured, microseconds since 1970.
    pub at: i64,
    /// What it belongs to.
    pub dialog: Option<Dialog>,
    /// Method of a request.
    pub method: Option<&'static str>,
    /// Status code of a response.
    pub status: Option<u16>,
    /// Number of the CSeq.
    pub cseq: u32,
    /// Method of the CSeq.
    pub cseq_method: &'static str,
    /// Call-ID.
    pub call_id: String,
    /// User of the From URI.
    pub from_user: String,
    /// Tag of From.
    pub from_tag: String,
    /// User of the To URI.
    pub to_user: String,
    /// Tag of To, where there is one yet.
    pub to_tag: Option<String>,
    /// Host of both URIs.
    pub host: String,
    /// Branch of the topmost Via.
    pub branch: String,
    /// User-Agent.
    pub user_agent: &'static str,
    /// Source address and port.
    pub source: (String, u16),
    /// Destination address and port.
    pub destination: (String, u16),
    /// The SIP message.
    pub payload: Vec<u8>,
    /// The HEPv3 frame around it.
    pub frame: Vec<u8>,
    /// Where in the frame the payload begins.
    pub payload_at: usize,
    /// Where in the frame the seconds stand.
    pub seconds_at: usize,
    /// Where in the frame the microseconds stand.
    pub micros_at: usize,
    /// Whether nothing follows in its dialog.
    pub is_last: bool,
}

impl SipMessage {
    /// Writes another time of capture into the message and its frame, microseconds since 1970.
    pub fn set_time(&mut self, at: i64) {
        self.at = at;
        let (seconds, micros) = wire_time(at);
        for (place, value) in [(self.seconds_at, seconds), (self.micros_at, micros)] {
            if let Some(octets) = self.frame.get_mut(place..place + 4) {
                octets.copy_from_slice(&value.to_be_bytes());
            }
        }
    }
}

/// One message of a dialog, before it is written.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Microseconds after the begin of the dialog.
    after: i64,
    method: Option<&'static str>,
    status: Option<u16>,
    cseq: u32,
    cseq_method: &'static str,
    /// Which transaction, for the branch.
    transaction: u8,
    /// Whether the caller sends it.
    forth: bool,
    sdp: bool,
    authorized: bool,
}

#[derive(Debug)]
struct Parties {
    dialog: Dialog,
    call_id: String,
    from_user: String,
    from_tag: String,
    to_user: String,
    to_tag: String,
    host: String,
    user_agent: &'static str,
    caller: (String, u16),
    proxy: (String, u16),
    branches: [String; 4],
    nonce: String,
    response: String,
    cnonce: String,
    sdp: [String; 2],
    steps: Vec<Step>,
}

/// An endless stream of messages in the order of their times.
#[derive(Debug)]
pub struct Traffic {
    random: fastrand::Rng,
    /// Microseconds from one dialog's begin to the next, in the mean.
    gap: f64,
    next_begin: f64,
    /// Due, number of the dialog's step, dialog.
    due: BinaryHeap<Reverse<(i64, u64, Pending)>>,
    serial: u64,
}

#[derive(Debug)]
struct Pending {
    parties: Rc<Parties>,
    begin: i64,
    step: usize,
}

impl PartialEq for Pending {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// Messages of a dialog in the mean, over the three kinds in their shares.
const MESSAGES_PER_DIALOG: f64 = 100.0 / (74.0 / 10.5 + 18.0 / 4.0 + 8.0 / 2.0);

const AGENTS: [&str; 8] = [
    "Yealink SIP-T46U 108.86.0.45",
    "Zoiper rv2.10.19.9",
    "Asterisk PBX 20.9.2",
    "FreeSWITCH-mod_sofia/1.10.12-release",
    "snomD785/10.1.175.16",
    "Grandstream GXP2170 1.0.11.84",
    "PolycomVVX-VVX_450-UA/6.4.6.2494",
    "Linphone-Desktop/5.2.6 (Windows 10) liblinphone/5.3.74",
];

impl Traffic {
    /// Traffic of `rate` messages a second that begins at `begin`, microseconds since 1970.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "times of this century are exact enough"
    )]
    pub fn new(rate: f64, begin: i64, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            gap: MESSAGES_PER_DIALOG / rate * 1e6,
            next_begin: begin as f64,
            due: BinaryHeap::new(),
            serial: 0,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "times fit 63 bits")]
    fn begin_dialogs(&mut self) {
        loop {
            let begin = self.next_begin as i64;
            if self
                .due
                .peek()
                .is_some_and(|Reverse((due, ..))| *due <= begin)
            {
                return;
            }
            let parties = Rc::new(self.parties());
            self.next_begin += self.gap * 2.0 * self.random.f64();
            self.queue(parties, begin, 0);
        }
    }

    fn queue(&mut self, parties: Rc<Parties>, begin: i64, step: usize) {
        if let Some(after) = parties.steps.get(step).map(|step| step.after) {
            self.serial += 1;
            let pending = Pending {
                parties,
                begin,
                step,
            };
            self.due
                .push(Reverse((begin + after, self.serial, pending)));
        }
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| self.random.digit(16)).collect()
    }

    /// Skewed: a few users make most of the calls.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a user's number is small and positive"
    )]
    fn user(&mut self) -> String {
        let skewed = self.random.f64().powi(3) * 300_000.0;
        format!("+3314{:07}", skewed as u32)
    }

    fn parties(&mut self) -> Parties {
        let dialog = match self.random.f64() * (74.0 / 10.5 + 18.0 / 4.0 + 8.0 / 2.0) {
            share if share < 74.0 / 10.5 => Dialog::Call,
            share if share < 74.0 / 10.5 + 4.5 => Dialog::Registration,
            _ => Dialog::Options,
        };
        let from_user = self.user();
        let to_user = match dialog {
            Dialog::Call => format!(
                "00{}{:08}",
                self.random.u32(30..50),
                self.random.u32(0..8_000_000)
            ),
            _ => from_user.clone(),
        };
        let access = self.random.u32(0..60_000);
        let agent = self.random.usize(..AGENTS.len());
        let caller = format!(
            "10.{}.{}.{}",
            access >> 14,
            (access >> 7) & 127,
            access & 127
        );
        let media: Vec<String> = (0..2)
            .map(|_| {
                let session = self.random.u32(..);
                let port = self.random.u16(8_000..32_000) * 2;
                format!(
                    "v=0\r\no=- {session} {session} IN IP4 {caller}\r\ns=call\r\nc=IN IP4 {caller}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
                )
            })
            .collect();
        let [first, second]: [String; 2] = media.try_into().unwrap_or_default();
        Parties {
            dialog,
            call_id: format!("{}-{}@{caller}", self.hex(8), self.hex(16)),
            from_tag: self.hex(10),
            to_tag: self.hex(14),
            host: format!("pbx{}.example.net", self.random.u32(0..40)),
            user_agent: AGENTS.get(agent).copied().unwrap_or_default(),
            caller: (caller, self.random.u16(1_024..65_000)),
            proxy: (format!("192.0.2.{}", self.random.u8(1..5)), 5_060),
            branches: std::array::from_fn(|_| format!("z9hG4bK{}", self.hex(16))),
            nonce: self.hex(32),
            response: self.hex(32),
            cnonce: self.hex(8),
            sdp: [first, second],
            steps: self.steps(dialog),
            from_user,
            to_user,
        }
    }

    fn steps(&mut self, dialog: Dialog) -> Vec<Step> {
        let mut at = 0;
        let mut steps = Vec::new();
        let mut add = |random: &mut fastrand::Rng, wait: (i64, i64), step: Step| {
            at += random.i64(wait.0..wait.1);
            steps.push(Step { after: at, ..step });
        };
        let request = |method: &'static str, cseq: u32, transaction: u8| Step {
            after: 0,
            method: Some(method),
            status: None,
            cseq,
            cseq_method: method,
            transaction,
            forth: true,
            sdp: method == "INVITE",
            authorized: cseq > 1,
        };
        let response = |status: u16, to: Step| Step {
            method: None,
            status: Some(status),
            forth: !to.forth,
            sdp: status == 200 && to.cseq_method == "INVITE",
            authorized: false,
            ..to
        };
        let near = (500, 20_000);
        let random = &mut self.random;
        match dialog {
            Dialog::Options => {
                let options = request("OPTIONS", 1, 0);
                add(random, (0, 1), options);
                add(random, near, response(200, options));
            }
            Dialog::Registration => {
                for (cseq, transaction, status) in [(1, 0, 401), (2, 1, 200)] {
                    let register = request("REGISTER", cseq, transaction);
                    add(random, near, register);
                    add(random, near, response(status, register));
                }
            }
            Dialog::Call => {
                let mut invite = request("INVITE", 1, 0);
                if random.f64() < 0.7 {
                    add(random, (0, 1), invite);
                    add(random, near, response(407, invite));
                    add(
                        random,
                        near,
                        Step {
                            method: Some("ACK"),
                            cseq_method: "ACK",
                            sdp: false,
                            ..invite
                        },
                    );
                    invite = request("INVITE", 2, 1);
                }
                add(random, near, invite);
                add(random, near, response(100, invite));
                add(random, (200_000, 3 * SECOND), response(180, invite));
                if random.bool() {
                    add(random, (200_000, 3 * SECOND), response(183, invite));
                }
                let ack = Step {
                    method: Some("ACK"),
                    cseq_method: "ACK",
                    sdp: false,
                    transaction: 2,
                    ..invite
                };
                if random.f64() < 0.7 {
                    add(random, (SECOND, 12 * SECOND), response(200, invite));
                    add(random, near, ack);
                    let talk = 150.0 * random.f64() * random.f64();
                    let bye = Step {
                        forth: random.bool(),
                        ..request("BYE", invite.cseq + 1, 3)
                    };
                    #[expect(clippy::cast_possible_truncation, reason = "seconds of a call")]
                    let talk = talk as i64 * SECOND + 1;
                    add(random, (talk, talk + SECOND), bye);
                    add(random, near, response(200, bye));
                    if random.bool() {
                        add(random, (500_000, SECOND), bye);
                        add(random, near, response(481, bye));
                    }
                } else {
                    let status = [486, 487, 404, 480, 503].get(random.usize(..5)).copied();
                    add(
                        random,
                        (SECOND, 20 * SECOND),
                        response(status.unwrap_or(486), invite),
                    );
                    add(
                        random,
                        near,
                        Step {
                            transaction: invite.transaction,
                            ..ack
                        },
                    );
                }
            }
        }
        steps
    }
}

impl Iterator for Traffic {
    type Item = SipMessage;

    fn next(&mut self) -> Option<SipMessage> {
        self.begin_dialogs();
        let Reverse((at, _, pending)) = self.due.pop()?;
        let message = render(&pending.parties, pending.step, at);
        self.queue(Rc::clone(&pending.parties), pending.begin, pending.step + 1);
        Some(message)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        _ => "Service Unavailable",
    }
}

fn render(parties: &Parties, step: usize, at: i64) -> SipMessage {
    let is_last = step + 1 == parties.steps.len();
    let Some(step) = parties.steps.get(step) else {
        return SipMessage::default();
    };
    let (host, proxy) = (&parties.host, &parties.proxy.0);
    let branch = parties
        .branches
        .get(usize::from(step.transaction))
        .cloned()
        .unwrap_or_default();
    let to_tag = (step.transaction > 1 || step.status.is_some_and(|status| status > 100))
        .then(|| parties.to_tag.clone());
    let mut text = String::with_capacity(1_400);
    // Writing to a string does not fail.
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).unwrap_or_default();
    };
    match (step.method, step.status) {
        (Some(method), _) => line(format_args!(
            "{method} sip:{}@{host};user=phone SIP/2.0\r\n",
            parties.to_user
        )),
        (None, status) => {
            let status = status.unwrap_or(200);
            line(format_args!("SIP/2.0 {status} {}\r\n", reason(status)));
        }
    }
    line(format_args!(
        "Via: SIP/2.0/UDP {}:{};branch={branch};rport\r\n",
        parties.caller.0, parties.caller.1
    ));
    line(format_args!(
        "From: <sip:{}@{host}>;tag={}\r\n",
        parties.from_user, parties.from_tag
    ));
    line(format_args!("To: <sip:{}@{host}>", parties.to_user));
    if let Some(tag) = &to_tag {
        line(format_args!(";tag={tag}"));
    }
    line(format_args!(
        "\r\nCall-ID: {}\r\nCSeq: {} {}\r\n",
        parties.call_id, step.cseq, step.cseq_method
    ));
    line(format_args!(
        "Contact: <sip:{}@{}:{}>\r\n",
        parties.from_user, parties.caller.0, parties.caller.1
    ));
    line(format_args!(
        "Record-Route: <sip:{proxy};lr;ftag={}>\r\nMax-Forwards: 70\r\n",
        parties.from_tag
    ));
    line(format_args!("User-Agent: {}\r\n", parties.user_agent));
    line(format_args!(
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY, SUBSCRIBE, UPDATE\r\nSupported: replaces, timer, path, outbound\r\nSession-Expires: 1800;refresher=uac\r\n"
    ));
    if step.authorized {
        line(format_args!(
            "Proxy-Authorization: Digest username=\"{}\", realm=\"{host}\", nonce=\"{}\", uri=\"sip:{host}\", response=\"{}\", algorithm=MD5, cnonce=\"{}\", qop=auth, nc=00000001\r\n",
            parties.from_user, parties.nonce, parties.response, parties.cnonce
        ));
    }
    if matches!(step.status, Some(401 | 407)) {
        line(format_args!(
            "Proxy-Authenticate: Digest realm=\"{host}\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"\r\n",
            parties.nonce
        ));
    }
    let [offer, answer] = &parties.sdp;
    let body = match (step.sdp, step.method) {
        (true, Some(_)) => offer.as_str(),
        (true, None) => answer.as_str(),
        _ => "",
    };
    line(format_args!(
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let (source, destination) = if step.forth {
        (parties.caller.clone(), parties.proxy.clone())
    } else {
        (parties.proxy.clone(), parties.caller.clone())
    };
    let mut message = SipMessage {
        at,
        dialog: Some(parties.dialog),
        method: step.method,
        status: step.status,
        cseq: step.cseq,
        cseq_method: step.cseq_method,
        call_id: parties.call_id.clone(),
        from_user: parties.from_user.clone(),
        from_tag: parties.from_tag.clone(),
        to_user: parties.to_user.clone(),
        to_tag,
        host: host.clone(),
        branch,
        user_agent: parties.user_agent,
        source,
        destination,
        payload: text.into_bytes(),
        is_last,
        ..SipMessage::default()
    };
    encode(&mut message);
    message
}

/// A time as HEP has it: seconds, and microseconds beside them.
fn wire_time(at: i64) -> (u32, u32) {
    let seconds = u32::try_from(at.div_euclid(SECOND)).unwrap_or_default();
    let micros = u32::try_from(at.rem_euclid(SECOND)).unwrap_or_default();
    (seconds, micros)
}

impl SipMessage {
    /// Types of the frame's chunks, and where their values stand.
    pub fn chunks(&self) -> impl Iterator<Item = (u16, std::ops::Range<usize>)> {
        let mut at = 6;
        std::iter::from_fn(move || {
            let &[_, _, high, low, more, length] = self.frame.get(at..)?.first_chunk()?;
            let value = at + 6..at + usize::from(u16::from_be_bytes([more, length]));
            at = value.end.max(at + 6);
            Some((u16::from_be_bytes([high, low]), value))
        })
    }
}

/// Puts the HEPv3 frame around the payload: the chunks that OpenSIPS and heplify send.
fn encode(message: &mut SipMessage) {
    let mut frame = b"HEP3\0\0".to_vec();
    let mut chunk = |chunk_type: u16, value: &[u8]| {
        let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(&chunk_type.to_be_bytes());
        frame.extend_from_slice(&length.to_be_bytes());
        let at = frame.len();
        frame.extend_from_slice(value);
        at
    };
    let address = |text: &str| {
        let address: std::net::Ipv4Addr = text.parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST);
        address.octets()
    };
    let (seconds, micros) = wire_time(message.at);
    chunk(0x0001, &[2]);
    chunk(0x0002, &[17]);
    chunk(0x0003, &address(&message.source.0));
    chunk(0x0004, &address(&message.destination.0));
    chunk(0x0007, &message.source.1.to_be_bytes());
    chunk(0x0008, &message.destination.1.to_be_bytes());
    message.seconds_at = chunk(0x0009, &seconds.to_be_bytes());
    message.micros_at = chunk(0x000a, &micros.to_be_bytes());
    chunk(0x000b, &[1]);
    chunk(0x000c, &2_001_u32.to_be_bytes());
    chunk(0x0011, message.call_id.as_bytes());
    chunk(0x0013, b"sbc-paris-1");
    message.payload_at = chunk(0x000f, &message.payload);
    let length = u16::try_from(frame.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = frame.get_mut(4..6) {
        place.copy_from_slice(&length);
    }
    message.frame = frame;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_has_the_shares_and_sizes_that_it_says() {
        let messages: Vec<SipMessage> = Traffic::new(1_000.0, 0, 1)
            .skip(300_000)
            .take(40_000)
            .collect();
        let octets: usize = messages.iter().map(|message| message.payload.len()).sum();
        let mean = octets / messages.len();
        assert!((770..=805).contains(&mean), "{mean} octets in the mean");
        let share = |dialog| {
            let of = |message: &&SipMessage| message.dialog == Some(dialog);
            messages.iter().filter(of).count() * 100 / messages.len()
        };
        assert!(
            (70..=78).contains(&share(Dialog::Call)),
            "{}",
            share(Dialog::Call)
        );
        assert!((15..=21).contains(&share(Dialog::Registration)));
        let (first, last) = (messages.first(), messages.last());
        let span = last.map_or(0, |last| last.at) - first.map_or(0, |first| first.at);
        assert!((36..=44).contains(&(span / SECOND)), "{span} microseconds");
        assert!(messages.is_sorted_by_key(|message| message.at));
    }

    #[test]
    fn another_time_changes_its_eight_octets_and_nothing_else() {
        let mut message = Traffic::new(10.0, 5 * SECOND + 7, 1)
            .next()
            .expect("endless");
        let (at, before) = (message.at, message.frame.clone());
        message.set_time(1_700_000_000 * SECOND + 123_456);
        let value =
            |at: usize| u32::from_be_bytes(message.frame[at..at + 4].try_into().expect("4"));
        assert_eq!(value(message.seconds_at), 1_700_000_000);
        assert_eq!(value(message.micros_at), 123_456);
        message.set_time(at);
        assert_eq!(message.frame, before);
    }

    #[test]
    fn each_dialog_ends_once() {
        let mut open = std::collections::HashSet::new();
        for message in Traffic::new(1_000.0, 0, 1).take(20_000) {
            if message.is_last {
                assert!(open.remove(&message.call_id));
            } else {
                open.insert(message.call_id);
            }
        }
    }
}
