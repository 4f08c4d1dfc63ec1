//! Generator and sink as processes of their own, so that each can be held to a core.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write, stdin},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hepcat_testkit::{
    Identity,
    load::{
        self, Forwarder, GeneratorConfig, GeneratorReport, LaneReport, MESSAGES_PER_CALL, Sink,
        SinkConfig, Transport, Version,
    },
};
use serde::de::DeserializeOwned;

#[derive(Debug, Args)]
pub(crate) struct GenArgs {
    #[arg(long)]
    transport: Transport,
    #[arg(long, required = true)]
    target: Vec<SocketAddr>,
    #[arg(long, default_value_t = 3)]
    version: u8,
    #[arg(long, default_value_t = 4)]
    senders: u16,
    /// Messages per second; flat out without it.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = MESSAGES_PER_CALL)]
    datagrams_per_call: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long)]
    ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SinkArgs {
    #[arg(long)]
    transport: Transport,
    #[arg(long, default_value_t = 1)]
    lanes: usize,
    /// Port of the first lane.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ForwardArgs {
    #[arg(long)]
    target: SocketAddr,
}

/// `xtask gen`: sends, then writes its report to standard output.
pub(crate) fn generate(arguments: &GenArgs) -> Result<bool> {
    let mut config = GeneratorConfig::new(arguments.transport, arguments.target.clone());
    config.version = match arguments.version {
        2 => Version::V2,
        _ => Version::V3,
    };
    config.senders = arguments.senders;
    config.rate = arguments.rate;
    config.datagrams_per_call = arguments.datagrams_per_call;
    config.duration = Duration::from_secs_f64(arguments.seconds);
    config.ca.clone_from(&arguments.ca);
    let report = load::generate(&config)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

/// `xtask sink`: writes its addresses, receives until it is told how much was sent, then writes its report.
pub(crate) fn receive(arguments: &SinkArgs) -> Result<bool> {
    let mut config = SinkConfig::new(arguments.transport);
    config.lanes = arguments.lanes;
    config.port = arguments.port;
    config.identity = arguments
        .cert
        .clone()
        .zip(arguments.key.clone())
        .map(|(cert, key)| Identity::new(cert, key));
    let sink = Sink::start(&config)?;
    println!("{}", serde_json::to_string(&sink.addresses())?);
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    let sent: BTreeMap<u16, u64> = serde_json::from_str(&line).context("what was sent")?;
    println!("{}", serde_json::to_string(&sink.finish(&sent))?);
    Ok(true)
}

/// `xtask forward`: writes its address, then forwards until it is killed.
pub(crate) fn forward(arguments: &ForwardArgs) -> Result<bool> {
    // As much as the node asks for, so that both outlast the same pauses.
    let forwarder = Forwarder::new(arguments.target, 16 << 20)?;
    println!("{}", serde_json::to_string(&forwarder.address())?);
    forwarder.run()?;
    Ok(true)
}

/// A relay that does nothing, in a process of its own.
#[derive(Debug)]
pub(super) struct ForwardProcess {
    child: Child,
    pub(super) address: SocketAddr,
}

impl ForwardProcess {
    pub(super) fn start(core: usize, target: SocketAddr) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command
            .args(["forward", "--target", &target.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = spawn_on(core, &mut command)?;
        let output = child.stdout.take().context("standard output is piped")?;
        let address = read_json(&mut BufReader::new(output)).context("it did not start")?;
        Ok(Self { child, address })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ForwardProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A sink at work in a process of its own.
#[derive(Debug)]
pub(super) struct SinkProcess {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub(super) addresses: Vec<SocketAddr>,
}

impl SinkProcess {
    pub(super) fn start(
        core: usize,
        transport: Transport,
        lanes: usize,
        identity: &Identity,
    ) -> Result<Self> {
        let mut command = this_program("sink", transport)?;
        command.arg("--lanes").arg(lanes.to_string());
        command.arg("--cert").arg(&identity.cert);
        command.arg("--key").arg(&identity.key);
        Self::spawn(core, &mut command)
    }

    /// One lane over TCP, at this address of loopback.
    pub(super) fn start_at(core: usize, address: SocketAddr) -> Result<Self> {
        let mut command = this_program("sink", Transport::Tcp)?;
        command.arg("--port").arg(address.port().to_string());
        Self::spawn(core, &mut command)
    }

    fn spawn(core: usize, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped());
        let mut child = spawn_on(core, command)?;
        let to = child.stdin.take().context("standard input is piped")?;
        let output = child.stdout.take().context("standard output is piped")?;
        let mut from = BufReader::new(output);
        let addresses = read_json(&mut from).context("the sink did not start")?;
        Ok(Self {
            child,
            to,
            from,
            addresses,
        })
    }

    /// Waits for the rest and gives what each lane received.
    pub(super) fn finish(mut self, sent: &BTreeMap<u16, u64>) -> Result<Vec<LaneReport>> {
        writeln!(self.to, "{}", serde_json::to_string(sent)?)?;
        read_json(&mut self.from).context("the sink reported nothing")
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        // It has ended by itself where it has reported.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs a generator on a core and gives its report.
pub(super) fn run_generator(core: usize, config: &GeneratorConfig) -> Result<GeneratorReport> {
    let mut command = this_program("gen", config.transport)?;
    for target in &config.targets {
        command.arg("--target").arg(target.to_string());
    }
    let version = match config.version {
        Version::V2 => "2",
        _ => "3",
    };
    command.arg("--version").arg(version);
    command.arg("--senders").arg(config.senders.to_string());
    let seconds = config.duration.as_secs_f64().to_string();
    command.arg("--seconds").arg(seconds);
    let per_call = config.datagrams_per_call.to_string();
    command.arg("--datagrams-per-call").arg(per_call);
    if let Some(rate) = config.rate {
        command.arg("--rate").arg(rate.to_string());
    }
    if let Some(ca) = &config.ca {
        command.arg("--ca").arg(ca);
    }
    let mut child = spawn_on(core, &mut command)?;
    let output = child.stdout.take().context("standard output is piped")?;
    let report = read_json(&mut BufReader::new(output));
    ensure!(child.wait()?.success(), "the generator failed");
    report.context("the generator reported nothing")
}

fn this_program(command: &str, transport: Transport) -> Result<Command> {
    let mut process = Command::new(env::current_exe()?);
    process
        .arg(command)
        .arg("--transport")
        .arg(transport.name())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Ok(process)
}

/// Starts a process on a core.
pub(super) fn spawn_on(core: usize, command: &mut Command) -> Result<Child> {
    let pinned = load::pin_current_thread(core).with_context(|| format!("core {core}"))?;
    let child = command.spawn()?;
    drop(pinned);
    Ok(child)
}

/// Reads a value that stands on a line of its own.
pub(super) fn read_json<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
