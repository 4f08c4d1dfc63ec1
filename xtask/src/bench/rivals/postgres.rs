//! PostgreSQL with the tables and indexes of heplify-server, filled as it does: a COPY of 400 rows for each transaction.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hepcat_testkit::load::thread_times;
use tempfile::TempDir;

use super::{
    Measured,
    input::{Input, TABLES},
    median,
};
use crate::bench::{child::spawn_on, run::Bench};

/// Where Debian has it.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// How long it may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often each question is asked.
const TIMES: usize = 5;

/// Keys of `data_header` that have an index, and of `protocol_header`.
const DATA_KEYS: [&str; 8] = [
    "ruri_domain",
    "ruri_user",
    "from_user",
    "to_user",
    "pid_user",
    "auth_user",
    "callid",
    "method",
];
const PROTOCOL_KEYS: [&str; 3] = ["srcIp", "dstIp", "correlation_id"];

pub(super) fn measure(bench: &Bench, input: &Input) -> Result<Vec<Measured>> {
    let server = Server::start(bench)?;
    server.sql(&schema())?;
    let before = server.cpu()?;
    let begun = Instant::now();
    server.script(&input.copy)?;
    let wall = begun.elapsed();
    server.sql("CHECKPOINT")?;
    let used = server.cpu()?.saturating_sub(before);
    let all = TABLES.map(|table| format!("{table}_20261123_0000"));
    let sizes = all.map(|table| format!("pg_total_relation_size('{table}')"));
    let octets: f64 = server
        .sql(&format!("SELECT {}", sizes.join(" + ")))?
        .trim()
        .parse()?;
    let rows: u64 = server
        .sql(&format!(
            "SELECT {}",
            TABLES
                .map(|table| format!("(SELECT count(*) FROM {table})"))
                .join(" + ")
        ))?
        .trim()
        .parse()?;
    ensure!(rows == input.rows, "{rows} rows of {}", input.rows);
    server.sql("VACUUM ANALYZE")?;
    let (mut millis, mut found) = (Vec::new(), Vec::new());
    for query in questions(input) {
        let (took, rows) = server.ask(&query)?;
        millis.push(took);
        found.push(rows);
    }
    let micros = used.as_secs_f64() * 1e6 / input.rows as f64;
    Ok(vec![Measured {
        name: "PostgreSQL 15, as heplify-server",
        cpu_us: Some(micros),
        octets: Some(octets / input.rows as f64),
        millis,
        found,
        note: format!(
            "CPU of its own processes alone, without who receives and decodes; {:.0} rows a second; its log of {:.0} MiB apart",
            input.rows as f64 / wall.as_secs_f64(),
            super::octets_of(&server.data().join("pg_wal")) as f64 / f64::from(1 << 20)
        ),
    }])
}

/// The tables, partitioned by day, and the indexes of a day's partitions.
fn schema() -> String {
    let mut statements = Vec::new();
    for table in TABLES {
        let day = format!("{table}_20261123_0000");
        statements.push(format!(
            "CREATE TABLE {table} (id bigserial NOT NULL, sid varchar NOT NULL, \
             create_date timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL, \
             protocol_header jsonb NOT NULL, data_header jsonb NOT NULL, raw varchar NOT NULL) \
             PARTITION BY RANGE (create_date)"
        ));
        statements.push(format!(
            "CREATE TABLE {day} PARTITION OF {table} \
             FOR VALUES FROM ('2026-11-23 00:00:00Z') TO ('2026-11-25 00:00:00Z')"
        ));
        for column in ["create_date", "sid"] {
            statements.push(format!("CREATE INDEX ON {day} ({column})"));
        }
        for key in PROTOCOL_KEYS {
            statements.push(format!(
                "CREATE INDEX ON {day} ((protocol_header->>'{key}'))"
            ));
        }
        for key in DATA_KEYS {
            statements.push(format!("CREATE INDEX ON {day} ((data_header->>'{key}'))"));
        }
    }
    statements.join(";\n")
}

fn questions(input: &Input) -> [String; 5] {
    let newest = "ORDER BY create_date DESC";
    let select = "SELECT id, sid, create_date, protocol_header, data_header, raw FROM";
    let calls = TABLES[0];
    let user = format!(
        "data_header->>'from_user' = '{0}' OR data_header->>'to_user' = '{0}'",
        input.user
    );
    // Three tables, three questions.
    let users = TABLES.map(|table| format!("{select} {table} WHERE {user}"));
    let all = TABLES.map(|table| format!("({select} {table} {newest} LIMIT 200)"));
    let text = TABLES.map(|table| format!("{select} {table} WHERE raw LIKE '%{}%'", input.text));
    [
        format!("{select} {calls} WHERE sid = '{}' {newest}", input.call_id),
        format!("{} {newest}", users.join(" UNION ALL ")),
        format!(
            "{select} {calls} WHERE data_header->>'method' = '{}' {newest} LIMIT 200",
            input.status
        ),
        format!("{} {newest} LIMIT 200", all.join(" UNION ALL ")),
        text.join(" UNION ALL "),
    ]
}

/// A server of our own, on a socket in its directory.
struct Server {
    process: Child,
    directory: TempDir,
    port: u16,
    user: User,
}

/// It refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    fn start(bench: &Bench) -> Result<Self> {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            bail!("PostgreSQL 15 is not installed (`apt-get install postgresql-15` on Debian)");
        }
        let user = User::find()?;
        let directory = tempfile::tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let data = directory.path().join("data");
        fs::create_dir(&data)?;
        chown(directory.path(), Some(user.uid), Some(user.gid))?;
        chown(&data, Some(user.uid), Some(user.gid))?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        let made = user
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .arg("--locale=C.UTF-8")
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null())
            .status()?;
        ensure!(made.success(), "initdb: {made}");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = user.command("postgres");
        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(directory.path())
            .args(["-c", "listen_addresses=", "-p", &port.to_string()])
            // What a machine with a quarter of 1 GiB for it would be given; the defaults are those of 2005.
            .args(["-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = spawn_on(bench.node_core, &mut command)?;
        let server = Self {
            process,
            directory,
            port,
            user,
        };
        let until = Instant::now() + PATIENCE;
        while server.sql("SELECT 1").is_err() {
            ensure!(Instant::now() < until, "it does not start");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn psql(&self) -> Command {
        let mut command = self.user.command("psql");
        command
            .args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-d", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs statements and gives what they say.
    fn sql(&self, statements: &str) -> Result<String> {
        let output = self.psql().arg("-c").arg(statements).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "psql: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a file of statements, which comes through standard input: its reader is another user.
    fn script(&self, file: &Path) -> Result<()> {
        let input = fs::File::open(file)?;
        let mut command = self.psql();
        let status = command.stdin(input).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "psql: {status}");
        Ok(())
    }

    /// Milliseconds of a query, the median, and how many rows it finds.
    fn ask(&self, query: &str) -> Result<(f64, u64)> {
        let count = format!("SELECT count(*) FROM ({query}) AS found");
        let rows = self.sql(&count)?.trim().parse()?;
        let mut command = self.psql();
        command.args(["-o", "/dev/null", "-c", "\\timing on"]);
        for _ in 0..TIMES {
            command.arg("-c").arg(query);
        }
        let output = command.output()?;
        ensure!(output.status.success(), "psql: {query}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let times: Vec<f64> = said.lines().filter_map(milliseconds).collect();
        ensure!(times.len() == TIMES, "psql says no times: {said}");
        Ok((median(times), rows))
    }

    /// CPU time of all its processes, those that have ended too.
    fn cpu(&self) -> Result<Duration> {
        let main = self.process.id();
        let mut all = thread_times(main)?.process.total() + waited_for(main)?;
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children"))?;
        for child in children.split_whitespace() {
            // One that ends meanwhile is among those that were waited for, next time.
            let times = child.parse().ok().map(thread_times);
            if let Some(Ok(times)) = times {
                all += times.process.total();
            }
        }
        Ok(all)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid_file = self.data().join("postmaster.pid");
        let stopped = self
            .user
            .command("pg_ctl")
            .args(["-m", "immediate", "stop", "-D"])
            .arg(self.data())
            .stdout(Stdio::null())
            .status();
        if stopped.is_ok_and(|status| status.success()) || !pid_file.exists() {
            self.process.wait().ok();
        } else {
            self.process.kill().ok();
            self.process.wait().ok();
        }
    }
}

impl User {
    /// `postgres` where we are root; ourselves elsewhere.
    fn find() -> Result<Self> {
        let id = |flag: &str, name: &[&str]| -> Result<u32> {
            let output = Command::new("id").arg(flag).args(name).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.trim()
                .parse()
                .with_context(|| format!("id {flag} {name:?}"))
        };
        let name: &[&str] = if id("-u", &[])? == 0 {
            &["postgres"]
        } else {
            &[]
        };
        Ok(Self {
            uid: id("-u", name)?,
            gid: id("-g", name)?,
        })
    }

    fn command(self, program: &str) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join(program));
        command.uid(self.uid).gid(self.gid).current_dir("/");
        command
    }
}

/// CPU time of children that a process has waited for (`cutime` and `cstime`, the 16th and 17th fields, proc(5)).
fn waited_for(process_id: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u64 = fields
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux has 100 ticks a second for programs, on every architecture of today.
    Ok(Duration::from_millis(ticks * 10))
}

/// `Time: 12.345 ms`, with more behind it where it is long.
fn milliseconds(line: &str) -> Option<f64> {
    line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(milliseconds("Time: 12.345 ms"), Some(12.345));
        assert_eq!(milliseconds("Time: 1234.5 ms (00:01.235)"), Some(1_234.5));
        assert_eq!(milliseconds("nothing"), None);
    }

    #[test]
    fn every_table_has_its_indexes() {
        let schema = schema();
        assert_eq!(schema.matches("CREATE INDEX").count(), 3 * 13);
        assert_eq!(schema.matches("PARTITION OF").count(), 3);
    }
}
