//! A SIP program that traces itself: it answers OPTIONS over UDP, and sends a copy of everything that it receives and
//! sends to a HEP collector over TLS. The collector may be slow or away: calls never wait for it.
//!
//! `cargo run -p hepcat-net --example trace_own_sip -- 127.0.0.1:5060 collector.example.net:9061 ca.pem`

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    error::Error,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use hepcat_net::{
    Destination, DestinationConfig,
    rustls::crypto::aws_lc_rs,
    tls::{ClientTls, ClientTlsSettings},
    trace::{HepId, HepIds, PackRequest},
};
use hepcat_sip::Scan;
use hepcat_wire::IpProtocol;
use tokio::net::UdpSocket;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let sip: SocketAddr = next("address to answer SIP on")?.parse()?;
    let collector = next("host:port of the collector")?;
    let ca = PathBuf::from(next("file with the collector's authority")?);

    let tracer = Tracer::connect(&collector, &ca)?;
    let socket = UdpSocket::bind(sip).await?;
    println!(
        "answering OPTIONS on {}, tracing to {collector}",
        socket.local_addr()?
    );
    tokio::select! {
        answered = answer(&socket, &tracer) => answered?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let lost = tracer.close().await;
    println!("{lost} messages could not be delivered");
    Ok(())
}

/// Where copies go.
pub(crate) struct Tracer {
    ids: HepIds,
    tasks: TaskTracker,
}

impl Tracer {
    /// Copies go to the collector at `host:port`, whose certificate is signed by the authority in `ca`. Returns at once: the
    /// connection is made when there is something to send, and made again when it breaks.
    pub(crate) fn connect(collector: &str, ca: &Path) -> Result<Self, Box<dyn Error>> {
        let (host, port) = collector.rsplit_once(':').ok_or("host:port expected")?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientTls::load(ClientTlsSettings::new().ca(ca), provider)?;
        let config = DestinationConfig::tls("homer", host, port.parse()?, tls);

        let tasks = TaskTracker::new();
        let destination = Destination::spawn(config, &tasks, &CancellationToken::new());
        let ids = HepIds::new();
        ids.define(HepId::new(destination).capture_id(2001))?;
        Ok(Self { ids, tasks })
    }

    /// Traces a message that went from one address to another just now.
    fn trace(&self, message: &[u8], from: SocketAddr, to: SocketAddr) {
        let call_id = hepcat_sip::scan(message).and_then(|sip| sip.call_id());
        let request = PackRequest::sip(IpProtocol::UDP, message)
            .source(from)
            .destination(to)
            .correlation_id(call_id.unwrap_or_default());
        if let Err(error) = self.ids.send("homer", &request, SystemTime::now()) {
            println!("not traced: {error}");
        }
    }

    /// Delivers what is queued, for at most five seconds, and says how many messages were lost.
    pub(crate) async fn close(self) -> u64 {
        let Some(homer) = self.ids.get("homer") else {
            return 0;
        };
        let drained = homer.destination().drain(Duration::from_secs(5)).await;
        self.tasks.close();
        self.tasks.wait().await;
        drained.lost
    }
}

/// Answers OPTIONS until the socket fails.
pub(crate) async fn answer(socket: &UdpSocket, tracer: &Tracer) -> std::io::Result<()> {
    let here = socket.local_addr()?;
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        let Some(request) = buffer.get(..length) else {
            continue;
        };
        tracer.trace(request, peer, here);
        let Some(sip) = hepcat_sip::scan(request) else {
            continue;
        };
        if sip.method() == Some(b"OPTIONS") {
            let response = ok(&sip);
            tracer.trace(&response, here, peer);
            socket.send_to(&response, peer).await?;
        }
    }
}

/// The 200 to a request (RFC 3261 §8.2.6).
fn ok(request: &Scan<'_>) -> Vec<u8> {
    let mut response = b"SIP/2.0 200 OK\r\n".to_vec();
    for header in request.headers() {
        let repeated = ["Via", "From", "To", "Call-ID", "CSeq"];
        if let Some(name) = repeated.iter().find(|name| header.is(name.as_bytes())) {
            response.extend_from_slice(name.as_bytes());
            response.extend_from_slice(b": ");
            response.extend_from_slice(header.value());
            if *name == "To" && request.to().is_some_and(|to| to.tag().is_none()) {
                response.extend_from_slice(b";tag=hepcat");
            }
            response.extend_from_slice(b"\r\n");
        }
    }
    response.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    response
}
