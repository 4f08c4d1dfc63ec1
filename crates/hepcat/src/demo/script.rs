//! Reading scenarios. `scenarios.txt` begins with how they are written.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hepcat_wire::Version;

/// What is wrong with a scenario, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
#[non_exhaustive]
pub struct ScriptFault {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// How frames of an agent travel to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// A datagram each.
    Udp,
    /// One connection.
    Tcp,
}

/// Who observes messages and sends them to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agent {
    /// Name in the scenarios, and node name in frames of version 3.
    pub name: String,
    /// Names of hosts beside which it stands: it sees what they send and receive.
    pub(super) hosts: Vec<String>,
    /// HEP version of its frames.
    pub version: Version,
    /// How they travel.
    pub carrier: Carrier,
    /// Capture agent ID.
    pub capture_id: u32,
    /// How far its clock is ahead, in microseconds.
    pub clock_us: i64,
}

/// A network address that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    /// Address and port, with `{x}` for what differs from call to call.
    pub(super) address: String,
    pub(super) user_agent: String,
}

/// One Call-ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) name: String,
    pub(super) caller: String,
    pub(super) callee: String,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Request(String),
    Response(u16, String),
    /// A sender report as JSON.
    Rtcp,
    /// A receiver report with an extended one, in octets.
    Xr,
    Log(String),
    /// A frame that is no HEP, with what is wrong with it.
    Broken,
    /// Text that is no SIP, said to be.
    Garbage(String),
}

/// One line of what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) what: What,
    pub(super) options: BTreeMap<String, String>,
    pub(super) headers: Vec<(String, String)>,
}

/// What a call of a scenario amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Expectation {
    /// `state`, `code`, `flag`, `legs`, `kind`, `registration`, `released_by`, `codec`; several flags are several entries.
    pub facts: Vec<(String, String)>,
    /// Its frames do not decode.
    pub unparsable: bool,
}

/// One kind of call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) transport: String,
    pub(super) hosts: Vec<Host>,
    pub(super) agents: Vec<Agent>,
    pub(super) legs: Vec<Leg>,
    pub(super) steps: Vec<Step>,
    expect: Expectation,
}

impl Scenario {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many calls of it a programme has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Who observes it.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// What comes of each call.
    #[must_use]
    pub fn expectation(&self) -> &Expectation {
        &self.expect
    }
}

/// Reads all scenarios of a text.
pub(super) fn read(text: &str) -> Result<Vec<Scenario>, ScriptFault> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let read = reader.line(content, line.starts_with([' ', '\t']));
        read.map_err(|message| ScriptFault {
            line: number,
            message,
        })?;
    }
    reader.finish();
    Ok(reader.scenarios)
}

/// What is written outside of scenarios holds for all of them.
#[derive(Default)]
struct Reader {
    hosts: Vec<Host>,
    agents: Vec<Agent>,
    current: Option<Scenario>,
    scenarios: Vec<Scenario>,
}

impl Reader {
    fn finish(&mut self) {
        self.scenarios.extend(self.current.take());
    }

    fn line(&mut self, line: &str, inside: bool) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match (word, self.current.as_mut()) {
            ("scenario", _) if !inside => self.begin(rest),
            ("host", None) => {
                self.hosts.push(host(rest)?);
                Ok(())
            }
            ("agent", None) => {
                self.agents.push(agent(rest)?);
                Ok(())
            }
            ("host", Some(scenario)) => {
                let host = host(rest)?;
                scenario.hosts.retain(|other| other.name != host.name);
                scenario.hosts.push(host);
                Ok(())
            }
            ("seen", Some(scenario)) => {
                scenario.agents = named(rest, &self.agents)?;
                Ok(())
            }
            ("transport", Some(scenario)) => {
                rest.clone_into(&mut scenario.transport);
                Ok(())
            }
            ("leg", Some(scenario)) => {
                scenario.legs.push(leg(rest)?);
                Ok(())
            }
            ("expect", Some(scenario)) => expectation(rest, &mut scenario.expect),
            ("+", Some(scenario)) => {
                let header = rest.split_once(": ").ok_or("write + Name: value")?;
                let step = scenario.steps.last_mut().ok_or("there is no message yet")?;
                step.headers
                    .push((header.0.to_owned(), header.1.to_owned()));
                Ok(())
            }
            (_, Some(scenario)) => {
                let step = step(line)?;
                for name in [&step.from, &step.to] {
                    if !scenario.hosts.iter().any(|host| host.name == *name) {
                        return Err(format!("there is no host `{name}`"));
                    }
                }
                if let Some(leg) = step.options.get("leg")
                    && !scenario.legs.iter().any(|known| known.name == *leg)
                {
                    return Err(format!("there is no leg `{leg}`"));
                }
                scenario.steps.push(step);
                Ok(())
            }
            _ => Err(format!("`{word}` belongs into a scenario")),
        }
    }

    fn begin(&mut self, rest: &str) -> Result<(), String> {
        self.finish();
        let (name, count) = rest.split_once(' ').ok_or("write scenario NAME COUNT")?;
        self.current = Some(Scenario {
            name: name.to_owned(),
            count: count.trim().parse().map_err(|_| "the count is no number")?,
            transport: "udp".to_owned(),
            hosts: self.hosts.clone(),
            agents: self.agents.first().cloned().into_iter().collect(),
            legs: Vec::new(),
            steps: Vec::new(),
            expect: Expectation::default(),
        });
        Ok(())
    }
}

fn named(names: &str, agents: &[Agent]) -> Result<Vec<Agent>, String> {
    let names = names
        .strip_prefix("by ")
        .ok_or("write seen by NAME, NAME")?;
    let find = |name: &str| {
        let known = agents.iter().find(|agent| agent.name == name);
        known
            .cloned()
            .ok_or_else(|| format!("there is no agent `{name}`"))
    };
    names.split(',').map(|name| find(name.trim())).collect()
}

/// `alice 198.51.100.{x}:5060 Yealink SIP-T46U`
fn host(rest: &str) -> Result<Host, String> {
    let mut words = rest.split_whitespace();
    let (Some(name), Some(address)) = (words.next(), words.next()) else {
        return Err("write host NAME ADDRESS:PORT USER-AGENT".to_owned());
    };
    let tried: Result<SocketAddr, _> = address.replace("{x}", "7").parse();
    tried.map_err(|_| format!("`{address}` is no address and port"))?;
    Ok(Host {
        name: name.to_owned(),
        address: address.to_owned(),
        user_agent: words.collect::<Vec<_>>().join(" "),
    })
}

/// `edge at proxy,sbc v3 tcp id=2001 clock=+2500ms`
fn agent(rest: &str) -> Result<Agent, String> {
    let mut words = rest.split_whitespace();
    let (Some(name), Some("at"), Some(hosts)) = (words.next(), words.next(), words.next()) else {
        return Err("write agent NAME at HOST,HOST".to_owned());
    };
    let mut agent = Agent {
        name: name.to_owned(),
        hosts: hosts.split(',').map(str::to_owned).collect(),
        version: Version::V3,
        carrier: Carrier::Udp,
        capture_id: 0,
        clock_us: 0,
    };
    for word in words {
        match word.split_once('=') {
            Some(("id", id)) => agent.capture_id = id.parse().map_err(|_| "the id is no number")?,
            Some(("clock", ahead)) => {
                let by = micros(duration(ahead.trim_start_matches(['+', '-']))?);
                agent.clock_us = if ahead.starts_with('-') { -by } else { by };
            }
            _ => match word {
                "v1" => agent.version = Version::V1,
                "v2" => agent.version = Version::V2,
                "v3" => agent.version = Version::V3,
                "udp" => agent.carrier = Carrier::Udp,
                "tcp" => agent.carrier = Carrier::Tcp,
                other => return Err(format!("`{other}` says nothing about an agent")),
            },
        }
    }
    if agent.carrier == Carrier::Tcp && agent.version != Version::V3 {
        return Err("only version 3 travels over TCP".to_owned());
    }
    Ok(agent)
}

/// `a alice -> bob`
fn leg(rest: &str) -> Result<Leg, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        [name, caller, "->", callee] => Ok(Leg {
            name: (*name).to_owned(),
            caller: (*caller).to_owned(),
            callee: (*callee).to_owned(),
        }),
        _ => Err("write leg NAME HOST -> HOST".to_owned()),
    }
}

fn expectation(rest: &str, into: &mut Expectation) -> Result<(), String> {
    for word in rest.split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) => into.facts.push((name.to_owned(), value.to_owned())),
            None if word == "unparsable" => into.unparsable = true,
            None => return Err(format!("`{word}` is no expectation")),
        }
    }
    Ok(())
}

/// `2s alice -> proxy INVITE sdp=PCMA,PCMU leg=a`
fn step(line: &str) -> Result<Step, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [at, from, "->", to, what @ ..] = words.as_slice() else {
        return Err("write TIME HOST -> HOST MESSAGE".to_owned());
    };
    let at = duration(at)?;
    let is_option = |word: &&&str| word.contains('=') || **word == "again";
    let said: Vec<&str> = what
        .iter()
        .take_while(|word| !is_option(word))
        .copied()
        .collect();
    let options = what.iter().skip(said.len()).map(|word| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    });
    let (first, others) = said.split_first().ok_or("nothing is sent")?;
    let others = others.join(" ");
    let what = match (*first, first.parse::<u16>()) {
        (_, Ok(code)) => What::Response(code, others),
        ("RTCP", _) => What::Rtcp,
        ("XR", _) => What::Xr,
        ("LOG", _) => What::Log(others),
        ("BROKEN", _) => What::Broken,
        ("GARBAGE", _) => What::Garbage(others),
        (method, _) => What::Request(method.to_owned()),
    };
    Ok(Step {
        at,
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        what,
        options: options.collect(),
        headers: Vec::new(),
    })
}

/// `0`, `20ms`, `1.5s`, `2m`
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number: f64 = digits.parse().map_err(|_| format!("`{text}` is no time"))?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "" if number == 0.0 => 0.0,
        _ => return Err(format!("`{text}` is no time: write 20ms, 1.5s, 2m")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is no time"))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_their_line() {
        let fault = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            fault("\nhost x"),
            "line 2: write host NAME ADDRESS:PORT USER-AGENT"
        );
        assert_eq!(
            fault("host x 10.0.0.1"),
            "line 1: `10.0.0.1` is no address and port"
        );
        assert_eq!(
            fault("agent a at b v1 tcp"),
            "line 1: only version 3 travels over TCP"
        );
        assert_eq!(
            fault("scenario a 1\n  0 x -> y INVITE"),
            "line 2: there is no host `x`"
        );
        assert_eq!(
            fault("scenario a 1\n  seen by z"),
            "line 2: there is no agent `z`"
        );
        assert_eq!(
            fault("leg a b -> c"),
            "line 1: `leg` belongs into a scenario"
        );
    }

    #[test]
    fn a_step_is_time_ends_message_options() {
        let step = step("1.5s alice -> bob 486 Busy Here tag=x again").unwrap();
        assert_eq!(step.at, Duration::from_millis(1_500));
        assert_eq!(step.what, What::Response(486, "Busy Here".to_owned()));
        assert_eq!(step.options["tag"], "x");
        assert!(step.options.contains_key("again"));
    }
}
