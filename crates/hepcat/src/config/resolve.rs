//! What concerns more than one table: names, references, addresses used twice.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hepcat_net::Transport;

use super::{
    Config, Fault, Host, Listener, Marked, Version, group,
    reader::closest,
    route::{RESERVED, Target},
    trace,
};

/// Checks what the tables say together. `unread` names the destinations and groups that have faults of
/// their own.
pub(super) fn check(config: &Config, unread: &[String], note: &mut dyn FnMut(Fault)) {
    check_names(config, note);
    group::check(config, unread, note);
    check_routes(config, unread, note);
    check_script(config, unread, note);
    trace::check(config, unread, note);
    check_addresses(config, note);
    super::agents::check_subjects(&config.listeners, note);
    check_capture_ids(config, note);
    super::spool::check(config, note);
    super::store::check(config, note);
    super::calls::check(config, note);
    check_users(config, note);
}

/// Where others than this host can ask there must be users, and users are kept in a directory.
fn check_users(config: &Config, note: &mut dyn FnMut(Fault)) {
    if config.http.is_public() && config.data_dir().is_none() {
        let message = "others than this host can reach the page, and users would be kept nowhere";
        let remedy = "add data_dir = \"…\" to [node], and a user: hepcat user add";
        note(Fault::at(&config.http.listen, message, remedy));
    }
}

/// Lets `0.0.0.0` and `[::]` be listeners on one port, where the second would take IPv4 as well.
pub(super) fn split_families(listeners: &mut [Listener]) {
    let any = |host: &Host, ip: IpAddr| *host == Host::Ip(ip);
    let place = |listener: &Listener| (is_datagram(listener), listener.socket.port);
    let taken: Vec<_> = listeners
        .iter()
        .filter(|listener| any(&listener.socket.host, Ipv4Addr::UNSPECIFIED.into()))
        .map(place)
        .collect();
    for listener in listeners {
        let wildcard = any(&listener.socket.host, Ipv6Addr::UNSPECIFIED.into());
        listener.v6_only =
            wildcard && listener.socket.port != 0 && taken.contains(&place(listener));
    }
}

/// TCP and TLS share the space of TCP ports.
fn is_datagram(listener: &Listener) -> bool {
    listener.socket.transport == Transport::Udp
}

fn check_names(config: &Config, note: &mut dyn FnMut(Fault)) {
    let listeners = config.listeners.iter().map(|listener| &listener.name);
    let destinations = config
        .destinations
        .iter()
        .map(|destination| &destination.name);
    note_repeated("listeners", listeners, note);
    note_repeated("destinations", destinations.clone(), note);
    let groups = config.groups.iter().map(|group| &group.name);
    note_repeated("groups", groups, note);
    for name in destinations.filter(|name| RESERVED.contains(&name.as_str())) {
        let message = format!("a destination cannot be called `{}`", **name);
        note(Fault::at(
            name,
            message,
            "routes use that word for something else: choose another",
        ));
    }
}

fn note_repeated<'a>(
    what: &str,
    names: impl Iterator<Item = &'a Marked<String>>,
    note: &mut dyn FnMut(Fault),
) {
    let mut seen: HashMap<&str, &Marked<String>> = HashMap::new();
    for name in names {
        let Some(first) = seen.get(name.as_str()) else {
            seen.insert(name.as_str(), name);
            continue;
        };
        let message = format!("two {what} are called `{}`", **name);
        let remedy = format!("rename one of them; {}", first_place(first));
        note(Fault::at(name, message, remedy));
    }
}

fn first_place<T>(first: &Marked<T>) -> String {
    match first.mark().line() {
        Some(line) => format!("the first is in line {line}"),
        None => "the first is built in".to_owned(),
    }
}

fn check_routes(config: &Config, unread: &[String], note: &mut dyn FnMut(Fault)) {
    let read = || {
        config
            .destinations
            .iter()
            .map(|destination| destination.name.as_str())
    };
    let groups = || config.groups.iter().map(|group| group.name.as_str());
    let unread = || unread.iter().map(String::as_str);
    let names = || read().chain(groups()).chain(unread());
    for target in config.routes.iter().flat_map(|route| &route.to) {
        let name = match &**target {
            Target::Named(name) => name,
            Target::Tail => continue,
            Target::Store if config.store.enabled => continue,
            Target::Store => {
                let remedy = "add a table [store], or name a destination";
                note(Fault::at(
                    target,
                    "a route names the store, and there is none",
                    remedy,
                ));
                continue;
            }
        };
        if names().any(|known| known == name) {
            continue;
        }
        let message = format!("a route names `{name}`, which is no destination and no group");
        let remedy = match closest(name, names().chain(["tail"])) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("add a [[destination]] of that name, or a hep_id [{name}]"),
        };
        note(Fault::at(target, message, remedy));
    }
}

/// A script must be good, and there where a route asks it or `hep_route` names a function of it.
fn check_script(config: &Config, unread: &[String], note: &mut dyn FnMut(Fault)) {
    if let Some(script) = &config.lua.script {
        // One that could not be read has its fault already.
        if !script.text().is_empty()
            && let Err(faults) = config.compile_script(unread)
        {
            faults.into_iter().for_each(note);
        }
        return;
    }
    for asks in config
        .routes
        .iter()
        .filter_map(|route| route.asks_script.as_ref())
    {
        let remedy = "add [lua] with script = \"…\", or remove `lua`";
        note(Fault::at(
            asks,
            "a route asks the script, and there is none",
            remedy,
        ));
    }
}

/// Two listeners on one port: the second bind would fail, and the first fault is better found now.
fn check_addresses(config: &Config, note: &mut dyn FnMut(Fault)) {
    let mut seen = HashMap::new();
    let sockets = config.listeners.iter().map(|listener| {
        let socket = &listener.socket;
        // TCP and TLS share the space of TCP ports.
        let datagram = socket.transport == Transport::Udp;
        (
            datagram,
            socket.host.to_string(),
            socket.port,
            socket.mark(),
        )
    });
    let metrics = config.http.metrics.iter().map(|metrics| &metrics.listen);
    let http = metrics.chain([&config.http.listen]).map(|listen| {
        let host = Host::Ip(listen.ip());
        (false, host.to_string(), listen.port(), listen.mark())
    });
    for (datagram, host, port, mark) in sockets.chain(http).filter(|(_, _, port, _)| *port != 0) {
        let place = Marked::new((), mark.clone());
        let key = (datagram, host.clone(), port);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, place);
            continue;
        };
        let kind = if datagram { "UDP" } else { "TCP" };
        let message = format!("{kind} {host}:{port} is listened on twice");
        let remedy = format!("change the address or the port; {}", first_place(first));
        note(Fault::at(&place, message, remedy));
    }
}

/// HEPv2 carries a capture agent ID of 16 bits.
fn check_capture_ids(config: &Config, note: &mut dyn FnMut(Fault)) {
    let v2 = |version: Version| version == Version::V2;
    let mut noted = false;
    for destination in config.destinations.iter().filter(|d| v2(*d.version)) {
        let id = &destination.sending.hep_capture_id;
        // An ID of [hep] is one fault, however many destinations it does not fit.
        if **id <= u32::from(u16::MAX) || std::mem::replace(&mut noted, true) {
            continue;
        }
        let message = format!(
            "`hep_capture_id` {} does not fit destination `{}`: version 2 carries 16 bits",
            **id, *destination.name
        );
        note(Fault::at(
            id,
            message,
            "choose a number up to 65535, or version 3 for the destination",
        ));
    }
}
