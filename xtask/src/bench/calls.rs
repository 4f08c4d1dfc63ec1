//! The generator of calls as a process of its own, so that it can be held to a core.

use std::{
    env,
    io::{BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hepcat_testkit::load::{self, CallsConfig, CallsReport, generate_calls};

use super::{
    child::{read_json, spawn_on},
    run::Bench,
};

#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, default_value_t = 4)]
    connections: u16,
    /// Messages per second; flat out without it.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    reconnect: bool,
    /// File for what was sent when.
    #[arg(long)]
    record: Option<PathBuf>,
}

/// `xtask gen-calls`: sends, then writes its report to standard output.
pub(crate) fn generate(arguments: &CallsArgs) -> Result<bool> {
    let mut config = CallsConfig::new(arguments.target);
    config.connections = arguments.connections;
    config.rate = arguments.rate;
    config.duration = Duration::from_secs_f64(arguments.seconds);
    config.seed = arguments.seed;
    config.reconnect = arguments.reconnect;
    config.record.clone_from(&arguments.record);
    let report = generate_calls(&config)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

/// A generator at work.
#[derive(Debug)]
pub(super) struct CallsProcess {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl CallsProcess {
    pub(super) fn start(core: usize, config: &CallsConfig) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command
            .arg("gen-calls")
            .args(["--target", &config.target.to_string()])
            .args(["--connections", &config.connections.to_string()])
            .args(["--seconds", &config.duration.as_secs_f64().to_string()])
            .args(["--seed", &config.seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(rate) = config.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if config.reconnect {
            command.arg("--reconnect");
        }
        if let Some(record) = &config.record {
            command.arg("--record").arg(record);
        }
        let mut child = spawn_on(core, &mut command)?;
        let output = child.stdout.take().context("standard output is piped")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    pub(super) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until it has sent everything.
    pub(super) fn finish(mut self) -> Result<CallsReport> {
        let report = read_json(&mut self.output);
        ensure!(self.child.wait()?.success(), "the generator failed");
        report.context("the generator reported nothing")
    }
}

impl Drop for CallsProcess {
    fn drop(&mut self) {
        // It has ended by itself where it has reported.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the generator carries flat out into sockets that somebody empties on the node's core.
pub(super) fn alone(bench: &Bench, duration: Duration) -> Result<CallsReport> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut config = CallsConfig::new(listener.local_addr()?);
    config.duration = duration;
    let (connections, core) = (config.connections, bench.node_core);
    // They end with the connections, which end with the generator.
    let emptying = thread::spawn(move || -> std::io::Result<()> {
        let _pinned = load::pin_current_thread(core)?;
        let mut streams = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept()?;
            streams.push(thread::spawn(move || {
                let mut octets = vec![0; 256 << 10];
                while stream.read(&mut octets).is_ok_and(|read| read > 0) {}
            }));
        }
        for stream in streams {
            stream.join().ok();
        }
        Ok(())
    });
    let report = CallsProcess::start(bench.load_core, &config)?.finish()?;
    emptying
        .join()
        .map_err(|_panic| anyhow::anyhow!("the thread that empties sockets died"))??;
    Ok(report)
}

/// What the generator carries, in words; whether that is enough for `rate` with room to spare.
pub(super) fn say_alone(bench: &Bench, rate: f64) -> Result<bool> {
    let report = alone(bench, Duration::from_secs(3))?;
    let (most, cpu) = (
        report.rate(),
        report.cpu_seconds * 1e6 / report.sent.max(1) as f64,
    );
    let payload = report.payload_octets as f64 / report.sent.max(1) as f64;
    println!(
        "the generator alone: {most:.0} messages per second flat out on its core, {cpu:.2} us of CPU each, payloads of {payload:.0} octets"
    );
    let enough = most >= 1.2 * rate;
    if !enough {
        println!("that is too little for {rate:.0} per second: the figures are the generator's");
    }
    Ok(enough)
}
