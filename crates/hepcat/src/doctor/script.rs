//! What is wrong with the script.

use super::{Finding, Severity, spelled};
use crate::status::ScriptStatus;

pub(super) fn about(script: &ScriptStatus, findings: &mut Vec<Finding>) {
    let mut say = |severity, sentence: String| {
        findings.push(Finding::new(severity, "script", sentence));
    };
    let ScriptStatus { file, runs, .. } = script;
    let sentence = match *runs {
        0 => format!("{file} was asked about no message yet"),
        _ => format!("{file} was asked about {runs} messages"),
    };
    say(Severity::Good, sentence);
    let failed: u64 = script.errors.values().sum();
    if failed > 0 {
        let last = script.last_error.as_deref().unwrap_or("not known");
        let sentence = format!(
            "it failed for {failed} messages ({}), which went where they go without it; the latest error: {last}",
            spelled(&script.errors)
        );
        say(Severity::Bad, sentence);
    }
    let lost: u64 = script.not_sent.values().sum();
    if lost > 0 {
        let sentence = format!(
            "{lost} messages of our own were not sent ({})",
            spelled(&script.not_sent)
        );
        say(Severity::Note, sentence);
    }
    let forgotten = script.transactions_forgotten;
    if forgotten > 0 {
        let sentence = format!(
            "{forgotten} requests and branches of transactions were forgotten early because there were too many: \
             some failures and branches go unnoticed"
        );
        say(Severity::Note, sentence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_script_is_bad_and_its_latest_error_is_said() {
        let script = ScriptStatus {
            file: "routes.lua".to_owned(),
            runs: 10,
            errors: [("runtime".to_owned(), 3), ("memory".to_owned(), 0)].into(),
            last_error: Some("line 4: attempt to index a nil value".to_owned()),
            ..ScriptStatus::default()
        };
        let mut findings = Vec::new();
        about(&script, &mut findings);
        let bad: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Bad)
            .collect();
        assert_eq!(bad.len(), 1, "{findings:?}");
        for part in ["3 messages (runtime 3)", "line 4"] {
            assert!(bad[0].sentence.contains(part), "{}", bad[0].sentence);
        }
    }
}
