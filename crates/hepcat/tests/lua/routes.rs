//! Scripts decide where messages go, and what goes wrong in them costs no message.

use crate::bench_of::{Bench, sip_frame};
use hepcat::lua::{EntryPoint, ErrorReason, Verdict};

#[test]
fn hep_relay_takes_named_destinations_and_else_the_next_of_the_route() {
    let mut bench = Bench::new(
        r#"
        function request_route(message)
          assert(message == msg)
          hep_relay()
          hep_relay("v2")
          hep_relay()
          hep_relay("v2")
        end"#,
    );
    let outcome = bench.run(&[EntryPoint::RequestRoute], &sip_frame());
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.verdict, Verdict::Relay);
    let relay: Vec<&str> = outcome.relay.iter().map(AsRef::as_ref).collect();
    assert_eq!(relay, ["homer", "v2", "pair"]);
}

#[test]
fn a_script_without_an_opinion_leaves_the_message_to_its_route() {
    let mut bench = Bench::new("function request_route() end");
    let outcome = bench.run(&EntryPoint::ALL, &sip_frame());
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.verdict, Verdict::Default);
    assert!(outcome.relay.is_empty());
    assert_eq!(outcome.edited, None);
}

#[test]
fn drop_leaves_no_destination_and_skip_ends_later_entry_points() {
    let mut bench = Bench::new(
        r#"
        function request_route() hep_relay("homer") skip() end
        function branch_route() drop() end
        function failure_route() hep_relay("v2") drop() end"#,
    );
    let entries = [EntryPoint::RequestRoute, EntryPoint::BranchRoute];
    let outcome = bench.run(&entries, &sip_frame());
    assert_eq!(outcome.verdict, Verdict::Relay);
    assert!(outcome.skipped);
    let outcome = bench.run(&[EntryPoint::FailureRoute], &sip_frame());
    assert_eq!(outcome.verdict, Verdict::Drop);
    assert!(outcome.relay.is_empty() && !outcome.skipped);
}

#[test]
fn after_hep_route_the_others_run_only_where_it_resumes() {
    let entries = [EntryPoint::HepRoute, EntryPoint::RequestRoute];
    let request = "function request_route() hep_relay('v2') end\n";
    let mut bench = Bench::new(&format!("{request} function hep_route() end"));
    let outcome = bench.run(&entries, &sip_frame());
    assert_eq!(
        (outcome.verdict, outcome.resumed),
        (Verdict::Default, false)
    );

    let hep = "function hep_route() hep_resume_sip() error('not reached') end";
    let mut bench = Bench::new(&format!("{request} {hep}"));
    let outcome = bench.run(&entries, &sip_frame());
    assert_eq!(outcome.error, None);
    assert_eq!((outcome.verdict, outcome.resumed), (Verdict::Relay, true));

    let mut bench = Bench::new(request);
    let outcome = bench.run(&entries, &sip_frame());
    assert_eq!(outcome.verdict, Verdict::Relay);
}

#[test]
fn hep_resume_sip_is_for_hep_route_and_once() {
    let mut bench = Bench::new(
        r#"
        function hep_route() pcall(hep_resume_sip) hep_resume_sip() end
        function request_route()
          hep_resume_sip()
        end"#,
    );
    let outcome = bench.run(&[EntryPoint::HepRoute], &sip_frame());
    let error = outcome.error.expect("resumed twice");
    assert_eq!(
        error.message(),
        "hep_resume_sip: the message was resumed already"
    );
    let outcome = bench.run(&[EntryPoint::RequestRoute], &sip_frame());
    let error = outcome.error.expect("no hep_route");
    assert_eq!(error.reason(), ErrorReason::Argument);
    assert_eq!(error.line(), Some(4));
    assert_eq!(error.message(), "hep_resume_sip: only hep_route can resume");
}

#[test]
fn an_error_forgets_what_the_script_had_decided() {
    let mut bench = Bench::new(
        r#"
        function request_route()
          hep_relay("v2")
          drop()
          local x = nil + 1
        end"#,
    );
    let outcome = bench.run(&[EntryPoint::RequestRoute], &sip_frame());
    let error = outcome.error.as_ref().expect("arithmetic on nil");
    assert_eq!(error.reason(), ErrorReason::Runtime);
    assert_eq!(error.line(), Some(5));
    assert!(
        error.message().contains("arithmetic on a nil value"),
        "{error}"
    );
    assert_eq!(outcome.verdict, Verdict::Default);
    assert!(outcome.relay.is_empty());
    let reading = bench.shared.reading();
    assert_eq!(reading.errors["runtime"], 1);
    assert_eq!(reading.runs, 1);
}
