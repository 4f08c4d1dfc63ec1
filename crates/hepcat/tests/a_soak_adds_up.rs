//! A short soak of the real program; `cargo xtask long soak` is the long one.

use std::{path::Path, time::Duration};

use hepcat_testkit::soak::Soak;

#[test]
fn a_mixed_load_with_faults_adds_up() {
    let soak = Soak::new(Duration::from_secs(10), 0x50A4);
    let outcome = soak
        .run(Path::new(env!("CARGO_BIN_EXE_hepcat")))
        .expect("a soak");
    let told = format!("{outcome}\n{}", outcome.output);
    assert!(outcome.ended_well && !told.contains("panicked"), "{told}");
    assert!(outcome.wrong.is_empty(), "{told}");
    assert!(outcome.disturbed() >= 3, "{told}");
    assert!(outcome.sent.iter().all(|(_, sent)| *sent > 0), "{told}");
}
