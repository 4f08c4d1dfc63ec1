//! A configuration's listeners and destinations in the terms of the transport library.

use std::{net::SocketAddr, sync::Arc};

use hepcat_net::{
    DestinationConfig, ListenerId, Transport,
    destination::{QueueConfig, SendMode, WhenFull, domain_of},
    listener::{ListenerConfig, OnBadMagic, StreamLimits},
    spool::{Fsync, SpoolConfig, SpoolFull, SpoolMode},
    tls::{ClientAuth, ClientTls, ClientTlsSettings, ServerTls},
};
use hepcat_wire::CaptureIdFix;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::config::{self, Fault, Hep, Host, Marked, Socket};

/// The provider of everything that is cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A listener, its host name resolved.
///
/// # Errors
/// A host that is no address of ours by name.
pub(super) async fn listener(
    spec: &config::Listener,
    hep: &Hep,
    id: ListenerId,
) -> Result<ListenerConfig, Fault> {
    let address = resolve(&spec.socket).await?;
    let config = match (spec.socket.transport, &spec.tls) {
        (Transport::Udp, _) => ListenerConfig::udp(id, address),
        (Transport::Tls, Some(tls)) => ListenerConfig::tls(id, address, server_tls(tls)),
        _ => ListenerConfig::tcp(id, address),
    };
    let buffer = usize::try_from(spec.receive_buffer.as_u64()).unwrap_or(usize::MAX);
    let config = match spec.sockets {
        Some(sockets) => config.sockets(sockets),
        None => config,
    };
    let config = if spec.v6_only {
        config.v6_only()
    } else {
        config
    };
    Ok(config
        .receive_buffer(buffer)
        .on_bad_magic(match spec.on_garbage {
            config::OnGarbage::Close => OnBadMagic::Close,
            config::OnGarbage::Resync => OnBadMagic::Resync,
        })
        .limits(limits(&spec.stream, hep)))
}

fn limits(stream: &config::StreamLimits, hep: &Hep) -> StreamLimits {
    let mut limits = StreamLimits::default();
    limits.max_msg_chunks = hep.hep_max_msg_chunks;
    limits.message_timeout = stream.message_timeout;
    limits.idle_timeout = stream.idle_timeout;
    limits.handshake_timeout = stream.handshake_timeout;
    limits.max_connections = stream.max_connections;
    limits.max_connections_per_peer = stream.max_connections_per_peer;
    limits.max_bad_frames = stream.bad_frames;
    limits
}

/// The TLS side of a listener.
pub(crate) fn server_tls(tls: &config::ListenerTls) -> ServerTls {
    let ca = || {
        tls.ca
            .as_ref()
            .map(|ca| ca.to_path_buf())
            .unwrap_or_default()
    };
    let client_auth = match tls.client_auth {
        config::ClientAuth::Off => ClientAuth::Off,
        config::ClientAuth::Optional => ClientAuth::Optional { ca: ca() },
        config::ClientAuth::Required => ClientAuth::Required { ca: ca() },
    };
    let server = ServerTls::new(provider(), tls.cert.as_path(), tls.key.as_path());
    tls.domains
        .iter()
        .fold(server.client_auth(client_auth), |server, domain| {
            server.domain(
                domain.name.as_str(),
                domain.cert.as_path(),
                domain.key.as_path(),
            )
        })
}

async fn resolve(socket: &Marked<Socket>) -> Result<SocketAddr, Fault> {
    let name = match &socket.host {
        Host::Ip(address) => return Ok(SocketAddr::new(*address, socket.port)),
        Host::Name(name) => name,
    };
    let remedy = "write an address of this host, or a name that resolves to one";
    let found = match tokio::net::lookup_host((name.as_str(), socket.port)).await {
        Ok(mut addresses) => addresses.next(),
        Err(error) => {
            let message = format!("cannot resolve `{name}`: {error}");
            return Err(Fault::at(socket, message, remedy));
        }
    };
    found.ok_or_else(|| Fault::at(socket, format!("`{name}` has no address"), remedy))
}

/// What is done about capture agent IDs that a listener receives.
pub(super) fn capture_id_fix(spec: &config::Listener) -> CaptureIdFix {
    match spec.capture_id_fix {
        config::CaptureIdFix::Off => CaptureIdFix::Off,
        config::CaptureIdFix::Auto => CaptureIdFix::Auto,
        config::CaptureIdFix::High16 => CaptureIdFix::High16,
    }
}

/// A destination, its certificates loaded.
///
/// # Errors
/// TLS files that cannot be used.
pub(super) fn destination(spec: &config::Destination) -> Result<DestinationConfig, Fault> {
    let (transport, port) = (spec.socket.transport, spec.socket.port);
    let name = spec.name.as_str();
    let host = match &spec.socket.host {
        Host::Ip(address) => address.to_string(),
        Host::Name(host) => host.clone(),
    };
    let config = match transport {
        Transport::Udp => DestinationConfig::udp(name, host, port),
        Transport::Tls => {
            let tls = client_tls(spec)?;
            tls.check_host(domain_of(&host)).map_err(|error| {
                let remedy = "add tls.server_name, the name in the collector's certificate";
                Fault::at(&spec.socket, error.to_string(), remedy)
            })?;
            DestinationConfig::tls(name, host, port, tls)
        }
        _ => DestinationConfig::tcp(name, host, port),
    };
    let sending = &spec.sending;
    let mode = if sending.hep_async {
        SendMode::Async {
            local_connect_timeout: sending.hep_async_local_connect_timeout,
            local_write_timeout: sending.hep_async_local_write_timeout,
        }
    } else {
        SendMode::Sync
    };
    let config = config
        .queue(queue(&spec.queue))
        .mode(mode)
        .send_timeout(sending.hep_send_timeout);
    let config = match &spec.spool {
        Some(spool) => config.spool(spool_config(spool)),
        None => config,
    };
    let config = match spec.probe {
        Some(probe) => config.probe(probe.interval, probe.timeout),
        None => config,
    };
    Ok(
        match (sending.hep_max_retries, sending.hep_retry_cooldown) {
            (Some(retries), Some(cooldown)) => config.retry_limit(retries, cooldown),
            _ => config,
        },
    )
}

fn spool_config(spool: &config::Spool) -> SpoolConfig {
    SpoolConfig::new(&spool.directory)
        .mode(match spool.mode {
            config::SpoolMode::Overflow => SpoolMode::Overflow,
            config::SpoolMode::Always => SpoolMode::Always,
        })
        .max_octets(spool.max_size.as_u64())
        .max_age(spool.max_age)
        .when_full(match spool.when_full {
            config::SpoolFull::DropOldest => SpoolFull::DropOldest,
            config::SpoolFull::DropNewest => SpoolFull::DropNewest,
        })
        .fsync(match spool.fsync {
            config::SpoolFsync::Always => Fsync::Always,
            config::SpoolFsync::Every(interval) => Fsync::Every(interval),
            config::SpoolFsync::Never => Fsync::Never,
        })
        .replay_rate(spool.replay_rate)
}

fn queue(queue: &config::Queue) -> QueueConfig {
    let octets = queue
        .size
        .map(|size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX));
    let bounds = QueueConfig::default()
        .max_frames(queue.frames)
        .max_octets(octets);
    bounds.when_full(match queue.when_full {
        config::WhenFull::Block => WhenFull::Block,
        config::WhenFull::DropOldest => WhenFull::DropOldest,
        config::WhenFull::DropNewest => WhenFull::DropNewest,
        config::WhenFull::Disconnect => WhenFull::Disconnect,
        // The spool decides; this is what the memory in front of a spool that is too slow does.
        config::WhenFull::Spool => WhenFull::DropNewest,
    })
}

fn client_tls(spec: &config::Destination) -> Result<ClientTls, Fault> {
    let mut settings = ClientTlsSettings::new();
    if let Some(tls) = &spec.tls {
        if let Some(ca) = &tls.ca {
            settings = settings.ca(ca.as_path());
        }
        if let Some(name) = &tls.server_name {
            settings = settings.server_name(name.as_str());
        }
        if let Some((cert, key)) = &tls.identity {
            settings = settings.identity(cert.as_path(), key.as_path());
        }
        if tls.insecure {
            settings = settings.insecure();
        }
    }
    ClientTls::load(settings, provider()).map_err(|error| {
        let remedy =
            "name PEM files that hepcat can read, and whose certificate and key belong together";
        Fault::at(&spec.name, spelled(&error), remedy)
    })
}

/// An error and what caused it, in one line.
pub(crate) fn spelled(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
