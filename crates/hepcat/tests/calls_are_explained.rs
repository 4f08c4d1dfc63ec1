//! What is said about calls, and that nothing is said about those that went well.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::time::{Duration, UNIX_EPOCH};

use hepcat::{
    call::{Moment, Rules, Seen, Whole, ladder::LaneBy},
    demo,
    explain::Explanation,
};
use hepcat_testkit::scene::{Leg, Scene, Sip};
use hepcat_wire::{Message, ProtocolType};

/// When calls begin here: 2023-11-14 22:13:20 UTC.
const BEGINNING: Duration = Duration::from_secs(1_700_000_000);
/// When everything is over.
const LATER: Moment = Moment::from_micros(1_800_000_000_000_000);

const CALLER: &str = "198.51.100.1:5060";
const PROXY: &str = "192.0.2.10:5060";
const CALLEE: &str = "203.0.113.9:5060";

fn explain(seen: &[Seen<'_>]) -> Explanation {
    let whole = Whole::gather(seen, &Rules::default(), LATER, LaneBy::AddressAndPort);
    let call = whole.calls.first().expect("a call");
    Explanation::of(call, seen, &whole.ladder)
}

fn of_scene(scene: &Scene) -> Explanation {
    let rows = (1..).zip(&scene.observations);
    let seen: Vec<Seen<'_>> = rows
        .map(|(row, one)| {
            Seen::new(
                row,
                Moment::from_micros(one.received_us),
                &one.agent,
                &one.payload,
            )
            .sent_at(Moment::from_micros(one.sent_us))
            .between(one.source, one.destination)
            .of_type(ProtocolType(one.protocol_type))
        })
        .collect();
    explain(&seen)
}

fn of_scenario(name: &str) -> Explanation {
    let scenarios = demo::scenarios().expect("the scenarios make sense");
    let scenario = scenarios
        .iter()
        .find(|scenario| scenario.name() == name)
        .expect("a scenario of that name");
    let frames: Vec<_> = scenario
        .play(3)
        .into_iter()
        .map(|sighting| {
            let agent = &scenario.agents()[sighting.agent];
            let time = BEGINNING + sighting.at;
            let frame = sighting.frame(agent, UNIX_EPOCH + time).expect("a frame");
            (
                Message::parse(frame).expect("a message"),
                agent.name.to_string(),
                time,
            )
        })
        .collect();
    let payloads: Vec<Vec<u8>> = frames
        .iter()
        .map(|(message, ..)| message.payload().trimmed().unwrap_or_default().to_vec())
        .collect();
    let seen: Vec<Seen<'_>> = (1..)
        .zip(frames.iter().zip(&payloads))
        .map(|(row, ((message, agent, time), payload))| {
            Seen::of_message(message, payload, row, *time, agent)
        })
        .collect();
    explain(&seen)
}

fn rules(explanation: &Explanation) -> Vec<&'static str> {
    explanation
        .findings
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

/// A scene of one hop. Each line: milliseconds, `>` from the caller or `<` from the callee, then a method or a status
/// with its phrase; ` CSEQ=n METHOD` where it is not `1 INVITE`; ` IN` inside the dialog; `SDP` with codecs after `=`
/// and a direction after a `/`; and header fields behind ` + `.
fn scene(lines: &str) -> Scene {
    let leg = Leg::new("explained@a", "alice", "bob");
    let mut scene = Scene::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(" + ");
        let words: Vec<&str> = parts.next().unwrap_or_default().split(' ').collect();
        let (at, way, what) = (words[0].parse().unwrap(), words[1], words[2]);
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
        let cseq: u32 = option("CSEQ=").map_or(1, |number| number.parse().unwrap());
        let method = option("OF=").unwrap_or("INVITE");
        let mut sip = match what.parse::<u16>() {
            Ok(code) => {
                let phrase = words[3..].iter().take_while(|word| !word.contains('='));
                let phrase: Vec<&str> = phrase.filter(|word| **word != "IN").copied().collect();
                Sip::response(code, &phrase.join(" "), &leg, cseq, method)
            }
            Err(_) => Sip::request(what, &leg, cseq),
        };
        if words.contains(&"IN") {
            sip = sip.inside(&leg);
        }
        if words.contains(&"BACK") {
            sip = sip.backwards(&leg);
        }
        if let Some(branch) = option("VIA=") {
            sip = sip.vias(&[branch]);
        }
        if let Some(media) = option("SDP=") {
            let (codecs, direction) = media.split_once('/').unwrap_or((media, "sendrecv"));
            let codecs: Vec<String> = codecs
                .split(',')
                .enumerate()
                .map(|(at, name)| format!("{} {name}/8000", 96 + at))
                .collect();
            let codecs: Vec<&str> = codecs.iter().map(String::as_str).collect();
            let address = if way == ">" {
                "198.51.100.1"
            } else {
                "203.0.113.9"
            };
            sip = sip.sdp(address, 4000, &codecs, direction);
        }
        for header in parts {
            let (name, value) = header.split_once(": ").unwrap();
            sip = sip.header(name, value);
        }
        let (from, to) = match way {
            ">" => (CALLER, CALLEE),
            "<" => (CALLEE, CALLER),
            ">>" => (CALLER, PROXY),
            "<<" => (PROXY, CALLER),
            ">>>" => (PROXY, CALLEE),
            _ => (CALLEE, PROXY),
        };
        scene.add("edge", at, from, to, &sip);
    }
    scene
}

#[test]
fn what_the_demonstration_plays() {
    for (scenario, expected) in [
        ("answered", &[][..]),
        ("authenticated", &[]),
        ("early_media", &[]),
        ("two_legs", &[]),
        ("hold", &[]),
        ("transfer", &[]),
        ("prack", &[]),
        ("over_tcp", &[]),
        ("ipv6", &[]),
        ("registered", &[]),
        ("busy", &["refused"]),
        ("no_answer", &["not_answered"]),
        ("cancelled", &["cancelled"]),
        ("moved", &["redirected"]),
        ("not_found", &["refused"]),
        ("no_common_codec", &["no_common_codec"]),
        ("unavailable", &["overload"]),
        ("declined", &["refused"]),
        ("wrong_password", &["credentials_refused"]),
        ("forked", &["answered_elsewhere"]),
        ("registration_refused", &["registration_refused"]),
        ("nat", &["nat_contact", "nat_media"]),
        ("one_way", &["no_audio_reported"]),
        ("poor_quality", &["poor_quality"]),
        ("retransmissions", &["retransmissions"]),
        ("no_response", &["no_response"]),
        ("missing_bye", &["missing_ack", "missing_bye"]),
    ] {
        let explanation = of_scenario(scenario);
        assert_eq!(
            rules(&explanation),
            expected,
            "{scenario}: {explanation:#?}"
        );
    }
}

#[test]
fn each_rule_has_its_call() {
    let answered = "0 > INVITE SDP=PCMA\n900 < 180 Ringing\n4000 < 200 OK SDP=PCMA\n4050 > ACK IN";
    for (rule, lines) in [
        ("no_final_response", "0 > INVITE SDP=PCMA\n10 < 100 Trying".to_owned()),
        ("credentials_missing", "0 > INVITE SDP=PCMA\n10 < 407 Proxy Authentication Required + Proxy-Authenticate: Digest realm=\"a\"\n20 > ACK IN VIA=z9hG4bK-explained@a-1-INVITE".to_owned()),
        ("timeout", "0 > INVITE SDP=PCMA\n9000 < 408 Request Timeout".to_owned()),
        ("server_failure", "0 > INVITE SDP=PCMA\n90 < 500 Server Internal Error + Reason: Q.850;cause=41".to_owned()),
        ("extension", "0 > INVITE SDP=PCMA + Require: 100rel\n90 < 420 Bad Extension + Unsupported: 100rel".to_owned()),
        ("loop", "0 > INVITE SDP=PCMA\n90 < 483 Too Many Hops".to_owned()),
        ("interval_too_small", "0 > INVITE SDP=PCMA\n90 < 422 Session Interval Too Small + Min-SE: 1800".to_owned()),
        ("no_such_dialog", format!("{answered}\n9000 > BYE CSEQ=2 IN\n9010 < 481 Call Does Not Exist IN CSEQ=2 OF=BYE")),
        ("cancel_race", "0 > INVITE SDP=PCMA\n900 < 180 Ringing\n4000 > CANCEL VIA=z9hG4bK-explained@a-1-INVITE\n4001 < 200 OK SDP=PCMA\n4050 > ACK IN\n4100 > BYE CSEQ=2 IN\n4110 < 200 OK IN CSEQ=2 OF=BYE".to_owned()),
        ("one_way_description", "0 > INVITE SDP=PCMA/sendonly\n4000 < 200 OK SDP=PCMA/recvonly\n4050 > ACK IN".to_owned()),
        ("answer_without_description", "0 > INVITE SDP=PCMA\n4000 < 200 OK\n4050 > ACK IN".to_owned()),
        ("session_timer", "0 > INVITE SDP=PCMA\n4000 < 200 OK SDP=PCMA + Session-Expires: 90;refresher=uac\n4050 > ACK IN\n68000 < BYE CSEQ=2 BACK\n68010 > 200 OK CSEQ=2 OF=BYE BACK".to_owned()),
        ("change_refused", format!("{answered}\n9000 > INVITE CSEQ=2 IN SDP=G729\n9100 < 488 Not Acceptable Here IN CSEQ=2")),
        ("glare", format!("{answered}\n9000 > INVITE CSEQ=2 IN SDP=PCMA\n9100 < 491 Request Pending IN CSEQ=2")),
        ("transfer_failed", format!("{answered}\n9000 > REFER CSEQ=2 IN + Refer-To: <sip:carol@b>\n9100 < 603 Decline IN CSEQ=2 OF=REFER")),
        ("short_call", format!("{answered}\n5500 > BYE CSEQ=2 IN\n5510 < 200 OK IN CSEQ=2 OF=BYE")),
        ("abnormal_end", format!("{answered}\n35500 > BYE CSEQ=2 IN + Reason: Q.850;cause=38\n35510 < 200 OK IN CSEQ=2 OF=BYE")),
        ("bye_unanswered", format!("{answered}\n35500 > BYE CSEQ=2 IN\n36000 > BYE CSEQ=2 IN\n37000 > BYE CSEQ=2 IN")),
        ("slow_setup", "0 > INVITE SDP=PCMA\n9900 < 180 Ringing\n14000 < 200 OK SDP=PCMA\n14050 > ACK IN".to_owned()),
        ("late_offer", "0 > INVITE\n900 < 180 Ringing\n4000 < 200 OK SDP=PCMA\n4050 > ACK IN SDP=PCMA".to_owned()),
        ("half_seen", "0 < BYE CSEQ=7 BACK\n10 > 200 OK CSEQ=7 OF=BYE BACK".to_owned()),
        ("refused", "0 > INVITE SDP=PCMA\n90 < 403 Forbidden".to_owned()),
        ("another_code", "0 >> INVITE SDP=PCMA\n9 >>> INVITE SDP=PCMA VIA=z9hG4bK-hop\n60 <<< 404 Not Found VIA=z9hG4bK-hop\n70 << 503 Service Unavailable".to_owned()),
        ("malformed", format!("{answered}\n9000 > INFO CSEQ=2 IN + CSeq: 2 INFO\n9010 < 200 OK CSEQ=2 OF=INFO IN")),
        ("unreachable_contact", "0 >> INVITE SDP=PCMA\n9 >>> INVITE SDP=PCMA VIA=z9hG4bK-hop\n509 >>> INVITE SDP=PCMA VIA=z9hG4bK-hop\n5000 << 408 Request Timeout".to_owned()),
    ] {
        let explanation = of_scene(&scene(&lines));
        let finding = explanation.findings.iter().find(|finding| finding.rule == rule);
        let finding = finding.unwrap_or_else(|| panic!("{rule}: {explanation:#?}"));
        assert!(!finding.evidence.is_empty(), "{rule}: {finding:#?}");
        assert!(finding.says.ends_with(['.', '”']), "{rule}: {}", finding.says);
        assert!(!finding.says.contains("  "), "{rule}: {}", finding.says);
    }
}

#[test]
fn reports_that_come_late_are_told_of() {
    let report = br#"{"sender_information":{"ntp_timestamp_sec":1,"packets":10,"octets":1600},"ssrc":7,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":8,"fraction_lost":0,"packets_lost":0,"ia_jitter":2}]}"#;
    for (after, is_told) in [(2_000, false), (30_000, true)] {
        let mut scene = scene("0 > INVITE SDP=PCMA\n900 < 200 OK SDP=PCMA\n950 > ACK IN");
        let (from, to) = ("198.51.100.1:4001", "203.0.113.9:4001");
        scene.add_other("edge", 900 + after, from, to, 5, report);
        let explanation = of_scene(&scene);
        let late = (explanation.findings.iter()).find(|finding| finding.rule == "late_media");
        assert_eq!(late.is_some(), is_told, "{explanation:#?}");
        if let Some(late) = late {
            assert!(late.says.contains("30 s after the answer"), "{late:#?}");
            assert_eq!(late.evidence.len(), 2);
        }
    }
}

#[test]
fn the_words_are_those_of_the_call() {
    let refused = of_scene(&scene(
        "0 > INVITE SDP=G729\n60 < 488 Not Acceptable Here + Warning: 304 b \"Media type not available\" + Server: Desk/2",
    ));
    let says = &refused.findings[0].says;
    assert!(says.contains("203.0.113.9:5060 (Desk/2)"), "{says}");
    assert!(says.contains("offered G729"), "{says}");
    assert!(says.contains("Media type not available"), "{says}");
    assert_eq!(refused.findings[0].evidence.len(), 2);
    let text = refused.text(60);
    assert!(text.starts_with("!! 203.0.113.9:5060"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 62),
        "{text}"
    );
    let busy = of_scenario("busy").findings[0].says.clone();
    assert!(busy.contains("the user is busy"), "{busy}");
}

#[test]
fn what_acts_is_replaced() {
    let hostile = of_scene(&scene(
        "0 > INVITE SDP=PCMA\n60 < 503 Busy\u{202e}\u{1b}[2J + Server: <b>\u{7}x + Reason: \u{202e}abc",
    ));
    let says = format!("{hostile:?}");
    assert!(!says.contains(['\u{202e}', '\u{7}', '\u{1b}']), "{says}");
    assert!(says.contains("<b>"), "it is text: {says}");
}

#[test]
fn a_clock_that_is_off_is_told_of() {
    let mut scene = Scene::new();
    let leg = Leg::new("clock@a", "alice", "bob");
    scene.skew("drifting", 4_000);
    for agent in ["edge", "drifting"] {
        scene.add(agent, 0, CALLER, CALLEE, &Sip::request("INVITE", &leg, 1));
        let busy = Sip::response(486, "Busy Here", &leg, 1, "INVITE");
        scene.add(agent, 300, CALLEE, CALLER, &busy);
    }
    let explanation = of_scene(&scene);
    assert_eq!(
        rules(&explanation),
        ["refused", "clock_skew"],
        "{explanation:#?}"
    );
    assert!(
        explanation.findings[1].says.contains("ahead"),
        "{explanation:#?}"
    );
}
