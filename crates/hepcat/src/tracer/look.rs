//! A message held against the traces: which of them it begins, and which it belongs to.

use std::{sync::Arc, time::SystemTime};

use hepcat_sip::{Kind, Scan};
use hepcat_wire::ProtocolType;

use super::{
    Scope, Tracer, Types,
    book::Following,
    side::Side,
    trace::{Source, Trace, Untraced},
};
use crate::{query::MessageView, route::SinkId};

/// The traces of one topology, their destinations by number. Made when either changes.
#[derive(Debug, Clone, Default)]
pub struct TraceSet {
    traces: Vec<Active>,
    /// Whether one of them begins by itself.
    has_filters: bool,
}

#[derive(Debug, Clone)]
struct Active {
    trace: Arc<Trace>,
    sinks: Vec<SinkId>,
}

/// A message to be copied to where a trace leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceCopy {
    trace: usize,
    number: u32,
    correlation: Option<Arc<[u8]>>,
}

/// What a script asks for with `trace(trace_id, scope, type, …)`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TraceRequest<'a> {
    /// Name of the traces; all `[[trace]]` tables of that name are served, in their order.
    pub trace_id: &'a str,
    /// How much of the call; what the trace says where nothing is.
    pub scope: Option<Scope>,
    /// Protocol types.
    pub types: Types,
    /// Only what passes on the caller's side.
    pub caller: bool,
    /// Only what passes on the callee's side; with `caller`, both.
    pub callee: bool,
    /// What takes the place of the Call-ID as correlation ID.
    pub correlation_id: Option<&'a [u8]>,
}

impl<'a> TraceRequest<'a> {
    /// A request for SIP of both sides, as far as the trace says.
    #[must_use]
    pub fn new(trace_id: &'a str) -> Self {
        Self {
            trace_id,
            scope: None,
            types: Types::SIP,
            caller: false,
            callee: false,
            correlation_id: None,
        }
    }
}

impl TraceSet {
    /// Traces and where they lead; `sink` gives the number of a destination or group by its name. What is
    /// not configured is left out.
    pub(super) fn new(
        traces: impl Iterator<Item = Arc<Trace>>,
        sink: impl Fn(&str) -> Option<SinkId>,
    ) -> Self {
        let traces: Vec<_> = traces
            .map(|trace| Active {
                sinks: trace.targets().filter_map(&sink).collect(),
                trace,
            })
            .collect();
        Self {
            has_filters: traces.iter().any(|active| active.trace.filter.is_some()),
            traces,
        }
    }

    /// Where a copy goes, in order.
    #[must_use]
    pub fn sinks_of(&self, copy: &TraceCopy) -> &[SinkId] {
        self.traces
            .get(copy.trace)
            .map_or(&[], |active| &active.sinks)
    }

    fn position(&self, number: u32) -> Option<usize> {
        (self.traces.iter()).position(|active| active.trace.number == number)
    }
}

impl TraceCopy {
    /// What takes the place of the Call-ID as correlation ID.
    #[must_use]
    pub fn correlation(&self) -> Option<&[u8]> {
        self.correlation.as_deref()
    }
}

impl Tracer {
    /// Whether messages are to be shown to [`look`](Self::look) at all. No lock.
    #[must_use]
    pub fn is_looking(&self, set: &TraceSet) -> bool {
        set.has_filters || self.is_following()
    }

    /// Adds a copy for each trace that the message belongs to or begins, in the order of the traces.
    pub fn look(&self, set: &TraceSet, message: &MessageView<'_>, copies: &mut Vec<TraceCopy>) {
        let envelope = message.envelope();
        let at = envelope.received_at;
        let first_new = copies.len();
        if self.is_following() {
            let sip = message.sip();
            self.book.lock().each(envelope, sip, |following| {
                self.add(set, following, copies);
            });
        }
        for active in &set.traces {
            let trace = &*active.trace;
            let begins = trace.filter.as_ref().is_some_and(|filter| {
                trace.is_live(at) && trace.wants(message) && filter.matches(message)
            });
            if begins && let Some(following) = self.begin(trace, message, None) {
                self.add(set, &following, copies);
            }
        }
        let fresh = copies.split_off(first_new);
        self.settle(set, fresh, at, copies);
    }

    /// Does what a script asks for with this message: adds a copy for each trace of that name, and follows
    /// what it belongs to as far as the scope says. Answers whether there is such a trace that is on.
    pub fn request(
        &self,
        set: &TraceSet,
        request: &TraceRequest<'_>,
        message: &MessageView<'_>,
        copies: &mut Vec<TraceCopy>,
    ) -> bool {
        let at = message.envelope().received_at;
        let first_new = copies.len();
        let mut found = false;
        for active in &set.traces {
            let trace = &*active.trace;
            if trace.id() != request.trace_id || !trace.is_live(at) || request.types.is_empty() {
                continue;
            }
            found = true;
            let Some(following) = self.begin(trace, message, Some(request)) else {
                continue;
            };
            let known = |copy: &TraceCopy| copy.number == following.trace;
            if following.types.contains(type_of(message)) && !copies.iter().any(known) {
                self.add(set, &following, copies);
            }
        }
        let fresh = copies.split_off(first_new);
        self.settle(set, fresh, at, copies);
        found
    }

    /// Follows what `message` belongs to, as far as the scope goes, and says for what. `None` where the
    /// message does not begin the trace after all.
    fn begin(
        &self,
        trace: &Trace,
        message: &MessageView<'_>,
        request: Option<&TraceRequest<'_>>,
    ) -> Option<Following> {
        let envelope = message.envelope();
        let sip = message.sip();
        let scope = request.and_then(|request| request.scope).or(trace.scope);
        let scope = match (&trace.source, request) {
            // As the original: with dialog scope only initial INVITEs are looked at.
            (Source::Started(_), _) if scope == Some(Scope::Dialog) => sip
                .is_some_and(is_initial_invite)
                .then_some(Scope::Dialog)?,
            _ => reachable(scope, sip),
        };
        let side = request.map_or(Side::Both, |request| {
            Side::of(&envelope.message, request.caller, request.callee)
        });
        let following = Following::new(
            trace.number,
            request.map_or(trace.types, |request| request.types),
            side,
            request
                .and_then(|request| request.correlation_id)
                .map(Arc::from),
        );
        if scope != Scope::Message
            && let Some(sip) = sip
        {
            self.follow(scope, sip, envelope.received_at, following.clone());
        }
        Some(following)
    }

    /// Adds a copy for a trace unless it has one of this message already.
    fn add(&self, set: &TraceSet, following: &Following, copies: &mut Vec<TraceCopy>) {
        let Some(trace) = set.position(following.trace) else {
            return;
        };
        if !copies.iter().any(|copy| copy.number == following.trace) {
            copies.push(TraceCopy {
                trace,
                number: following.trace,
                correlation: following.correlation.clone(),
            });
        }
    }

    /// Keeps those copies that limits let through, in the order of the traces.
    fn settle(
        &self,
        set: &TraceSet,
        mut fresh: Vec<TraceCopy>,
        at: SystemTime,
        copies: &mut Vec<TraceCopy>,
    ) {
        fresh.sort_by_key(|copy| copy.trace);
        for copy in fresh {
            let Some(active) = set.traces.get(copy.trace) else {
                continue;
            };
            let trace = &*active.trace;
            if !trace.is_live(at) {
                continue;
            }
            match trace.take(at) {
                Ok(()) => {
                    self.count_traced(&trace.source);
                    copies.push(copy);
                }
                Err(Untraced::RateLimited) => self.count_rate_limited(&trace.source),
                Err(Untraced::Over) => {}
            }
        }
    }
}

impl Trace {
    fn wants(&self, message: &MessageView<'_>) -> bool {
        self.types.contains(type_of(message))
    }
}

fn type_of(message: &MessageView<'_>) -> ProtocolType {
    let kind = message.envelope().message.protocol_type();
    kind.unwrap_or(ProtocolType::SIP)
}

/// The scope that a message allows, as the original cuts it down: a dialog begins with an initial INVITE,
/// a transaction with a request.
fn reachable(wanted: Option<Scope>, sip: Option<&Scan<'_>>) -> Scope {
    let Some(sip) = sip.filter(|sip| sip.kind() == Kind::Request) else {
        return Scope::Message;
    };
    match wanted.unwrap_or_default() {
        Scope::Dialog if is_initial_invite(sip) => Scope::Dialog,
        Scope::Dialog | Scope::Transaction => Scope::Transaction,
        Scope::Message => Scope::Message,
    }
}

fn is_initial_invite(sip: &Scan<'_>) -> bool {
    sip.method() == Some(b"INVITE") && sip.to().is_none_or(|to| to.tag().is_none())
}
