//! The real program as a child process, with a configuration of the test's own.

use std::{
    collections::VecDeque,
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// How long a node may take to start, to say something or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a state is asked for that cannot be waited for otherwise.
const POLL: Duration = Duration::from_millis(5);
/// Lines of the node's output that are kept; a chatty node must not fill memory in a long run.
const KEPT_LINES: usize = 10_000;

/// `hepcat run` with a configuration file; killed when dropped.
///
/// Everything in the configuration may ask for port 0: what was bound is found through the page's address, which
/// the node says when it starts, and `/api/v1/status`.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    directory: TempDir,
    config: PathBuf,
    http: SocketAddr,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<VecDeque<String>>,
    grown: Condvar,
    reading: Mutex<Reading>,
    changed: Condvar,
}

/// What is done with the pipes that the node writes to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reading {
    #[default]
    On,
    /// They stay open and fill.
    Paused,
    /// They are closed.
    Over,
}

impl NodeProcess {
    /// Starts `binary` (in tests of the program: `env!("CARGO_BIN_EXE_hepcat")`) with this configuration and waits
    /// until it is ready. `{dir}` in the text stands for a temporary directory that lives as long as the node.
    ///
    /// # Errors
    /// When it ends or is not ready within 30 seconds: with everything that it said.
    pub fn try_start(binary: &Path, config_text: &str) -> io::Result<Self> {
        Self::try_start_with(binary, config_text, &[])
    }

    /// As [`try_start`](Self::try_start), with more arguments (`-vv`).
    ///
    /// # Errors
    /// As there.
    pub fn try_start_with(
        binary: &Path,
        config_text: &str,
        arguments: &[&str],
    ) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("hepcat.toml");
        let mut node = Self {
            child: spawn(binary, &config, &directory, config_text, arguments)?,
            output: Arc::default(),
            readers: Vec::new(),
            directory,
            config,
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        node.collect_output();
        node.http = node.find_http_address()?;
        node.wait_until_ready()?;
        Ok(node)
    }

    /// As [`try_start`](Self::try_start).
    ///
    /// # Panics
    /// Where that gives an error.
    #[must_use]
    pub fn start(binary: impl AsRef<Path>, config_text: &str) -> Self {
        Self::try_start(binary.as_ref(), config_text)
            .unwrap_or_else(|error| panic!("the node does not start: {error}"))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its temporary directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where its page, API and metrics are served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where the listener of this name is bound.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let status = self.status();
        let listeners = status["listeners"].as_array().cloned();
        listeners
            .unwrap_or_default()
            .iter()
            .find(|listener| listener["name"] == name)
            .and_then(|listener| listener["address"].as_str()?.parse().ok())
            .unwrap_or_else(|| panic!("no listener `{name}` in {status}"))
    }

    /// What `GET /api/v1/status` says.
    ///
    /// # Panics
    /// When it does not answer with JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let (code, body) = self.get("/api/v1/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("the status is JSON")
    }

    /// What `GET /metrics` says.
    ///
    /// # Panics
    /// When it is not served.
    #[must_use]
    pub fn metrics(&self) -> String {
        let (code, body) = self.get("/metrics");
        assert_eq!(code, 200, "{body}");
        body
    }

    /// Status code and body of a GET request.
    ///
    /// # Panics
    /// When the node does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        http_get(self.http, path).unwrap_or_else(|error| {
            panic!("GET {path} of {}: {error}\n{}", self.http, self.output())
        })
    }

    /// Status code and body of a POST request with a JSON body.
    ///
    /// # Panics
    /// When the node does not answer.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let head = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        http(self.http, "POST", path, &head, &body).unwrap_or_else(|error| {
            panic!("POST {path} to {}: {error}\n{}", self.http, self.output())
        })
    }

    /// Waits until the status satisfies `reached`, and gives it.
    ///
    /// # Panics
    /// When it does not within 30 seconds.
    #[must_use]
    pub fn wait_for_status(&self, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if reached(&status) {
                return status;
            }
            assert!(
                Instant::now() < until,
                "waited {PATIENCE:?} for {what}: {status:#}"
            );
            thread::sleep(POLL);
        }
    }

    /// Replaces its configuration file (`{dir}` as in [`try_start`](Self::try_start)), without telling it.
    pub fn write_config(&self, config_text: &str) {
        write_config(&self.config, &self.directory, config_text).expect("write the configuration");
    }

    /// Sends SIGHUP: it reads its configuration again.
    pub fn reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Sends SIGTERM: it drains and ends.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it has not within 30 seconds.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for a child") {
                return status;
            }
            assert!(
                Instant::now() < until,
                "it runs on for {PATIENCE:?}:\n{}",
                self.output()
            );
            thread::sleep(POLL);
        }
    }

    /// Everything that it has written to standard output and standard error (the last 10,000 lines).
    #[must_use]
    pub fn output(&self) -> String {
        let lines = self.output.lines.lock();
        let lines = lines.unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until it has written a line with this text, and gives the line.
    ///
    /// # Panics
    /// When it has not within 30 seconds.
    pub fn wait_for_output(&self, text: &str) -> String {
        self.output
            .find(|line| line.contains(text).then(|| line.to_owned()))
            .unwrap_or_else(|| panic!("it never says `{text}`:\n{}", self.output()))
    }

    /// Reads no more of what it writes: its pipes stay open and fill. What was under way may still be read.
    pub fn pause_output(&self) {
        self.output.set(Reading::Paused);
    }

    /// Reads again after [`pause_output`](Self::pause_output).
    pub fn resume_output(&self) {
        self.output.set(Reading::On);
    }

    /// Closes the pipes that it writes to, each with the next line that comes through it.
    pub fn close_output(&self) {
        self.output.set(Reading::Over);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process id");
        signal::kill(Pid::from_raw(id), signal).expect("the node runs");
    }

    fn collect_output(&mut self) {
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            self.child.stdout.take().map(|stream| Box::new(stream) as _),
            self.child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let output = Arc::clone(&self.output);
            let reader = thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    output.push(String::from_utf8_lossy(&line).into_owned());
                    if !output.goes_on() {
                        return;
                    }
                }
            });
            self.readers.push(reader);
        }
    }

    fn find_http_address(&mut self) -> io::Result<SocketAddr> {
        let until = Instant::now() + PATIENCE;
        loop {
            let address = self
                .output
                .find_for(Duration::from_millis(50), page_address);
            match address {
                Some(address) => return Ok(address),
                None if self.has_ended() => return Err(self.ended()),
                None if Instant::now() > until => {
                    return Err(self.fault("it never said where its page is"));
                }
                None => {}
            }
        }
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        // Over TLS whoever has the authority asks: it is bound before it is said.
        let is_secure = self.output().contains("https://");
        while !is_secure && !matches!(http_get(self.http, "/readyz"), Ok((200, _))) {
            if self.has_ended() {
                return Err(self.ended());
            }
            if Instant::now() > until {
                return Err(self.fault("it is not ready"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn ended(&mut self) -> io::Error {
        // They end with its output, so that nothing of it is missing in the report.
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
        self.fault("it ended")
    }

    fn fault(&self, what: &str) -> io::Error {
        io::Error::other(format!("{what}; it wrote:\n{}", self.output()))
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        // Readers that are held up end with its pipes.
        self.output.set(Reading::On);
    }
}

impl Output {
    fn set(&self, reading: Reading) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
        self.changed.notify_all();
    }

    /// Waits while nothing shall be read; then whether there is more to read.
    fn goes_on(&self) -> bool {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        while *reading == Reading::Paused {
            reading = self
                .changed
                .wait(reading)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *reading == Reading::On
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        self.grown.notify_all();
    }

    fn find<T>(&self, found: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.find_for(PATIENCE, found)
    }

    /// Looks through all lines, and through those that come until `patience` ends.
    fn find_for<T>(&self, patience: Duration, found: impl Fn(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + patience;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = lines.iter().find_map(|line| found(line)) {
                return Some(value);
            }
            let left = until.checked_duration_since(Instant::now())?;
            lines = self
                .grown
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn spawn(
    binary: &Path,
    config: &Path,
    directory: &TempDir,
    config_text: &str,
    arguments: &[&str],
) -> io::Result<Child> {
    write_config(config, directory, config_text)?;
    Command::new(binary)
        .arg("run")
        .arg("-c")
        .arg(config)
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))
}

fn write_config(config: &Path, directory: &TempDir, text: &str) -> io::Result<()> {
    let directory = directory.path().to_string_lossy();
    fs::write(config, text.replace("{dir}", &directory))
}

/// The program that was built with the running test or tool: what `HEPCAT_BINARY` names, else `hepcat` in the
/// directory of the build (for tests of the package `hepcat` itself, `env!("CARGO_BIN_EXE_hepcat")` is surer).
#[must_use]
pub fn hepcat_binary() -> PathBuf {
    if let Some(binary) = env::var_os("HEPCAT_BINARY") {
        return binary.into();
    }
    let this = env::current_exe().unwrap_or_default();
    let directory = this.parent().unwrap_or_else(|| Path::new("."));
    // Tests stand one level below the programs of their build.
    let directory = match directory.file_name() {
        Some(name) if name == "deps" => directory.parent().unwrap_or(directory),
        _ => directory,
    };
    directory.join("hepcat")
}

/// The address in a line that says `http://ADDRESS:PORT`, or `https://`.
fn page_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line
        .split_once("http://")
        .or_else(|| line.split_once("https://"))?;
    let end = rest
        .find(|c: char| !(c.is_ascii_hexdigit() || "[].:".contains(c)))
        .unwrap_or(rest.len());
    rest.get(..end)?.trim_end_matches(['.', ':']).parse().ok()
}

/// A GET request of its own connection: status code and body.
fn http_get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    http(address, "GET", path, "", "")
}

/// A request of its own connection: status code and body.
fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: no chunks to put together, and the connection ends with the answer.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{head}\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("no HTTP answer"))?;
    let code = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("no HTTP status"))?;
    Ok((code, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn the_page_is_found_in_a_line_for_people_and_in_one_for_machines() {
        let expected = Some(SocketAddr::from(([127, 0, 0, 1], 9080)));
        for line in [
            "  metrics, health and live messages on http://127.0.0.1:9080",
            r#"{"message":"serving","page":"http://127.0.0.1:9080/"}"#,
        ] {
            assert_eq!(page_address(line), expected);
        }
        let with_dot = page_address("It serves http://[::1]:80.");
        assert_eq!(with_dot, Some(SocketAddr::from((Ipv6Addr::LOCALHOST, 80))));
        assert_eq!(page_address("no page"), None);
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_its_output() {
        let ls = crate::program("ls").unwrap();
        let error = NodeProcess::try_start(&ls, "").unwrap_err().to_string();
        assert!(
            error.contains("it ended") && error.contains("'run'"),
            "{error}"
        );
    }
}
