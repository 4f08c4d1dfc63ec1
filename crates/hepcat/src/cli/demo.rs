//! `hepcat demo`: synthetic calls through real sockets, so that there is something to look at.

use std::{
    collections::HashMap,
    fmt,
    io::{self, IsTerminal, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket},
    process::ExitCode,
    str::FromStr,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use hepcat_net::Transport;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit;
use crate::{
    config::{Host, Socket},
    demo::{self, Agent, Carrier, Programme, Scenario, Scheduled},
};

/// A node that does not take what a connection carries for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

const AFTER_HELP: &str = "\
Played faster than it happens, calls get the times that they would have if the last of them ended now: half an hour of \
calls in half a minute. Frames of version 1 carry no time, and look as fast as they are sent.";

/// `hepcat demo`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true, after_help = AFTER_HELP)]
pub(super) struct DemoArgs {
    /// Where to, hep_udp:HOST:PORT or hep_tcp:HOST:PORT, or both. Without it both of 127.0.0.1:9060.
    #[arg(long, value_name = "SOCKET", value_parser = Socket::parse_destination)]
    to: Vec<Socket>,
    /// So many times faster than it happens; 1x is real time.
    #[arg(long, value_name = "FACTOR", default_value = "60x")]
    speed: Speed,
    /// Again and again with other calls, until interrupted.
    #[arg(long = "loop")]
    endless: bool,
    /// Which calls: the same number gives the same ones. Otherwise they are new each time.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// A number of times: above 0, and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Speed(f64);

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix(['x', 'X']).unwrap_or(text).parse();
        let positive = number
            .ok()
            .filter(|number: &f64| number.is_finite() && *number > 0.0);
        positive
            .map(Self)
            .ok_or("write how many times faster: 60x, 1x")
    }
}

/// Why there is no more to see.
#[derive(Debug)]
enum Failure {
    /// Nobody takes it.
    Away(SocketAddr, io::Error),
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(address, error) => {
                write!(
                    f,
                    "nobody takes HEP at {address} ({error}): start the node with `hepcat run`"
                )
            }
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// What was played.
#[derive(Debug, Default)]
struct Played {
    calls: usize,
    messages: u64,
    seconds: f64,
}

/// Plays: 0 when all of it was sent.
pub(super) fn run(args: &DemoArgs) -> ExitCode {
    match play(args) {
        Ok(played) if args.json => {
            anstream::println!(
                "{}",
                json!({ "calls": played.calls, "messages": played.messages, "seconds": played.seconds })
            );
            ExitCode::SUCCESS
        }
        Ok(played) => {
            anstream::println!(
                "played {} calls, registrations and others in {:.0} s: {} messages",
                played.calls,
                played.seconds,
                played.messages
            );
            ExitCode::SUCCESS
        }
        Err(failure) => exit::failed(failure),
    }
}

fn play(args: &DemoArgs) -> Result<Played, Failure> {
    let scenarios = demo::scenarios().map_err(|fault| Failure::Other(fault.to_string()))?;
    let started = Instant::now();
    let mut outlets = Outlets::new(&args.to)?;
    // What nobody can carry is said before anything is sent, not in the middle.
    for agent in scenarios.iter().flat_map(Scenario::agents) {
        outlets.way_of(agent)?;
    }
    let seed = args.seed.unwrap_or_else(seed_of_now);
    let mut played = Played::default();
    let mut round = 0;
    loop {
        let programme = Programme::new(&scenarios, u64::from(seed.wrapping_add(round)));
        let bar = progress_bar(args, programme.sightings.len() as u64);
        let begun = Instant::now();
        let end = SystemTime::now() + programme.length.div_f64(args.speed.0);
        for scheduled in &programme.sightings {
            let due = begun + scheduled.at.div_f64(args.speed.0);
            if let Some(left) = due.checked_duration_since(Instant::now()) {
                thread::sleep(left);
            }
            let time = end - (programme.length - scheduled.at);
            outlets.send(&scenarios, scheduled, time)?;
            played.messages += 1;
            bar.inc(1);
        }
        bar.finish_and_clear();
        played.calls += programme.calls;
        if !args.endless {
            break;
        }
        round += 1;
    }
    outlets.finish()?;
    played.seconds = started.elapsed().as_secs_f64();
    Ok(played)
}

/// Another one every second.
fn seed_of_now() -> u32 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(since_epoch.as_secs() & u64::from(u32::MAX)).unwrap_or_default()
}

fn progress_bar(args: &DemoArgs, messages: u64) -> ProgressBar {
    if args.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos} of {len} messages");
    ProgressBar::new(messages).with_style(style.expect("the template is fixed"))
}

/// The sockets of the agents: one for each, as real ones have.
struct Outlets {
    udp: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    open: HashMap<String, Outlet>,
}

enum Outlet {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream, SocketAddr),
}

impl Outlets {
    fn new(to: &[Socket]) -> Result<Self, Failure> {
        let usual = SocketAddr::from(([127, 0, 0, 1], 9060));
        let mut outlets = Self {
            udp: to.is_empty().then_some(usual),
            tcp: to.is_empty().then_some(usual),
            open: HashMap::new(),
        };
        for socket in to {
            let address = resolve(socket)?;
            match socket.transport {
                Transport::Udp => outlets.udp = Some(address),
                Transport::Tcp => outlets.tcp = Some(address),
                _ => {
                    return Err(Failure::Other(
                        "the demonstration goes over hep_udp and hep_tcp".to_owned(),
                    ));
                }
            }
        }
        Ok(outlets)
    }

    fn send(
        &mut self,
        scenarios: &[Scenario],
        scheduled: &Scheduled,
        time: SystemTime,
    ) -> Result<(), Failure> {
        let scenario = scenarios.get(scheduled.scenario);
        let agent = scenario.and_then(|scenario| scenario.agents().get(scheduled.sighting.agent));
        let Some(agent) = agent else {
            return Ok(());
        };
        let frame = scheduled.sighting.frame(agent, time);
        let frame = frame.map_err(|error| Failure::Other(error.to_string()))?;
        if !self.open.contains_key(&agent.name) {
            let outlet = self.connect(agent)?;
            self.open.insert(agent.name.clone(), outlet);
        }
        match self.open.get_mut(&agent.name) {
            Some(outlet) => outlet.send(&frame),
            None => Ok(()),
        }
    }

    fn connect(&self, agent: &Agent) -> Result<Outlet, Failure> {
        match self.way_of(agent)? {
            (Carrier::Tcp, address) => Outlet::tcp(address),
            (Carrier::Udp, address) => Outlet::udp(address),
        }
    }

    /// By the transport that the agent has; by the other where only that is offered and carries its version.
    fn way_of(&self, agent: &Agent) -> Result<(Carrier, SocketAddr), Failure> {
        let is_v3 = agent.version == hepcat_wire::Version::V3;
        match (agent.carrier, self.udp, self.tcp) {
            (Carrier::Tcp, _, Some(address)) => Ok((Carrier::Tcp, address)),
            (_, Some(address), _) => Ok((Carrier::Udp, address)),
            (_, None, Some(address)) if is_v3 => Ok((Carrier::Tcp, address)),
            _ => Err(Failure::Other(
                "some agents speak HEP version 1 or 2: give --to hep_udp:HOST:PORT as well"
                    .to_owned(),
            )),
        }
    }

    /// Says where somebody turned out not to be there.
    fn finish(mut self) -> Result<(), Failure> {
        for outlet in self.open.values_mut() {
            match outlet {
                // What the last datagram met with is known a moment later.
                Outlet::Udp(socket, address) => {
                    if let Ok(Some(error)) = socket.take_error() {
                        return Err(Failure::Away(*address, error));
                    }
                }
                Outlet::Tcp(stream, address) => {
                    stream
                        .flush()
                        .map_err(|error| Failure::Away(*address, error))?;
                }
            }
        }
        Ok(())
    }
}

impl Outlet {
    fn udp(address: SocketAddr) -> Result<Self, Failure> {
        let local: SocketAddr = if address.is_ipv6() {
            SocketAddr::from(([0u16; 8], 0))
        } else {
            SocketAddr::from(([0, 0, 0, 0], 0))
        };
        let socket =
            UdpSocket::bind(local).and_then(|socket| socket.connect(address).map(|()| socket));
        let socket = socket.map_err(|error| Failure::Away(address, error))?;
        Ok(Self::Udp(socket, address))
    }

    fn tcp(address: SocketAddr) -> Result<Self, Failure> {
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect().map_err(|error| Failure::Away(address, error))?;
        Ok(Self::Tcp(stream, address))
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Failure> {
        let (sent, address) = match self {
            Self::Udp(socket, address) => (socket.send(frame).map(|_octets| ()), *address),
            Self::Tcp(stream, address) => (stream.write_all(frame), *address),
        };
        sent.map_err(|error| Failure::Away(address, error))
    }
}

fn resolve(socket: &Socket) -> Result<SocketAddr, Failure> {
    let found = match &socket.host {
        Host::Ip(ip) => return Ok(SocketAddr::new(*ip, socket.port)),
        Host::Name(name) => (name.as_str(), socket.port).to_socket_addrs(),
    };
    let none = || Failure::Other(format!("{socket} has no address"));
    let mut found = found.map_err(|error| Failure::Other(format!("{socket}: {error}")))?;
    found.next().ok_or_else(none)
}
