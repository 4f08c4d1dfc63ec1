//! A node behind Debian's nginx, configured as docs/access.md says, over TLS and below a path.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::door::{Answer, Door, EVERYBODY, PASSWORD, ask_over};
use hepcat_testkit::{
    FakeAgent, TestCa,
    frame::{sip_options, sip_v3},
    program,
};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use serde_json::json;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// From here the proxy asks the node, so that it is told from whoever asks the proxy.
const PROXY: &str = "127.0.0.9";

struct Nginx {
    child: Child,
    address: SocketAddr,
    ca: TestCa,
    _directory: TempDir,
}

impl Nginx {
    /// With the part of a configuration that the documentation has.
    fn start(program: &Path, node: SocketAddr) -> Self {
        let document = include_str!("../../../../docs/access.md");
        let (_, part) = document.split_once("```nginx\n").expect("an example");
        let (location, _) = part.split_once("```").expect("its end");
        let location = location.replace("127.0.0.1:9080", &node.to_string());
        let location = location.replacen('{', &format!("{{\nproxy_bind {PROXY};"), 1);
        let ca = TestCa::new();
        let identity = ca.localhost();
        let directory = TempDir::new().expect("a directory");
        let here = directory.path().display();
        // Free a moment ago: nginx cannot say what it was given.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {here}/{what};\n"))
            .concat();
        let config = format!(
            "user root;\ndaemon off;\npid {here}/pid;\nerror_log stderr;\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {address} ssl;\nssl_certificate {};\n\
             ssl_certificate_key {};\n{location}\n}}\n}}\n",
            identity.cert.display(),
            identity.key.display()
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, config).expect("written");
        let child = Command::new(program)
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx runs");
        let mut nginx = Self {
            child,
            address,
            ca,
            _directory: directory,
        };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(self.ca.client_config(None), name).expect("a client");
        let stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        StreamOwned::new(tls, stream)
    }

    /// What a browser names as its host, with the port.
    fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let host = self.host();
        let fields = [&[("Host", host.as_str())], fields].concat();
        ask_over(self.connect(), method, path, &fields, body)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it: that is SIGTERM to the master.
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = nix::unistd::Pid::from_raw(id);
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_everything_works_below_a_path() {
    let Some(program) = program("nginx") else {
        return;
    };
    let trusted = format!("trusted_proxies = [\"{PROXY}\"]");
    let door = Door::open(&EVERYBODY, &trusted).await;
    let (page, hep) = (door.page, door.node.listening()[0].1);
    tokio::task::spawn_blocking(move || {
        let nginx = Nginx::start(&program, page);
        let origin = format!("https://{}", nginx.host());

        let index = nginx.ask("GET", "/hep/", &[], "");
        assert_eq!(index.status, 200, "{index:?}");
        assert!(index.field("content-security-policy").is_some());
        for asset in index
            .body
            .split('"')
            .filter(|part| part.starts_with("./assets/"))
        {
            let path = format!("/hep/{}", asset.trim_start_matches("./"));
            assert_eq!(nginx.ask("GET", &path, &[], "").status, 200, "{path}");
        }

        // A browser that does not say `Sec-Fetch-Site` is known by its origin, also on a port of its own.
        let body = json!({ "user": "admin", "password": PASSWORD }).to_string();
        let spoofed = [
            ("Origin", origin.as_str()),
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-Forwarded-Proto", "gopher"),
        ];
        let signed = nginx.ask("POST", "/hep/api/v1/session", &spoofed, &body);
        assert_eq!(signed.status, 200, "{signed:?}");
        let set = signed.field("set-cookie").expect("a cookie");
        assert!(
            set.contains("; Secure") && set.contains("; SameSite=Strict"),
            "{set}"
        );
        assert!(!set.contains("Path"), "{set}");
        let cookie = signed.cookie();
        let mine = [("Cookie", cookie.as_str())];
        let log = nginx.ask("GET", "/hep/api/v1/audit?action=sign_in", &mine, "");
        // Who asked the proxy, not who that said he were, and not the proxy.
        assert_eq!(log.json()["entries"][0]["address"], "127.0.0.1", "{log:?}");

        for (from, status) in [(origin.as_str(), 200), ("https://evil.example", 403)] {
            let fields = [mine[0], ("Origin", from)];
            let switched = nginx.ask("POST", "/hep/api/v1/capture", &fields, "{\"on\": true}");
            assert_eq!(switched.status, status, "{from}: {switched:?}");
        }

        // What happens is told while it happens.
        let mut stream = nginx.connect();
        write!(
            stream,
            "GET /hep/api/v1/live HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n",
            nginx.host()
        )
        .expect("sent");
        let mut said = String::new();
        let mut read_until = |text: &str| {
            while !said.contains(text) {
                let mut part = [0; 4096];
                let length = stream.read(&mut part).expect("it goes on");
                assert!(length > 0, "{said}");
                said.push_str(&String::from_utf8_lossy(&part[..length]));
            }
        };
        read_until("text/event-stream");
        let mut agent = FakeAgent::tcp(hep);
        agent.send(&sip_v3(sip_options("through-nginx")));
        read_until("through-nginx");

        // A capture of some megabytes gets to the node, which finds nothing in it.
        let large = "x".repeat(3 << 20);
        let taken = nginx.ask("POST", "/hep/api/v1/import", &mine, &large);
        assert_eq!(taken.status, 400, "{taken:?}");
        assert_eq!(taken.json()["title"], "nothing to import", "{taken:?}");

        // Who is no proxy is not believed.
        let direct = TcpStream::connect(page).expect("connect");
        direct.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let said = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", "198.51.100.7"),
        ];
        let signed = ask_over(direct, "POST", "/api/v1/session", &said, &body);
        let set = signed.field("set-cookie").expect("a cookie");
        assert!(!set.contains("Secure"), "{set}");
        let log = nginx.ask("GET", "/hep/api/v1/audit?text=198.51.100.7", &mine, "");
        assert_eq!(log.json()["entries"], json!([]), "{log:?}");
    })
    .await
    .expect("asked");
    assert_eq!(door.node.stop().await.unaccounted, 0);
}
