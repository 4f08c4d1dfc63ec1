//! A short siege of the real program; `cargo xtask long hostile` is the long one.

use std::{path::Path, time::Duration};

use hepcat_testkit::hostile::Siege;

#[test]
fn hostile_input_grows_nothing_and_harms_nobody() {
    let siege = Siege::new(Duration::from_secs(12), 0x5EED);
    let outcome = siege
        .run(Path::new(env!("CARGO_BIN_EXE_hepcat")))
        .expect("a siege");
    let told = format!("{outcome}\n{}", outcome.output);
    assert!(outcome.ended_well && !told.contains("panicked"), "{told}");
    assert!(outcome.served(), "{told}");
    assert_eq!(outcome.status["ledger"]["unaccounted"], 0, "{told}");
    let listeners = outcome.status["listeners"].as_array().expect("a list");
    let of = |name: &str| {
        listeners
            .iter()
            .find(|one| one["name"] == name)
            .expect("a listener")
    };
    assert!(
        of("keyed")["ledger"]["refused"]["key"].as_u64() > Some(100),
        "{told}"
    );
    assert!(
        of("tcp")["connections"]["closed"]["message_timeout"].as_u64() > Some(0),
        "{told}"
    );
    assert!(
        of("tcp")["connections"]["refused"]["max_connections"].as_u64() > Some(0),
        "{told}"
    );
    assert!(outcome.gave_back(), "{told}");
    assert!(outcome.descriptors < 2_000, "{told}");
    assert!(outcome.late.most < 256 << 20, "{told}");
    assert!(outcome.output.lines().count() < 100, "{told}");
}
