//! `[[trace]]` tables: what they mean, and what is wrong with them.

use hepcat::{config::Config, tracer::Scope};
use rstest::rstest;

fn text(trace: &str) -> String {
    format!(
        "[hep]\nhep_id = \"[homer] 127.0.0.1\"\n[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n\
         [[group]]\nname = \"both\"\nkind = \"all\"\nmembers = [\"homer\"]\n[[trace]]\n{trace}\n"
    )
}

#[test]
fn both_forms_of_a_trace_id_are_read() {
    for (written, targets) in [
        (
            "trace_id = \"tid\"\nto = [\"both\", \"homer\"]",
            &["both", "homer"][..],
        ),
        ("trace_id = \"tid\"\nto = \"homer\"", &["homer"]),
        ("trace_id = \"[tid]uri=hep:homer\"", &["homer"]),
        ("trace_id = \" [ tid ] uri = hep:homer ; \"", &["homer"]),
    ] {
        let config = Config::parse(&text(written), "x").unwrap_or_else(|faults| panic!("{faults}"));
        let [trace] = &config.traces[..] else {
            panic!("{:?}", config.traces);
        };
        assert_eq!(*trace.trace_id, "tid");
        let to: Vec<_> = trace.to.iter().map(|name| name.as_str()).collect();
        assert_eq!(to, targets);
        assert!(trace.on && trace.when.is_none() && trace.rate.is_none());
        assert_eq!(trace.scope, None);
    }
    let whole = "trace_id = \"tid\"\nto = [\"homer\"]\nwhen = \"from:alice\"\nscope = \"message\"\n\
                 types = [\"sip\", \"log\"]\nrate = 5\non = false";
    let config = Config::parse(&text(whole), "x").expect("it is good");
    let trace = &config.traces[0];
    assert_eq!(
        (trace.scope, trace.rate, trace.on),
        (Some(Scope::Message), Some(5), false)
    );
    assert_eq!(trace.types.names().collect::<Vec<_>>(), ["sip", "log"]);
}

#[rstest]
#[case("to = [\"homer\"]", "`trace_id` is missing")]
#[case("trace_id = \"tid\"", "`to` is missing")]
#[case("trace_id = \"tid\"\nto = []", "leads nowhere")]
#[case("trace_id = \"tid\"\nto = [\"hommer\"]", "no destination and no group")]
#[case("trace_id = \"[tid]uri=hep:nobody\"", "no destination and no group")]
#[case(
    "trace_id = \"[tid]uri=hep:homer\"\nto = [\"homer\"]",
    "`to` stands beside"
)]
#[case("trace_id = \"[tid\"", "the name does not end")]
#[case("trace_id = \"[tid]uri=sip:192.0.2.1\"", "none of HEP")]
#[case(
    "trace_id = \"[tid]uri=mysql://x;table=t\"",
    "a table is one of a database"
)]
#[case("trace_id = \"[tid]url=hep:homer\"", "unknown key `url`")]
#[case("trace_id = \"[]uri=hep:homer\"", "the name is empty")]
#[case(
    "trace_id = \"tid\"\nto = [\"homer\"]\nwhen = \"metod:X\"",
    "unknown field"
)]
#[case(
    "trace_id = \"tid\"\nto = [\"homer\"]\nscope = \"dialogue\"",
    "`scope` cannot be"
)]
#[case(
    "trace_id = \"tid\"\nto = [\"homer\"]\ntypes = [\"sipp\"]",
    "no protocol type"
)]
#[case("trace_id = \"tid\"\nto = [\"homer\"]\nrate = 0", "out of range")]
#[case(
    "trace_id = \"tid\"\nto = [\"homer\"]\nfilter = \"x\"",
    "unknown key `filter`"
)]
fn what_is_wrong_is_said_with_its_place(#[case] written: &str, #[case] expected: &str) {
    let faults = Config::parse(&text(written), "x").expect_err("it is faulty");
    assert_eq!(faults.len(), 1, "{faults}");
    let fault = faults.iter().next().expect("there is one");
    assert!(fault.message().contains(expected), "{faults}");
    assert!(fault.line().is_some_and(|line| line >= 9), "{faults}");
}
