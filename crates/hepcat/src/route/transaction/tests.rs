use proptest::prelude::*;

use super::*;

const START: u64 = 1_700_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + seconds)
}

fn request(method: &str, call_id: &str, cseq: u32, branch: &str) -> String {
    format!(
        "{method} sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
         From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.net>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\n\r\n"
    )
}

fn reply(status: u16, method: &str, call_id: &str, cseq: u32, branch: &str) -> String {
    format!(
        "SIP/2.0 {status} Phrase\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
         From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.net>;tag=b\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\r\n"
    )
}

fn see(transactions: &mut Transactions, text: &str, seconds: u64) -> Standing {
    let sip = hepcat_sip::scan(text.as_bytes()).expect("SIP");
    transactions.see(&sip, at(seconds))
}

fn memory() -> Transactions {
    Transactions::new(1000, TRANSACTION_LIFETIME)
}

const PLAIN: Standing = Standing {
    further_branch: false,
    failure: false,
};
const BRANCH: Standing = Standing {
    further_branch: true,
    failure: false,
};
const FAILURE: Standing = Standing {
    further_branch: false,
    failure: true,
};

#[test]
fn a_request_sent_on_under_other_branches_is_one_request_with_branches() {
    let mut seen = memory();
    for (branch, expected) in [
        ("z9hG4bKa", PLAIN),
        ("z9hG4bKa", PLAIN), // sent again
        ("z9hG4bKp0", BRANCH),
        ("z9hG4bKp1", BRANCH),
        ("z9hG4bKp1", PLAIN), // sent again
        ("z9hG4bKa", PLAIN),
    ] {
        assert_eq!(
            see(&mut seen, &request("INVITE", "one", 1, branch), 0),
            expected,
            "{branch}"
        );
    }
    // The next request of the dialog is another one.
    assert_eq!(
        see(&mut seen, &request("INVITE", "one", 2, "z9hG4bKb"), 1),
        PLAIN
    );
}

#[test]
fn calls_methods_and_callers_do_not_mix() {
    let mut seen = memory();
    assert_eq!(
        see(&mut seen, &request("INVITE", "one", 1, "z9hG4bKa"), 0),
        PLAIN
    );
    assert_eq!(
        see(&mut seen, &request("INVITE", "two", 1, "z9hG4bKb"), 0),
        PLAIN
    );
    assert_eq!(
        see(&mut seen, &request("CANCEL", "one", 1, "z9hG4bKa"), 0),
        PLAIN
    );
    let other_caller = request("INVITE", "one", 1, "z9hG4bKc").replace("tag=a", "tag=x");
    assert_eq!(see(&mut seen, &other_caller, 0), PLAIN);
}

#[test]
fn only_the_first_final_reply_of_300_and_above_to_what_was_seen_is_a_failure() {
    for (replies, expected) in [
        (vec![100, 180, 486, 486], vec![PLAIN, PLAIN, FAILURE, PLAIN]),
        (vec![200, 486], vec![PLAIN, PLAIN]),
        (vec![302], vec![FAILURE]),
        (vec![299, 699], vec![PLAIN, PLAIN]),
        (vec![699], vec![FAILURE]),
    ] {
        let mut seen = memory();
        see(&mut seen, &request("INVITE", "one", 1, "z9hG4bKa"), 0);
        let standings: Vec<_> = replies
            .iter()
            .map(|status| {
                see(
                    &mut seen,
                    &reply(*status, "INVITE", "one", 1, "z9hG4bKa"),
                    1,
                )
            })
            .collect();
        assert_eq!(standings, expected, "{replies:?}");
    }
}

#[test]
fn replies_to_what_was_not_seen_are_no_failures() {
    let mut seen = memory();
    see(&mut seen, &request("INVITE", "one", 1, "z9hG4bKa"), 0);
    for text in [
        reply(486, "INVITE", "one", 1, "z9hG4bKother"),
        reply(486, "INVITE", "two", 1, "z9hG4bKa"),
        reply(481, "CANCEL", "one", 1, "z9hG4bKa"),
        reply(486, "INVITE", "one", 1, "z9hG4bKa").replace("Call-ID: one\r\n", ""),
        reply(486, "INVITE", "one", 1, "z9hG4bKa").replace(";branch=z9hG4bKa", ""),
    ] {
        assert_eq!(see(&mut seen, &text, 1), PLAIN, "{text}");
    }
}

#[test]
fn each_branch_fails_by_itself() {
    let mut seen = memory();
    for branch in ["z9hG4bKa", "z9hG4bKp0", "z9hG4bKp1"] {
        see(&mut seen, &request("INVITE", "one", 1, branch), 0);
    }
    for branch in ["z9hG4bKp1", "z9hG4bKp0", "z9hG4bKa"] {
        let text = reply(503, "INVITE", "one", 1, branch);
        assert_eq!(see(&mut seen, &text, 1), FAILURE, "{branch}");
    }
}

#[test]
fn an_ack_belongs_to_no_transaction_of_its_own() {
    let mut seen = memory();
    for branch in ["z9hG4bKa", "z9hG4bKp0"] {
        assert_eq!(
            see(&mut seen, &request("ACK", "one", 1, branch), 0),
            PLAIN,
            "{branch}"
        );
    }
    assert!(seen.is_empty());
}

#[test]
fn a_transaction_is_forgotten_a_lifetime_after_its_latest_message() {
    let lifetime = TRANSACTION_LIFETIME.as_secs();
    let failing = |silence: u64| {
        let mut seen = memory();
        see(&mut seen, &request("INVITE", "one", 1, "z9hG4bKa"), 0);
        // Ringing for almost a lifetime keeps it.
        see(
            &mut seen,
            &reply(180, "INVITE", "one", 1, "z9hG4bKa"),
            lifetime - 1,
        );
        let last = lifetime - 1 + silence;
        see(&mut seen, &reply(408, "INVITE", "one", 1, "z9hG4bKa"), last).failure
    };
    assert!(failing(lifetime));
    assert!(!failing(lifetime + 1));
}

#[test]
fn a_clock_set_back_does_not_keep_anything_for_ever() {
    let mut seen = memory();
    see(&mut seen, &request("INVITE", "one", 1, "z9hG4bKa"), 10_000);
    for second in 0..10 {
        see(
            &mut seen,
            &request("OPTIONS", "x", 1, "z9hG4bKx"),
            second * TRANSACTION_LIFETIME.as_secs() / 2,
        );
    }
    assert!(seen.len() <= 4, "{}", seen.len());
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_forgotten_early_is_counted() {
    let mut seen = Transactions::new(100, TRANSACTION_LIFETIME);
    for call in 0..10_000 {
        let call_id = call.to_string();
        see(&mut seen, &request("OPTIONS", &call_id, 1, "z9hG4bKa"), 0);
        assert!(seen.len() <= 200, "{} after {call}", seen.len());
    }
    assert!(seen.forgotten() > 19_000, "{}", seen.forgotten());
    // The latest are still known.
    let latest = reply(404, "OPTIONS", "9999", 1, "z9hG4bKa");
    assert_eq!(see(&mut seen, &latest, 1), FAILURE);
}

proptest! {
    /// Against a memory that is neither bounded nor hashed.
    #[test]
    fn agrees_with_a_plain_model(
        messages in prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8, 0..4_usize), 0..60)
    ) {
        use std::collections::{BTreeMap, BTreeSet};
        let mut seen = memory();
        let mut first: BTreeMap<(u8, u8), u8> = BTreeMap::new();
        let mut open: BTreeMap<(u8, u8), bool> = BTreeMap::new();
        let mut requests: BTreeSet<(u8, u8)> = BTreeSet::new();
        for (call, cseq, branch, kind) in messages {
            let (call_id, branch_text) = (format!("c{call}"), format!("z9hG4bK{cseq}-{branch}"));
            // Branches are unique to a transaction, as RFC 3261 §8.1.1.7 demands.
            let transaction = (call, cseq * 16 + branch);
            let (text, expected) = match kind {
                0 | 1 => {
                    let known = !requests.insert(transaction);
                    let first = *first.entry((call, cseq)).or_insert(branch);
                    open.entry(transaction).or_insert(true);
                    let further = first != branch && !known;
                    (
                        request("INVITE", &call_id, u32::from(cseq), &branch_text),
                        if further { BRANCH } else { PLAIN },
                    )
                }
                kind => {
                    let status = if kind == 2 { 183 } else { 487 };
                    let state = open.get_mut(&transaction);
                    let failure = status >= 300 && state.as_deref() == Some(&true);
                    if let Some(state) = state.filter(|_| status >= 200) {
                        *state = false;
                    }
                    (
                        reply(status, "INVITE", &call_id, u32::from(cseq), &branch_text),
                        if failure { FAILURE } else { PLAIN },
                    )
                }
            };
            prop_assert_eq!(see(&mut seen, &text, 0), expected);
        }
    }
}
