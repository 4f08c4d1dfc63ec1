//! A call as rules ask about it: its SIP messages in causal order, each once, with what answers what.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use hepcat_sip::{Kind as Line, Scan};

use super::Evidence;
use crate::call::{
    CallRecord, Description, Moment, Seen,
    ladder::{Arrow, Ladder},
};

/// Characters of a value that are shown.
const SHOWN: usize = 90;

/// What a rule found.
pub(super) struct Told {
    pub(super) says: String,
    /// With their place in the ladder.
    pub(super) evidence: Vec<(usize, Evidence)>,
}

/// One SIP message, all its transmissions together.
#[derive(Clone, Copy)]
pub(super) struct Step<'c> {
    pub(super) scan: &'c Scan<'c>,
    pub(super) from: Option<SocketAddr>,
    pub(super) to: Option<SocketAddr>,
    pub(super) arrow: &'c Arrow,
    place: usize,
    /// How often it was sent.
    pub(super) times: usize,
    /// When it was sent last.
    pub(super) last: Moment,
}

impl<'c> Step<'c> {
    pub(super) fn is_request(&self) -> bool {
        self.scan.kind() == Line::Request
    }

    /// Method of its transaction.
    pub(super) fn method(&self) -> &'c [u8] {
        let scan = self.scan;
        scan.method()
            .or_else(|| scan.cseq_method())
            .unwrap_or_default()
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.is_request() && self.method() == method.as_bytes()
    }

    /// Whether it is a response to that.
    pub(super) fn answers(&self, method: &str) -> bool {
        !self.is_request() && self.method() == method.as_bytes()
    }

    pub(super) fn status(&self) -> u16 {
        self.scan.status_code().unwrap_or(0)
    }

    pub(super) fn at(&self) -> Moment {
        self.arrow.at
    }

    pub(super) fn header(&self, name: &str) -> Option<&'c [u8]> {
        self.scan
            .header(name.as_bytes())
            .map(|header| header.value())
    }

    /// The same, as text that can be shown.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.header(name).map(shown)
    }

    pub(super) fn is_inside_dialog(&self) -> bool {
        self.scan.to().and_then(|to| to.tag()).is_some()
    }

    pub(super) fn description(&self) -> Option<Description<'c>> {
        let body = self.scan.body();
        (!body.is_empty())
            .then(|| Description::read(body))
            .flatten()
    }

    /// Names of its codecs, as `PCMA, opus`; nothing where it describes none.
    pub(super) fn codecs(&self) -> Option<String> {
        let description = self.description()?;
        let names = description.main()?.codecs.iter();
        let names: Vec<String> = names
            .filter(|codec| codec.is_media())
            .map(|codec| shown(codec.name))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    pub(super) fn evidence(&self) -> (usize, Evidence) {
        evidence(self.place, self.arrow)
    }
}

/// What rules ask.
pub(super) struct Case<'c> {
    pub(super) call: &'c CallRecord,
    pub(super) ladder: &'c Ladder,
    pub(super) steps: Vec<Step<'c>>,
    rows: HashMap<u64, &'c Seen<'c>>,
}

impl<'c> Case<'c> {
    pub(super) fn new(call: &'c CallRecord, messages: &'c [Seen<'c>], ladder: &'c Ladder) -> Self {
        let rows: HashMap<u64, &Seen<'_>> = messages.iter().map(|seen| (seen.row, seen)).collect();
        let mut again: HashMap<usize, (usize, Moment)> = HashMap::new();
        for arrow in &ladder.arrows {
            if let Some(first) = arrow.again_of {
                let so_far = again.entry(first).or_insert((1, arrow.at));
                *so_far = (so_far.0 + 1, so_far.1.max(arrow.at));
            }
        }
        let steps = ladder
            .arrows
            .iter()
            .enumerate()
            .filter_map(|(place, arrow)| {
                if arrow.again_of.is_some() {
                    return None;
                }
                let first = arrow.observed.first()?;
                let seen = *rows.get(&first.row)?;
                let (times, last) = again.get(&place).copied().unwrap_or((1, arrow.at));
                Some(Step {
                    scan: seen.sip()?,
                    from: first.ends.0,
                    to: first.ends.1,
                    arrow,
                    place,
                    times,
                    last,
                })
            });
        let steps = steps.collect();
        Self {
            call,
            ladder,
            steps,
            rows,
        }
    }

    /// Reports about media with what they say.
    pub(super) fn reports(&self) -> impl Iterator<Item = (usize, &'c Arrow, &'c Seen<'c>)> {
        let arrows = self.ladder.arrows.iter().enumerate();
        arrows.filter_map(|(place, arrow)| {
            let row = arrow.observed.first()?.row;
            let seen = *self.rows.get(&row)?;
            seen.sip().is_none().then_some((place, arrow, seen))
        })
    }

    pub(super) fn requests(&self, method: &str) -> impl Iterator<Item = Step<'c>> {
        let steps = self.steps.iter().copied();
        steps.filter(move |step| step.is(method))
    }

    pub(super) fn responses(
        &self,
        method: &str,
        status: impl Fn(u16) -> bool,
    ) -> impl Iterator<Item = Step<'c>> {
        let steps = self.steps.iter().copied();
        steps.filter(move |step| step.answers(method) && status(step.status()))
    }

    /// INVITEs that begin something, not those inside a dialog.
    pub(super) fn invites(&self) -> impl Iterator<Item = Step<'c>> {
        self.requests("INVITE")
            .filter(|step| !step.is_inside_dialog())
    }

    /// Responses to this very request on its hop.
    pub(super) fn to(&self, request: Step<'c>) -> impl Iterator<Item = Step<'c>> {
        let branch = request.scan.via_branch();
        self.steps.iter().copied().filter(move |step| {
            !step.is_request()
                && step.arrow.leg == request.arrow.leg
                && step.method() == request.method()
                && step.scan.cseq_number() == request.scan.cseq_number()
                && step.scan.via_branch() == branch
        })
    }

    pub(super) fn final_to(&self, request: Step<'c>) -> Option<Step<'c>> {
        self.to(request).find(|step| step.status() >= 200)
    }

    /// Where the final response that the caller got was made: the same status, as early as it was seen.
    pub(super) fn refusal(&self) -> Option<Step<'c>> {
        let code = self.call.final_code.filter(|code| *code >= 300)?;
        let steps = self.steps.iter().copied();
        let is_call = self.call.kind == crate::call::Kind::Call;
        let mut made =
            steps.filter(|step| step.status() == code && (!is_call || step.answers("INVITE")));
        made.next()
    }

    /// The same where its status is one of these.
    pub(super) fn refused_with(&self, codes: &[u16]) -> Option<Step<'c>> {
        self.refusal().filter(|step| codes.contains(&step.status()))
    }

    /// The 2xx to the INVITE that began the call, where it was made.
    pub(super) fn answer(&self) -> Option<Step<'c>> {
        let cseq = self
            .invites()
            .filter_map(|step| step.scan.cseq_number())
            .max();
        self.responses("INVITE", |status| (200..300).contains(&status))
            .find(|step| step.scan.cseq_number() <= cseq)
    }

    /// An address with the program behind it: `192.0.2.50:5060 (Asterisk PBX 22.3.0)`.
    pub(super) fn host(&self, address: Option<SocketAddr>) -> String {
        let Some(address) = address else {
            return "somebody without an address".to_owned();
        };
        let sent = self.steps.iter().filter(|step| step.from == Some(address));
        // A proxy passes on what others say of themselves: only what has one Via was made there.
        let program = sent
            .filter(|step| {
                step.is_request() && step.scan.via_branches().count() <= 1
                    || !step.is_request() && !self.is_passed_on(step)
            })
            .find_map(|step| {
                let name = if step.is_request() {
                    "User-Agent"
                } else {
                    "Server"
                };
                step.text(name).or_else(|| step.text("User-Agent"))
            });
        match program {
            Some(program) => format!("{address} ({program})"),
            None => address.to_string(),
        }
    }

    /// Whether a response came to its sender from further down.
    pub(super) fn is_passed_on(&self, response: &Step<'c>) -> bool {
        self.steps.iter().any(|other| {
            !other.is_request()
                && other.to == response.from
                && other.status() == response.status()
                && other.arrow.leg == response.arrow.leg
                && other.scan.cseq_number() == response.scan.cseq_number()
                && other.method() == response.method()
        })
    }
}

/// Sentences with their evidence.
pub(super) fn told<'c>(
    says: impl Into<String>,
    steps: impl IntoIterator<Item = Step<'c>>,
) -> Option<Told> {
    Some(Told {
        says: says.into(),
        evidence: steps.into_iter().map(|step| step.evidence()).collect(),
    })
}

pub(super) fn evidence(place: usize, arrow: &Arrow) -> (usize, Evidence) {
    let row = arrow.observed.first().map_or(0, |first| first.row);
    let label = shown(arrow.label.as_bytes()).into();
    (
        place,
        Evidence {
            row,
            label,
            at: arrow.at,
        },
    )
}

/// Captured octets as text: what acts instead of being seen is replaced, and what is long is cut.
pub(super) fn shown(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets.trim_ascii());
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if acts(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A span in words: `820 ms`, `4.2 s`, `3 min 5 s`.
pub(super) fn spell(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => {
            let text = format!("{:.1}", span.as_secs_f64());
            format!("{} s", text.trim_end_matches(".0"))
        }
        60..3_600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}
