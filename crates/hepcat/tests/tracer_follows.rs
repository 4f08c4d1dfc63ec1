//! What belongs to a trace, told by the messages and by the times of their arrival alone.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use bytes::Bytes;
use hepcat::{
    config::Config,
    pipeline::{Capture, Inflated},
    query::MessageView,
    route::SinkId,
    tracer::{
        FilterText, Scope, StartError, StartRequest, TraceCopy, TraceRequest, TraceSet, Tracer,
        Types,
    },
};
use hepcat_net::{Envelope, ListenerId, Origin, Transport};
use hepcat_testkit::frame::Meta;
use hepcat_wire::Message;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

/// When everything begins.
fn start() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().expect("a time")
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// A SIP message between two hosts, as somebody captured it.
#[derive(Clone)]
struct Sip {
    first_line: String,
    vias: Vec<&'static str>,
    from: (&'static str, &'static str),
    to: (&'static str, Option<&'static str>),
    call_id: &'static str,
    cseq: (u32, &'static str),
    ends: [&'static str; 2],
    protocol_type: u8,
}

impl Sip {
    fn invite(caller: &'static str, callee: &'static str, call_id: &'static str) -> Self {
        Self {
            first_line: format!("INVITE sip:{callee}@example.com SIP/2.0"),
            vias: vec!["a"],
            from: (caller, "from-tag"),
            to: (callee, None),
            call_id,
            cseq: (1, "INVITE"),
            ends: ["192.0.2.1:5060", "192.0.2.2:5060"],
            protocol_type: 1,
        }
    }

    /// The same sent on by a proxy.
    fn forwarded(mut self) -> Self {
        self.vias.insert(0, "b");
        self.ends = ["192.0.2.2:5060", "192.0.2.3:5060"];
        self
    }

    fn reply(mut self, line: &str) -> Self {
        self.first_line = format!("SIP/2.0 {line}");
        self.to.1 = self.to.1.or(Some("to-tag"));
        self.ends.reverse();
        self
    }

    fn request(mut self, method: &'static str, number: u32, branch: &'static str) -> Self {
        self.first_line = format!("{method} sip:{}@example.com SIP/2.0", self.to.0);
        self.vias = vec![branch];
        self.cseq = (number, method);
        self.to.1 = Some("to-tag");
        self
    }

    fn text(&self) -> String {
        let vias: String = (self.vias.iter())
            .map(|branch| format!("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{branch}\r\n"))
            .collect();
        let to_tag = self
            .to
            .1
            .map(|tag| format!(";tag={tag}"))
            .unwrap_or_default();
        format!(
            "{}\r\n{vias}From: <sip:{}@example.com>;tag={}\r\nTo: <sip:{}@example.com>{to_tag}\r\n\
             Call-ID: {}\r\nCSeq: {} {}\r\nContent-Length: 0\r\n\r\n",
            self.first_line,
            self.from.0,
            self.from.1,
            self.to.0,
            self.call_id,
            self.cseq.0,
            self.cseq.1
        )
    }

    fn meta(&self) -> Meta {
        let mut meta = Meta::default();
        let [source, destination] = self.ends.map(|end| end.parse().expect("an address"));
        (meta.source, meta.destination) = (source, destination);
        meta.protocol_type = self.protocol_type;
        meta
    }
}

fn envelope(frame: Vec<u8>, at: Timestamp) -> Envelope {
    let message = Message::parse(Bytes::from(frame)).expect("well formed");
    let any = SocketAddr::from(([127, 0, 0, 1], 9060));
    let origin = Arc::new(Origin::new(ListenerId(0), Transport::Udp, any, any));
    Envelope::new(message, origin, SystemTime::from(at))
}

/// A tracer with its set, and a clock.
struct Bench {
    tracer: Tracer,
    set: TraceSet,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self::with(Tracer::default())
    }

    fn with(tracer: Tracer) -> Self {
        Self {
            set: tracer.set(start(), sink),
            tracer,
            now: start(),
        }
    }

    fn configured(text: &str) -> Self {
        let bench = Self::new();
        let text = format!(
            "[hep]\nhep_id = [\"[homer] 127.0.0.1\", \"[spare] 127.0.0.1\"]\n\
             [[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n{text}"
        );
        let config = Config::parse(&text, "x").unwrap_or_else(|faults| panic!("{faults}"));
        bench.tracer.configure(&config.traces);
        bench.renew()
    }

    fn renew(mut self) -> Self {
        self.set = self.tracer.set(self.now, sink);
        self
    }

    fn start(self, request: StartRequest) -> Self {
        let definition = self
            .tracer
            .define(request, self.now, |name| sink(name).is_some())
            .expect("a good request");
        self.tracer
            .start(definition, self.now)
            .expect("there is room");
        self.renew()
    }

    fn see(&self, sip: &Sip) -> Vec<TraceCopy> {
        self.see_frame(sip.meta().v3(sip.text().as_bytes()))
    }

    fn see_frame(&self, frame: Vec<u8>) -> Vec<TraceCopy> {
        let envelope = envelope(frame, self.now);
        let mut copies = Vec::new();
        if self.tracer.is_looking(&self.set) {
            let message = MessageView::new(&envelope, "in");
            self.tracer.look(&self.set, &message, &mut copies);
        }
        copies
    }

    fn ask(&self, sip: &Sip, request: &TraceRequest<'_>) -> (bool, Vec<TraceCopy>) {
        let envelope = envelope(sip.meta().v3(sip.text().as_bytes()), self.now);
        let message = MessageView::new(&envelope, "in");
        let mut copies = Vec::new();
        if self.tracer.is_looking(&self.set) {
            self.tracer.look(&self.set, &message, &mut copies);
        }
        let found = (self.tracer).request(&self.set, request, &message, &mut copies);
        (found, copies)
    }

    #[track_caller]
    fn traced(&self, sip: &Sip, expected: bool) {
        let copies = self.see(sip);
        assert_eq!(copies.len(), usize::from(expected), "{}", sip.text());
    }
}

fn sink(name: &str) -> Option<SinkId> {
    match name {
        "homer" => Some(SinkId(0)),
        "spare" => Some(SinkId(1)),
        _ => None,
    }
}

fn request() -> StartRequest {
    StartRequest {
        id: Some("one".to_owned()),
        to: vec!["homer".to_owned()],
        caller: Some("alice".to_owned()),
        ..StartRequest::default()
    }
}

#[test]
fn a_dialog_is_followed_on_every_hop_from_invite_to_the_answer_of_its_bye() {
    let mut bench = Bench::new().start(request());
    let invite = Sip::invite("alice", "bob", "one@x");
    let ack = invite.clone().request("ACK", 1, "c");
    let mut bye = invite.clone().request("BYE", 7, "d");
    // The callee hangs up: its tag is the From tag then.
    (bye.from, bye.to) = (("bob", "to-tag"), ("alice", Some("from-tag")));
    for sip in [
        invite.clone(),
        invite.clone().forwarded(),
        invite.clone().forwarded().reply("180 Ringing"),
        invite.clone().reply("200 OK"),
        ack,
    ] {
        bench.traced(&sip, true);
    }
    // An hour of talk, with a refused change in between.
    bench.now = after(1800);
    let mut change = invite.clone().request("INVITE", 2, "e");
    change.to.1 = Some("to-tag");
    bench.traced(&change, true);
    let mut refused = change.reply("488 Not Acceptable Here");
    refused.cseq = (2, "INVITE");
    bench.traced(&refused, true);
    bench.now = after(3500);
    bench.traced(&bye, true);
    bench.traced(&bye.clone().reply("200 OK"), true);
    // Retransmissions still belong to it, what comes a minute later does not.
    bench.traced(&bye.clone().reply("200 OK"), true);
    bench.now = after(3560);
    bench.traced(&bye, false);
    // Somebody else's call was never traced, whatever its tags.
    bench.traced(&Sip::invite("carol", "alice", "two@x"), false);
}

#[test]
fn a_call_id_alone_does_not_make_a_message_part_of_a_dialog() {
    let bench = Bench::new().start(request());
    bench.traced(&Sip::invite("alice", "bob", "one@x"), true);
    let mut other = Sip::invite("mallory", "bob", "one@x");
    other.from.1 = "other-tag";
    bench.traced(&other, false);
}

#[test]
fn with_dialog_scope_only_initial_invites_begin_a_started_trace() {
    let bench = Bench::new().start(request());
    let register = Sip::invite("alice", "alice", "r@x").request("REGISTER", 1, "r");
    bench.traced(&register, false);
    let mut within = Sip::invite("alice", "bob", "old@x");
    within.to.1 = Some("to-tag");
    bench.traced(&within, false);
}

#[test]
fn a_transaction_is_what_carries_its_branch_and_number_on_any_hop() {
    let bench = Bench::new().start(StartRequest {
        scope: Scope::Transaction,
        ..request()
    });
    let invite = Sip::invite("alice", "bob", "one@x");
    for sip in [
        invite.clone(),
        invite.clone().forwarded(),
        invite.clone().forwarded().reply("200 OK"),
        invite.clone().reply("200 OK"),
        // CANCEL has the branch and number of what it cancels.
        invite.clone().request("CANCEL", 1, "a"),
    ] {
        bench.traced(&sip, true);
    }
    let mut bye = invite.clone().request("BYE", 2, "x");
    bye.from = ("bob", "to-tag");
    bench.traced(&bye, false);
}

#[test]
fn message_scope_is_the_one_message() {
    let bench = Bench::new().start(StartRequest {
        scope: Scope::Message,
        ..request()
    });
    let invite = Sip::invite("alice", "bob", "one@x");
    bench.traced(&invite, true);
    bench.traced(&invite.clone().reply("200 OK"), false);
    assert_eq!(bench.tracer.status(start()).dialogs, 0);
}

#[test]
fn a_trace_ends_at_its_time_and_is_no_more_looked_at() {
    let mut bench = Bench::new().start(StartRequest {
        lasting: Some("10m".to_owned()),
        ..request()
    });
    let invite = Sip::invite("alice", "bob", "one@x");
    bench.now = after(599);
    bench.traced(&invite, true);
    bench.now = after(600);
    bench.traced(&invite.clone().reply("200 OK"), false);
    bench.traced(&Sip::invite("alice", "bob", "two@x"), false);
    let status = &bench.tracer.list(bench.now)[0];
    assert_eq!((status.state.as_str(), status.traced), ("ended", 1));
    assert_eq!(status.ended.as_deref(), Some("time"));
    bench.tracer.forget_gone();
    let bench = bench.renew();
    assert!(!bench.tracer.is_looking(&bench.set));
}

#[test]
fn a_trace_ends_with_the_last_message_that_it_may_trace() {
    let bench = Bench::new().start(StartRequest {
        limit: Some(2),
        ..request()
    });
    let invite = Sip::invite("alice", "bob", "one@x");
    for expected in [true, true, false, false] {
        bench.traced(&invite, expected);
    }
    let status = &bench.tracer.list(bench.now)[0];
    assert_eq!(status.ended.as_deref(), Some("limit"));
    assert_eq!(
        bench.tracer.progress(bench.now),
        [("one".to_owned(), 2, Some("limit".to_owned()))]
    );
}

#[test]
fn what_is_over_the_rate_is_left_out_and_counted() {
    let mut bench = Bench::new().start(StartRequest {
        rate: Some(3),
        ..request()
    });
    let invite = Sip::invite("alice", "bob", "one@x");
    let traced = (0..10).filter(|_| bench.see(&invite).len() == 1).count();
    assert_eq!(traced, 3);
    bench.now = after(1);
    bench.traced(&invite, true);
    let status = bench.tracer.status(bench.now);
    assert_eq!((status.started_traced, status.started_rate_limited), (4, 7));
}

#[test]
fn a_trace_goes_on_where_an_earlier_run_left_it() {
    let request = StartRequest {
        limit: Some(3),
        ..request()
    };
    let first = Bench::new();
    let definition = (first.tracer)
        .define(request, start(), |_| true)
        .expect("a good request");
    let row = |traced, ended: Option<&str>| hepcat::state::traces::TraceRow {
        name: definition.id.clone(),
        definition: serde_json::to_string(&definition).expect("JSON"),
        traced,
        ended: ended.map(str::to_owned),
    };
    let invite = Sip::invite("alice", "bob", "one@x");
    let resumed = |row| {
        let bench = Bench::new();
        bench.tracer.resume(&[row]);
        bench.renew()
    };
    let bench = resumed(row(1, None));
    for expected in [true, true, false] {
        bench.traced(&invite, expected);
    }
    resumed(row(3, Some("limit"))).traced(&invite, false);
    // What nobody understands any more is left out; the rest goes on.
    let bench = Bench::new();
    let mut broken = row(0, None);
    broken.definition = "{\"id\":7}".to_owned();
    bench.tracer.resume(&[broken, row(0, None)]);
    bench.renew().traced(&invite, true);
}

#[rstest]
#[case(FilterText { caller: Some("alice@EXAMPLE.com".to_owned()), ..FilterText::default() }, true)]
#[case(FilterText { caller: Some("Alice".to_owned()), ..FilterText::default() }, false)]
#[case(FilterText { caller: Some("alice@example.org".to_owned()), ..FilterText::default() }, false)]
#[case(FilterText { callee: Some("bob".to_owned()), ..FilterText::default() }, true)]
#[case(FilterText { callee: Some("alice".to_owned()), ..FilterText::default() }, false)]
#[case(FilterText { address: Some("2001:db8::1".to_owned()), ..FilterText::default() }, true)]
#[case(FilterText { address: Some("2001:db8::/64".to_owned()), ..FilterText::default() }, true)]
#[case(FilterText { address: Some("2001:db8:1::/64".to_owned()), ..FilterText::default() }, false)]
#[case(FilterText { address: Some("192.0.2.0/24".to_owned()), ..FilterText::default() }, false)]
#[case(FilterText { when: Some("method:INVITE".to_owned()), ..FilterText::default() }, true)]
// All of them must fit.
#[case(FilterText { caller: Some("alice".to_owned()), callee: Some("carol".to_owned()), ..FilterText::default() }, false)]
fn filters_say_exactly_what_they_take_in(#[case] filter: FilterText, #[case] expected: bool) {
    let bench = Bench::new().start(StartRequest {
        caller: filter.caller,
        callee: filter.callee,
        address: filter.address,
        when: filter.when,
        ..request()
    });
    let mut invite = Sip::invite("alice", "bob", "one@x");
    invite.ends = ["[2001:db8::1]:5060", "[2001:db8::2]:5060"];
    bench.traced(&invite, expected);
}

#[rstest]
#[case(r#"{"to":["homer"]}"#, "needs a filter")]
#[case(r#"{"to":["homer"],"caller":""}"#, "caller")]
#[case(r#"{"to":["homer"],"caller":"sip:alice@x"}"#, "leave the scheme out")]
#[case(r#"{"to":["homer"],"caller":"al*"}"#, "for patterns use when")]
#[case(r#"{"to":["homer"],"callee":"@x"}"#, "missing around the @")]
#[case(r#"{"to":["homer"],"caller":"a b"}"#, "no user has such characters")]
#[case(
    r#"{"to":["homer"],"address":"192.0.2"}"#,
    "write an IPv4 or IPv6 address"
)]
#[case(
    r#"{"to":["homer"],"address":"192.0.2.1/24"}"#,
    "bits beyond its prefix"
)]
#[case(r#"{"to":["homer"],"address":"::/0"}"#, "every address")]
#[case(r#"{"to":["homer"],"when":"metod:INVITE"}"#, "unknown field")]
#[case(r#"{"to":["homer"],"when":" "}"#, "every message")]
#[case(
    r#"{"to":["elsewhere"],"caller":"alice"}"#,
    "neither a destination nor a group"
)]
#[case(r#"{"caller":"alice"}"#, "name the destinations")]
#[case(
    r#"{"to":["homer"],"caller":"alice","id":"a/b"}"#,
    "id: write at most 64"
)]
#[case(
    r#"{"to":["homer"],"caller":"alice","types":["sipp"]}"#,
    "no protocol type"
)]
#[case(
    r#"{"to":["homer"],"caller":"alice","for":"0s"}"#,
    "over before it begins"
)]
#[case(r#"{"to":["homer"],"caller":"alice","for":"31d"}"#, "at most 30 days")]
#[case(
    r#"{"to":["homer"],"caller":"alice","until":"2020-01-01T00:00:00Z"}"#,
    "over before it begins"
)]
#[case(r#"{"to":["homer"],"caller":"alice","limit":0}"#, "limit")]
#[case(r#"{"to":["homer"],"caller":"alice","rate":0}"#, "rate")]
fn what_is_not_understood_is_refused(#[case] text: &str, #[case] expected: &str) {
    let request: StartRequest = serde_json::from_str(text).expect("the right keys");
    let refused = (Tracer::default())
        .define(request, start(), |name| sink(name).is_some())
        .expect_err("it is faulty");
    assert!(refused.to_string().contains(expected), "{refused}");
}

#[test]
fn a_misspelt_filter_is_no_filter_less() {
    for text in [
        r#"{"to":["homer"],"caler":"alice"}"#,
        r#"{"to":["homer"],"caller":"alice","ip":"192.0.2.1"}"#,
    ] {
        assert!(
            serde_json::from_str::<StartRequest>(text).is_err(),
            "{text}"
        );
    }
}

#[test]
fn stop_removes_exactly_one_trace() {
    let named = |id: &str, caller: &str| StartRequest {
        id: Some(id.to_owned()),
        caller: Some(caller.to_owned()),
        ..request()
    };
    let bench = Bench::new()
        .start(named("z", "alice"))
        .start(named("a", "alice"))
        .start(named("m", "carol"));
    let invite = Sip::invite("alice", "bob", "one@x");
    assert_eq!(bench.see(&invite).len(), 2);
    assert!(!bench.tracer.stop("nobody"));
    assert!(bench.tracer.stop("z"));
    assert!(!bench.tracer.stop("z"));
    let bench = bench.renew();
    let ids: Vec<_> = (bench.tracer.list(bench.now).into_iter())
        .map(|trace| trace.id)
        .collect();
    assert_eq!(ids, ["a", "m"]);
    // The dialog is still followed for the other.
    bench.traced(&invite.reply("200 OK"), true);
    let taken = (bench.tracer).define(named("a", "dave"), bench.now, |_| true);
    assert_eq!(
        taken.expect_err("is taken"),
        StartError::Taken("a".to_owned())
    );
}

#[test]
fn scripts_trace_what_they_ask_for_and_scopes_are_cut_down_as_the_original_does() {
    let bench = Bench::configured("[[trace]]\ntrace_id = \"[tid]uri=hep:homer\"\n");
    let invite = Sip::invite("alice", "bob", "one@x");
    // Nothing begins by itself.
    bench.traced(&invite, false);
    assert!(!bench.tracer.is_looking(&bench.set));

    let (found, copies) = bench.ask(&invite, &TraceRequest::new("tid"));
    assert!(found);
    assert_eq!(bench.set.sinks_of(&copies[0]), [SinkId(0)]);
    // The dialog from now on; asking again for each message makes no second copy.
    let bye = invite.clone().request("BYE", 2, "b");
    assert_eq!(bench.ask(&bye, &TraceRequest::new("tid")).1.len(), 1);

    // Not an INVITE: its transaction.
    let register = Sip::invite("dave", "dave", "r@x").request("REGISTER", 1, "r");
    let mut register = register;
    register.to.1 = None;
    assert_eq!(bench.ask(&register, &TraceRequest::new("tid")).1.len(), 1);
    bench.traced(&register.clone().reply("200 OK"), true);
    bench.traced(&register.clone().request("REGISTER", 2, "s"), false);
    // A reply: itself.
    let reply = Sip::invite("eve", "bob", "e@x").reply("200 OK");
    assert_eq!(bench.ask(&reply, &TraceRequest::new("tid")).1.len(), 1);
    bench.traced(&reply, false);

    let (found, copies) = bench.ask(&invite, &TraceRequest::new("nobody"));
    assert!(!found);
    assert_eq!(copies.len(), 1, "what is followed goes on");
}

#[test]
fn types_sides_and_correlations_are_those_that_a_script_names() {
    let bench = Bench::configured("[[trace]]\ntrace_id = \"tid\"\nto = [\"homer\", \"spare\"]\n");
    let invite = Sip::invite("alice", "bob", "one@x");
    let mut wanted = TraceRequest::new("tid");
    wanted.caller = true;
    wanted.correlation_id = Some(b"other-id");
    let (_, copies) = bench.ask(&invite, &wanted);
    assert_eq!(bench.set.sinks_of(&copies[0]), [SinkId(0), SinkId(1)]);
    assert_eq!(copies[0].correlation(), Some(&b"other-id"[..]));
    bench.traced(&invite.clone().forwarded(), false);
    bench.traced(&invite.clone().reply("180 Ringing"), true);

    // Without SIP among the types, SIP is not traced, but what is said about the call is.
    let call = Sip::invite("carol", "bob", "two@x");
    let mut logs = TraceRequest::new("tid");
    logs.types = Types::NONE.with(Types::named("xlog").expect("a type"));
    assert_eq!(bench.ask(&call, &logs).1.len(), 0);
    bench.traced(&call.clone().reply("200 OK"), false);
    let mut meta = Meta::default();
    meta.protocol_type = 100;
    meta.correlation_id = Some(b"two@x".to_vec());
    assert_eq!(bench.see_frame(meta.v3(b"INFO: a line")).len(), 1);
    let mut nothing = TraceRequest::new("tid");
    nothing.types = Types::NONE;
    assert!(!bench.ask(&call, &nothing).0);
}

#[test]
fn tables_of_one_trace_id_are_all_served_and_those_of_similar_names_are_not() {
    let bench = Bench::configured(
        "[[trace]]\ntrace_id = \"tid\"\nto = [\"spare\"]\n\
         [[trace]]\ntrace_id = \"tid2\"\nto = [\"homer\"]\n\
         [[trace]]\ntrace_id = \"tid\"\nto = [\"homer\"]\n\
         [[trace]]\ntrace_id = \"tid\"\nto = [\"homer\"]\non = false\n",
    );
    let (_, copies) = bench.ask(
        &Sip::invite("alice", "bob", "one@x"),
        &TraceRequest::new("tid"),
    );
    let sinks: Vec<_> = (copies.iter())
        .flat_map(|copy| bench.set.sinks_of(copy))
        .copied()
        .collect();
    assert_eq!(sinks, [SinkId(1), SinkId(0)]);
}

#[test]
fn a_configured_filter_begins_by_itself() {
    let bench = Bench::configured(
        "[[trace]]\ntrace_id = \"tid\"\nto = [\"homer\"]\nwhen = \"to:bob\"\nscope = \"transaction\"\n",
    );
    let invite = Sip::invite("alice", "bob", "one@x");
    bench.traced(&invite, true);
    bench.traced(&Sip::invite("alice", "carol", "two@x"), false);
}

#[test]
fn what_is_followed_is_bounded_in_number_and_in_time() {
    let mut bench = Bench::with(Tracer::with_capacity(8)).start(StartRequest {
        scope: Scope::Dialog,
        ..request()
    });
    let calls: Vec<_> = (0..100)
        .map(|n| format!("{n}@x").leak() as &'static str)
        .collect();
    for call_id in &calls {
        bench.traced(&Sip::invite("alice", "bob", call_id), true);
    }
    let status = bench.tracer.status(bench.now);
    assert!(status.dialogs <= 8, "{status:?}");
    let forgotten = usize::try_from(status.forgotten_dialogs).expect("few");
    assert_eq!(forgotten + status.dialogs, 100);
    // Whom nobody has heard of for hours is no longer followed, without any count: its time was over.
    let last = Sip::invite("alice", "bob", calls[99]);
    bench.now = after(3000);
    bench.traced(&last.clone().reply("180 Ringing"), true);
    let status = bench.tracer.status(bench.now);
    let mut bench = bench.start(StartRequest {
        id: Some("other".to_owned()),
        caller: Some("carol".to_owned()),
        lasting: Some("20d".to_owned()),
        ..request()
    });
    bench.now = after(9 * 3600);
    bench.see(&Sip::invite("carol", "bob", "c1@x"));
    bench.now = after(18 * 3600);
    bench.see(&Sip::invite("carol", "bob", "c2@x"));
    let later = bench.tracer.status(bench.now);
    assert_eq!(later.forgotten_dialogs, status.forgotten_dialogs);
    assert!(later.dialogs <= 2, "{later:?}");
}

#[test]
fn a_compressed_payload_is_looked_into() {
    // The view that the pipeline makes, rather than the plain one.
    let bench = Bench::new().start(request());
    let invite = Sip::invite("alice", "bob", "one@x");
    let mut chunks = invite.meta().chunks();
    let mut gzip = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzEncoder::new(invite.text().as_bytes(), flate2::Compression::fast()),
        &mut gzip,
    )
    .expect("in memory");
    chunks.push(hepcat_testkit::frame::chunk(0, 0x0010, &gzip));
    let envelope = envelope(hepcat_testkit::frame::v3(&chunks), start());
    let arrival = hepcat_net::Arrival::Message(envelope);
    let room = Inflated::default();
    let Some(Capture::Message(message)) = Capture::new(&arrival, "in", Some(&room)) else {
        panic!("it is a message");
    };
    let mut copies = Vec::new();
    bench.tracer.look(&bench.set, &message, &mut copies);
    assert_eq!(copies.len(), 1);
}

#[test]
fn no_more_than_so_many_traces_go_on_and_those_that_are_over_make_room() {
    let mut bench = Bench::new();
    let numbered = |n: i32| StartRequest {
        id: Some(format!("n{n}")),
        lasting: Some(if n == 5 { "1s" } else { "1h" }.to_owned()),
        ..request()
    };
    for n in 0..64 {
        bench = bench.start(numbered(n));
    }
    let refused = (bench.tracer).define(numbered(64), bench.now, |_| true);
    assert_eq!(refused.expect_err("too many"), StartError::TooMany);
    bench.now = after(2);
    let definition = (bench.tracer)
        .define(numbered(64), bench.now, |_| true)
        .expect("one is over");
    assert_eq!(
        bench.tracer.start(definition, bench.now),
        Ok(vec!["n5".to_owned()])
    );
    assert_eq!(bench.tracer.list(bench.now).len(), 64);
}
