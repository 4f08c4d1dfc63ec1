//! [`Status`] as OpenMetrics text.

mod agents;
mod script;
mod store;

use std::fmt;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

use hepcat_net::destination::Breaker;

use super::names::{self, Kind, Metric};
use crate::{
    http::Shared,
    status::{
        ByReason, DestinationStatus, GroupStatus, IntakeStatus, ListenerStatus, MemberStatus,
        SinkStatus, SpoolStatus, Status,
    },
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(crate) async fn scrape(State(shared): State<Shared>) -> Response {
    match render(shared.node.status()) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A reading as a scraper wants it.
///
/// # Errors
/// Never in practice: writing to a `String` does not fail.
pub(crate) fn render(status: Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Reading(status)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Reading(Status);

impl Collector for Reading {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Writer(encoder);
        node(&mut out, &self.0)?;
        access(&mut out, &self.0)?;
        traces(&mut out, &self.0)?;
        for listener_metrics in [intake_of_listeners, traffic, datagrams, connections] {
            listener_metrics(&mut out, &self.0.listeners)?;
        }
        agents::agents(&mut out, &self.0.agents)?;
        sinks(&mut out, &self.0.sinks)?;
        destinations(&mut out, &self.0.sinks)?;
        spools(&mut out, &self.0.sinks)?;
        groups(&mut out, &self.0.groups)?;
        if let Some(about) = &self.0.store {
            store::store(&mut out, about)?;
        }
        match &self.0.script {
            Some(about) => script::script(&mut out, about),
            None => Ok(()),
        }
    }
}

fn access(out: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let access = &status.access;
    for (metric, counters) in [
        (&names::SIGN_INS, &access.sign_ins),
        (&names::HTTP_REFUSED, &access.refused),
        (&names::AUDIT_ENTRIES, &access.audit),
        (&names::AUDIT_LOST, &access.audit_lost),
    ] {
        let samples = counters.iter();
        out.put(
            metric,
            samples.map(|(label, value)| (vec![label.as_str()], *value)),
        )?;
    }
    Ok(())
}

fn traces(out: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let traces = &status.traces;
    let pair = |labels: [&'static str; 2], values: [u64; 2]| {
        let samples = labels.into_iter().zip(values);
        samples.map(|(label, value)| (vec![label], value))
    };
    let kinds = |configured, started| pair(["configured", "started"], [configured, started]);
    let scopes = |dialogs, transactions| pair(["dialog", "transaction"], [dialogs, transactions]);
    out.put(&names::CAPTURE_ON, [(vec![], status.capture_on.into())])?;
    out.put(
        &names::TRACES,
        kinds(traces.configured as u64, traces.started as u64),
    )?;
    out.put(
        &names::TRACE_MESSAGES,
        kinds(traces.configured_traced, traces.started_traced),
    )?;
    out.put(
        &names::TRACE_RATE_LIMITED,
        kinds(traces.configured_rate_limited, traces.started_rate_limited),
    )?;
    out.put(
        &names::TRACE_FOLLOWED,
        scopes(traces.dialogs as u64, traces.transactions as u64),
    )?;
    out.put(
        &names::TRACE_FORGOTTEN,
        scopes(traces.forgotten_dialogs, traces.forgotten_transactions),
    )
}

/// The labels of one sample, in the order of the metric's label names, and its value.
type Sample<'a> = (Vec<&'a str>, u64);

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn put<'s>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let (name, kind) = match metric.kind {
            // The encoder puts the suffix of a counter back.
            Kind::Counter => (
                metric.name.strip_suffix("_total").unwrap_or(metric.name),
                MetricType::Counter,
            ),
            Kind::Gauge => (metric.name, MetricType::Gauge),
        };
        let mut family = self.0.encode_descriptor(name, metric.help, None, kind)?;
        for (values, value) in samples {
            if metric.labels.is_empty() {
                encode(&mut family, metric.kind, value)?;
                continue;
            }
            let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
            encode(&mut family.encode_family(&labels)?, metric.kind, value)?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// A counter of seconds, which are no whole number.
    fn put_seconds(&mut self, metric: &Metric, seconds: f64) -> fmt::Result {
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        let mut family =
            (self.0).encode_descriptor(name, metric.help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
    }

    /// A gauge of fractions.
    fn put_measured<'s>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (Vec<&'s str>, f64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let (name, help) = (metric.name, metric.help);
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (values, value) in samples {
            let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, kind: Kind, value: u64) -> fmt::Result {
    match kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
        Kind::Gauge => encoder.encode_gauge(&value),
    }
}

/// One sample per reason of each of `sets`, whose other labels come first.
fn by_reason<'a>(
    sets: impl IntoIterator<Item = (Vec<&'a str>, &'a ByReason)>,
) -> impl Iterator<Item = Sample<'a>> {
    sets.into_iter().flat_map(|(labels, reasons)| {
        reasons.iter().map(move |(reason, value)| {
            let mut labels = labels.clone();
            labels.push(reason);
            (labels, *value)
        })
    })
}

fn node(out: &mut Writer<'_>, status: &Status) -> fmt::Result {
    let started_at = u64::try_from(status.started_at.as_second()).unwrap_or_default();
    out.put(&names::BUILD_INFO, [(vec![status.version.as_str()], 1)])?;
    out.put(&names::START_TIME, [(vec![], started_at)])?;
    out.put(&names::READY, [(vec![], u64::from(status.ready))])?;
    out.put(
        &names::LEDGER_UNACCOUNTED,
        [(vec![], status.ledger.unaccounted)],
    )?;
    out.put(
        &names::LEDGER_IN_FLIGHT_BOUND,
        [(vec![], status.ledger.in_flight_bound)],
    )
}

fn intake_of_listeners(out: &mut Writer<'_>, listeners: &[ListenerStatus]) -> fmt::Result {
    let sides = || {
        listeners
            .iter()
            .map(|one| (vec![one.name.as_str()], &one.ledger))
    };
    intake(
        out,
        &[
            names::LISTENER_RECEIVED,
            names::LISTENER_ROUTED,
            names::LISTENER_REFUSED,
            names::LISTENER_SKIPPED,
        ],
        sides,
    )
}

/// The four metrics of one side of the ledger: received, routed, refused, skipped.
fn intake<'a, I>(out: &mut Writer<'_>, metrics: &[Metric; 4], sides: impl Fn() -> I) -> fmt::Result
where
    I: Iterator<Item = (Vec<&'a str>, &'a IntakeStatus)>,
{
    let [received, routed, refused, skipped] = metrics;
    out.put(
        received,
        sides().map(|(labels, side)| (labels, side.received)),
    )?;
    out.put(routed, sides().map(|(labels, side)| (labels, side.routed)))?;
    out.put(
        refused,
        by_reason(sides().map(|(labels, side)| (labels, &side.refused))),
    )?;
    out.put(
        skipped,
        by_reason(sides().map(|(labels, side)| (labels, &side.skipped))),
    )
}

fn traffic(out: &mut Writer<'_>, listeners: &[ListenerStatus]) -> fmt::Result {
    let each = |value: fn(&ListenerStatus) -> u64| {
        listeners
            .iter()
            .map(move |one| (vec![one.name.as_str()], value(one)))
    };
    let reasons = |set: fn(&ListenerStatus) -> &ByReason| {
        by_reason(
            listeners
                .iter()
                .map(move |one| (vec![one.name.as_str()], set(one))),
        )
    };
    out.put(&names::LISTENER_VERSIONS, reasons(|one| &one.versions))?;
    out.put(&names::LISTENER_OCTETS, each(|one| one.octets))?;
    out.put(&names::LISTENER_KEEP_ALIVES, each(|one| one.keep_alives))?;
    out.put(
        &names::LISTENER_DECODE_ERRORS,
        reasons(|one| &one.decode_errors),
    )?;
    out.put(&names::LISTENER_DEFECTS, reasons(|one| &one.defects))
}

fn datagrams(out: &mut Writer<'_>, listeners: &[ListenerStatus]) -> fmt::Result {
    let sockets = || {
        listeners
            .iter()
            .filter_map(|one| Some((vec![one.name.as_str()], one.datagrams.as_ref()?)))
    };
    out.put(
        &names::LISTENER_KERNEL_DROPS,
        sockets().map(|(labels, socket)| (labels, socket.kernel_drops)),
    )?;
    out.put(
        &names::LISTENER_RECEIVE_BUFFER,
        sockets().map(|(labels, socket)| (labels, socket.receive_buffer)),
    )
}

fn connections(out: &mut Writer<'_>, listeners: &[ListenerStatus]) -> fmt::Result {
    let streams = || {
        listeners
            .iter()
            .filter_map(|one| Some((vec![one.name.as_str()], one.connections.as_ref()?)))
    };
    out.put(
        &names::LISTENER_CONNECTIONS,
        streams().map(|(labels, one)| (labels, one.open)),
    )?;
    out.put(
        &names::LISTENER_ACCEPTED,
        streams().map(|(labels, one)| (labels, one.accepted)),
    )?;
    out.put(
        &names::LISTENER_CONNECTIONS_REFUSED,
        by_reason(streams().map(|(labels, one)| (labels, &one.refused))),
    )?;
    out.put(
        &names::LISTENER_CONNECTIONS_CLOSED,
        by_reason(streams().map(|(labels, one)| (labels, &one.closed))),
    )?;
    out.put(
        &names::LISTENER_HANDSHAKES_FAILED,
        by_reason(streams().map(|(labels, one)| (labels, &one.handshakes_failed))),
    )?;
    out.put(
        &names::LISTENER_TRUNCATED,
        streams().map(|(labels, one)| (labels, one.truncated)),
    )
}

fn sinks(out: &mut Writer<'_>, sinks: &[SinkStatus]) -> fmt::Result {
    let each = |value: fn(&SinkStatus) -> u64| {
        sinks
            .iter()
            .map(move |one| (vec![one.name.as_str()], value(one)))
    };
    out.put(&names::SINK_OFFERED, each(|one| one.offered))?;
    out.put(&names::SINK_ORIGINATED, each(|one| one.originated))?;
    out.put(&names::SINK_CARRIED_OVER, each(|one| one.carried_over))?;
    out.put(&names::SINK_DELIVERED, each(|one| one.delivered))?;
    out.put(&names::SINK_QUEUED, each(|one| one.queued))?;
    out.put(&names::SINK_SPOOLED, each(|one| one.spooled))?;
    out.put(
        &names::SINK_DROPPED,
        by_reason(
            sinks
                .iter()
                .map(|one| (vec![one.name.as_str()], &one.dropped)),
        ),
    )
}

fn destinations(out: &mut Writer<'_>, sinks: &[SinkStatus]) -> fmt::Result {
    let each = |value: fn(&DestinationStatus) -> u64| {
        sinks.iter().filter_map(move |one| {
            Some((vec![one.name.as_str()], value(one.destination.as_ref()?)))
        })
    };
    out.put(&names::DESTINATION_UP, each(|one| u64::from(one.up)))?;
    out.put(&names::DESTINATION_CONNECTS, each(|one| one.connects))?;
    out.put(
        &names::DESTINATION_CONNECT_FAILURES,
        each(|one| one.connect_failures),
    )?;
    out.put(
        &names::DESTINATION_AVAILABLE,
        each(|one| u64::from(one.available)),
    )?;
    let states = Breaker::ALL.map(Breaker::label);
    let breakers = sinks.iter().filter_map(|one| {
        let destination = one.destination.as_ref()?;
        Some(states.map(|state| {
            let is_it = destination.breaker == state;
            (vec![one.name.as_str(), state], u64::from(is_it))
        }))
    });
    out.put(&names::DESTINATION_BREAKER, breakers.flatten())?;
    out.put(
        &names::DESTINATION_BREAKER_OPENED,
        each(|one| one.breaker_opened),
    )?;
    out.put(
        &names::DESTINATION_FAILURES,
        each(|one| u64::from(one.failures)),
    )?;
    out.put(
        &names::DESTINATION_QUEUE_OCTETS,
        each(|one| one.queued_octets),
    )?;
    out.put(&names::DESTINATION_QUEUE_LIMIT, each(|one| one.queue_limit))?;
    out.put(&names::DESTINATION_REPEATED, each(|one| one.repeated))
}

fn spools(out: &mut Writer<'_>, sinks: &[SinkStatus]) -> fmt::Result {
    let each = |value: fn(&SpoolStatus) -> u64| {
        sinks.iter().filter_map(move |one| {
            let spool = one.destination.as_ref()?.spool.as_ref()?;
            Some((vec![one.name.as_str()], value(spool)))
        })
    };
    out.put(&names::SPOOL_OCTETS, each(|one| one.octets))?;
    out.put(&names::SPOOL_LIMIT, each(|one| one.max_octets))?;
    out.put(&names::SPOOL_FILES, each(|one| one.files))?;
    let oldest = |one: &SpoolStatus| {
        let seconds = one.oldest.map(|oldest| oldest.as_second());
        seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0)
    };
    out.put(&names::SPOOL_OLDEST, each(oldest))?;
    out.put(&names::SPOOL_WRITTEN, each(|one| one.written))?;
    out.put(&names::SPOOL_REPLAYED, each(|one| one.replayed))?;
    out.put(&names::SPOOL_BYPASSED, each(|one| one.bypassed))?;
    out.put(&names::SPOOL_WRITE_FAILURES, each(|one| one.write_failures))?;
    out.put(&names::SPOOL_SYNC_FAILURES, each(|one| one.sync_failures))?;
    out.put(&names::SPOOL_SET_ASIDE, each(|one| one.files_set_aside))?;
    out.put(
        &names::SPOOL_FAILING,
        each(|one| u64::from(one.failing.is_some())),
    )
}

fn groups(out: &mut Writer<'_>, groups: &[GroupStatus]) -> fmt::Result {
    let members = |value: fn(&GroupStatus, &MemberStatus) -> Option<u64>| {
        groups.iter().flat_map(move |group| {
            group.members.iter().filter_map(move |member| {
                let labels = vec![group.name.as_str(), member.name.as_str()];
                Some((labels, value(group, member)?))
            })
        })
    };
    out.put(
        &names::GROUP_PLACED,
        members(|_, member| Some(member.placed)),
    )?;
    let failover = groups.iter().filter(|group| group.kind == "failover");
    out.put(
        &names::GROUP_SWITCHES,
        failover.map(|group| (vec![group.name.as_str()], group.switches)),
    )?;
    out.put(
        &names::GROUP_ACTIVE,
        members(|group, member| {
            let is_it = group.active.as_ref() == Some(&member.name);
            (group.kind == "failover").then_some(u64::from(is_it))
        }),
    )
}
