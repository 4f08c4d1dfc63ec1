//! The rules, what matters most first. Each is a function that looks at the whole call and says a sentence, or nothing.
//!
//! A new rule is a function and a line in [`RULES`], a row in `docs/explain.md` and a case in
//! `tests/calls_are_explained.rs`.

use std::{net::IpAddr, time::Duration};

use super::{
    Weight,
    case::{Case, Step, Told, evidence, shown, spell, told},
    codes,
};
use crate::call::{Content, Direction, Flag, Kind, Quality, Side, State, ladder::ArrowKind};

/// A rule by its name.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) weight: Weight,
    pub(super) tell: fn(&Case<'_>) -> Option<Told>,
}

const fn cause(name: &'static str, tell: fn(&Case<'_>) -> Option<Told>) -> Rule {
    let weight = Weight::Cause;
    Rule { name, weight, tell }
}

const fn trouble(name: &'static str, tell: fn(&Case<'_>) -> Option<Told>) -> Rule {
    let weight = Weight::Trouble;
    Rule { name, weight, tell }
}

const fn remark(name: &'static str, tell: fn(&Case<'_>) -> Option<Told>) -> Rule {
    let weight = Weight::Remark;
    Rule { name, weight, tell }
}

pub(super) const RULES: &[Rule] = &[
    cause("no_response", no_response),
    cause("no_final_response", no_final_response),
    cause("unreachable_contact", unreachable_contact),
    cause("credentials_refused", credentials_refused),
    cause("credentials_missing", credentials_missing),
    cause("no_common_codec", no_common_codec),
    cause("not_answered", not_answered),
    cause("timeout", timeout),
    cause("cancelled", cancelled),
    cause("overload", overload),
    cause("server_failure", server_failure),
    cause("extension", extension),
    cause("loop", looped),
    cause("interval_too_small", interval_too_small),
    cause("no_such_dialog", no_such_dialog),
    cause("redirected", redirected),
    cause("refused", refused),
    cause("registration_refused", registration_refused),
    trouble("another_code", another_code),
    trouble("missing_ack", missing_ack),
    trouble("cancel_race", cancel_race),
    trouble("no_audio_reported", no_audio_reported),
    trouble("one_way_description", one_way_description),
    trouble("nat_contact", nat_contact),
    trouble("nat_media", nat_media),
    trouble("answer_without_description", answer_without_description),
    trouble("session_timer", session_timer),
    trouble("change_refused", change_refused),
    trouble("glare", glare),
    trouble("transfer_failed", transfer_failed),
    trouble("short_call", short_call),
    trouble("abnormal_end", abnormal_end),
    trouble("bye_unanswered", bye_unanswered),
    trouble("missing_bye", missing_bye),
    trouble("poor_quality", poor_quality),
    trouble("retransmissions", retransmissions),
    trouble("slow_setup", slow_setup),
    trouble("malformed", malformed),
    trouble("clock_skew", clock_skew),
    remark("late_media", late_media),
    remark("late_offer", late_offer),
    remark("answered_elsewhere", answered_elsewhere),
    remark("half_seen", half_seen),
];

/// A talk shorter than this is odd.
const SHORT_TALK: Duration = Duration::from_secs(5);
/// Callers do not wait longer for a sign of the other side.
const LONG_SETUP: Duration = Duration::from_secs(8);
/// RTCP comes every five seconds or so (RFC 3550 §6.2); three in a row do not get lost.
const LATE_REPORT: Duration = Duration::from_secs(20);
/// Loss that means that nothing arrives.
const NOTHING_ARRIVES: f32 = 99.0;

// ---- no response ----

/// A request that began the call and got no response of any kind, and was not passed on.
fn no_response(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::NoResponse) {
        return None;
    }
    let mut steps = case.steps.iter().copied();
    let request = steps
        .rfind(|step| step.is_request() && !step.is("ACK") && case.to(*step).next().is_none())?;
    let method = shown(request.method());
    let to = case.host(request.to);
    let tried = match request.last.since(request.at()) {
        Some(span) if request.times > 1 => {
            format!("it was sent {} times in {}", request.times, spell(span))
        }
        _ => "it was sent once".to_owned(),
    };
    told(
        format!(
            "{to} never responded to the {method}: {tried}. It is down or unreachable, a firewall drops the messages on \
             the way there or back, or the capture does not see what it sends."
        ),
        [request],
    )
}

/// 100 came, or it rang, and then nothing more.
fn no_final_response(case: &Case<'_>) -> Option<Told> {
    if case.call.kind != Kind::Call
        || case.call.state != State::Failed
        || case.call.final_code.is_some()
    {
        return None;
    }
    let last = case.responses("INVITE", |status| status < 200).last()?;
    told(
        format!(
            "{} said {} and then nothing more: no final response came before the call was given up.",
            case.host(last.from),
            last.arrow_label(),
        ),
        [last],
    )
}

/// A proxy asked a phone that is silent, and told the caller something else.
fn unreachable_contact(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[404, 408, 430, 480, 500, 503, 504])?;
    let silent = case
        .invites()
        .find(|invite| invite.from == refusal.from && case.to(*invite).next().is_none())?;
    let uri = silent.scan.request_uri().map(|uri| shown(uri.as_bytes()));
    told(
        format!(
            "{} sent the INVITE on to {} ({}), which never responded{}. If that is where the callee registered, the \
             registration has outlived the phone or its NAT binding.",
            case.host(silent.from),
            case.host(silent.to),
            uri.unwrap_or_default(),
            if silent.times > 1 {
                format!(" to {} transmissions", silent.times)
            } else {
                String::new()
            },
        ),
        [silent, refusal],
    )
}

// ---- credentials ----

/// Challenged again although credentials were sent.
fn credentials_refused(case: &Case<'_>) -> Option<Told> {
    let challenge = case.refused_with(&[401, 407])?;
    let with: Vec<Step<'_>> = case
        .steps
        .iter()
        .copied()
        .filter(|step| step.is_request() && credentials(step).is_some() && !step.is("ACK"))
        .collect();
    let tried = with.first()?;
    let values = credentials(tried).unwrap_or_default();
    let user = quoted_param(values, "username").unwrap_or_default();
    let realm = quoted_param(values, "realm").unwrap_or_default();
    let header = challenge
        .header("WWW-Authenticate")
        .or_else(|| challenge.header("Proxy-Authenticate"));
    let stale = header.and_then(|value| quoted_param(value, "stale"));
    let why = if stale.is_some_and(|stale| stale.eq_ignore_ascii_case("true")) {
        "its nonce had run out (stale) and it did not try again with the new one"
    } else {
        "user name or password are wrong, or the realm is another one than it is set up for"
    };
    let challenges = case
        .steps
        .iter()
        .copied()
        .filter(|step| matches!(step.status(), 401 | 407));
    told(
        format!(
            "{} refused the credentials of user “{user}” for the realm “{realm}” ({} tries): {why}.",
            case.host(challenge.from),
            with.len(),
        ),
        with.iter().copied().chain(challenges),
    )
}

/// Challenged, and nothing came after it.
fn credentials_missing(case: &Case<'_>) -> Option<Told> {
    let challenge = case.refused_with(&[401, 407])?;
    let tried = case
        .steps
        .iter()
        .any(|step| step.is_request() && !step.is("ACK") && credentials(step).is_some());
    if tried {
        return None;
    }
    told(
        format!(
            "{} asked for credentials ({}), and {} never sent any: it has none for this realm, or ignores the challenge.",
            case.host(challenge.from),
            challenge.arrow_label(),
            case.host(challenge.to),
        ),
        [challenge],
    )
}

fn credentials<'c>(step: &Step<'c>) -> Option<&'c [u8]> {
    step.header("Authorization")
        .or_else(|| step.header("Proxy-Authorization"))
}

/// `name="value"` of a challenge or of credentials.
fn quoted_param(value: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let parts = text.split([',', ' ']);
    parts
        .filter_map(|part| part.trim().split_once('='))
        .find_map(|(key, value)| {
            key.eq_ignore_ascii_case(name)
                .then(|| shown(value.trim_matches('"').as_bytes()))
        })
}

// ---- refusals ----

/// 488, 606, 415: with the codecs of both sides, as far as the call tells.
fn no_common_codec(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[488, 606, 415])?;
    let offer = case
        .invites()
        .filter(|invite| invite.to == refusal.from)
        .last()
        .or_else(|| case.invites().last())?;
    let offered = match offer.codecs() {
        Some(codecs) => format!("offered {codecs}"),
        None => "offered nothing that is a codec".to_owned(),
    };
    let theirs = case
        .steps
        .iter()
        .filter(|step| step.from == refusal.from)
        .find_map(Step::codecs);
    let other = match theirs {
        Some(codecs) => format!("the other side speaks {codecs}"),
        None => "the other side does not say what it would take".to_owned(),
    };
    let warning = warning(&refusal);
    told(
        format!(
            "{} did not accept the session: {} {offered}, {other}{warning}. The two have no codec, or no kind of \
             encryption or media, in common.",
            case.host(refusal.from),
            case.host(offer.from),
        ),
        [offer, refusal],
    )
}

/// It rang until somebody gave up: 408, or 480 and the like after ringing.
fn not_answered(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[408, 480])?;
    let ringing = case
        .responses("INVITE", |status| (180..200).contains(&status))
        .next()?;
    let span = refusal.at().since(ringing.at())?;
    if span < Duration::from_secs(5) {
        return None;
    }
    told(
        format!(
            "Nobody answered: {} rang for {}, then {} gave up with {}.",
            case.host(ringing.from),
            spell(span),
            case.host(refusal.from),
            refusal.arrow_label(),
        ),
        [ringing, refusal],
    )
}

/// 408 or 504 without ringing.
fn timeout(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[408, 504])?;
    if case.call.legs.iter().any(|leg| leg.ringing.is_some()) || unreachable_contact(case).is_some()
    {
        return None;
    }
    let waited = case
        .invites()
        .next()
        .and_then(|invite| refusal.at().since(invite.at()));
    told(
        format!(
            "{} gave up after {} with {}: what it asked did not respond in time.",
            case.host(refusal.from),
            spell(waited.unwrap_or_default()),
            refusal.arrow_label(),
        ),
        [refusal],
    )
}

/// The caller hung up before the answer.
fn cancelled(case: &Case<'_>) -> Option<Told> {
    if case.call.state != State::Cancelled {
        return None;
    }
    let cancel = case.requests("CANCEL").next();
    let ringing = case
        .responses("INVITE", |status| (180..200).contains(&status))
        .next();
    let end = cancel.or_else(|| case.refusal())?;
    let after = match ringing.and_then(|ringing| end.at().since(ringing.at())) {
        Some(span) => format!("after {} of ringing", spell(span)),
        None => "before it rang".to_owned(),
    };
    let who = case.host(if end.is_request() { end.from } else { end.to });
    let reason = end.text("Reason").map(|reason| format!(" ({reason})"));
    told(
        format!(
            "The caller's side, {who}, gave up {after}{}.",
            reason.unwrap_or_default()
        ),
        ringing.into_iter().chain([end]).chain(case.refusal()),
    )
}

/// 503, with what it says about when to come back.
fn overload(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[503])?;
    let retry = refusal.text("Retry-After").map_or_else(String::new, |after| {
        format!(" It wants to be left alone for {after} s (Retry-After): nobody should have sent calls there before.")
    });
    told(
        format!(
            "{} cannot take the call: {}{}.{retry}",
            case.host(refusal.from),
            codes::status(503),
            because(&refusal),
        ),
        [refusal],
    )
}

/// Any other 5xx, with its Reason.
fn server_failure(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refusal()?;
    let code = refusal.status();
    if !(500..600).contains(&code) || matches!(code, 503 | 504) {
        return None;
    }
    answered(case, "failed", refusal)
}

/// 420, 421 with the names of extensions.
fn extension(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[420, 421])?;
    let says = if refusal.status() == 420 {
        format!(
            "{} does not know the extension “{}” that {} requires.",
            case.host(refusal.from),
            refusal.text("Unsupported").unwrap_or_default(),
            case.host(refusal.to),
        )
    } else {
        format!(
            "{} insists on the extension “{}”, which {} does not offer.",
            case.host(refusal.from),
            refusal.text("Require").unwrap_or_default(),
            case.host(refusal.to),
        )
    };
    let invite = case.invites().next();
    told(says, invite.into_iter().chain([refusal]))
}

/// 482, 483: the same request goes round.
fn looped(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[482, 483])?;
    let hops = case.invites().count();
    told(
        format!(
            "The call went in circles: {} ended it with {} after {hops} hops that were seen. Two servers route this \
             number to each other, or a forwarding leads back to itself.",
            case.host(refusal.from),
            refusal.arrow_label(),
        ),
        case.invites().chain([refusal]),
    )
}

/// 422, 423.
fn interval_too_small(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refused_with(&[422, 423])?;
    let least = refusal
        .text("Min-SE")
        .or_else(|| refusal.text("Min-Expires"))
        .unwrap_or_else(|| "more".to_owned());
    told(
        format!(
            "{} wants at least {least} s ({}), and {} did not ask again with that.",
            case.host(refusal.from),
            refusal.arrow_label(),
            case.host(refusal.to),
        ),
        [refusal],
    )
}

/// 481 to anything.
fn no_such_dialog(case: &Case<'_>) -> Option<Told> {
    let refusal = case
        .steps
        .iter()
        .copied()
        .find(|step| step.status() == 481)?;
    told(
        format!(
            "{} knows no call that the {} could belong to (481): {}.",
            case.host(refusal.from),
            shown(refusal.method()),
            "it has restarted or ended the call already, or the request reached the wrong server",
        ),
        [refusal],
    )
}

/// 3xx with the new address.
fn redirected(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refusal().filter(|step| step.status() < 400)?;
    let contact = refusal
        .text("Contact")
        .unwrap_or_else(|| "nowhere in particular".to_owned());
    let followed = case
        .invites()
        .any(|invite| invite.at() > refusal.at() && invite.from == refusal.to);
    told(
        format!(
            "{} sent the call elsewhere ({}): to {contact}.{}",
            case.host(refusal.from),
            refusal.arrow_label(),
            if followed {
                ""
            } else {
                " Nobody was seen to follow."
            },
        ),
        [refusal],
    )
}

/// Any final response that no rule above has a word for.
fn refused(case: &Case<'_>) -> Option<Told> {
    let refusal = case.refusal()?;
    let code = refusal.status();
    let told_above = [
        credentials_refused,
        credentials_missing,
        no_common_codec,
        not_answered,
        timeout,
        overload,
        server_failure,
        extension,
        looped,
        interval_too_small,
        unreachable_contact,
        registration_refused,
    ];
    if code < 400 || matches!(code, 481 | 487) || told_above.iter().any(|rule| rule(case).is_some())
    {
        return None;
    }
    answered(case, "refused", refusal)
}

/// REGISTER that ended with something else than a challenge.
fn registration_refused(case: &Case<'_>) -> Option<Told> {
    if case.call.kind != Kind::Registration {
        return None;
    }
    let refusal = case
        .refusal()
        .filter(|step| !matches!(step.status(), 401 | 407 | 423))?;
    let sent = case
        .requests("REGISTER")
        .filter(|step| credentials(step).is_some())
        .last();
    let tried = if sent.is_some() {
        ", although credentials had been sent: the account is blocked, or its password wrong"
    } else {
        ""
    };
    told(
        format!(
            "{} refused the registration with {}{tried}. Calls to this user find nobody.",
            case.host(refusal.from),
            refusal.arrow_label(),
        ),
        sent.into_iter().chain([refusal]),
    )
}

/// What was refused further down arrived at the caller as something else.
fn another_code(case: &Case<'_>) -> Option<Told> {
    let caller = case.invites().next()?.from;
    let refusals = || {
        case.responses("INVITE", |status| {
            status >= 300 && !matches!(status, 401 | 407 | 487 | 491)
        })
    };
    let told_caller = refusals().filter(|refusal| refusal.to == caller).last()?;
    let first = refusals().find(|refusal| refusal.to != caller)?;
    let is_passed_on = first.status() == told_caller.status();
    if is_passed_on || told_caller.status() < 400 || told_caller.at() < first.at() {
        return None;
    }
    told(
        format!(
            "The caller was told {}, but what happened further down was {} from {}: {}{}.",
            told_caller.arrow_label(),
            first.arrow_label(),
            case.host(first.from),
            codes::status(first.status()),
            because(&first),
        ),
        [first, told_caller],
    )
}

// ---- dialogs ----

/// 2xx to INVITE without ACK.
fn missing_ack(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::NoAck) {
        return None;
    }
    let answer = case
        .responses("INVITE", |status| (200..300).contains(&status))
        .find(|answer| {
            !case.requests("ACK").any(|ack| {
                ack.arrow.leg == answer.arrow.leg
                    && ack.scan.cseq_number() == answer.scan.cseq_number()
                    && ack.from == answer.to
            })
        })?;
    let again = if answer.times > 1 {
        format!(", though it was sent {} times", answer.times)
    } else {
        String::new()
    };
    told(
        format!(
            "{} never acknowledged the answer of {}{again}. It did not arrive, or the ACK went to an address in Contact \
             or Record-Route that leads nowhere; most phones hang up after 32 s of that.",
            case.host(answer.to),
            case.host(answer.from),
        ),
        [answer],
    )
}

/// CANCEL and 2xx crossed.
fn cancel_race(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::CancelRace) {
        return None;
    }
    let cancel = case.requests("CANCEL").next()?;
    let answer = case
        .responses("INVITE", |status| (200..300).contains(&status))
        .next()?;
    let bye = case.requests("BYE").next();
    let after = if bye.is_some() {
        "It was ended with a BYE at once, as it should be; the callee may be charged for a moment of talk."
    } else {
        "No BYE ended it: the callee may think that the call goes on."
    };
    told(
        format!(
            "CANCEL and the answer crossed within {}: the call was answered although the caller had given up. {after}",
            spell(cancel.at().distance(answer.at())),
        ),
        [cancel, answer].into_iter().chain(bye),
    )
}

/// An answer that has no description although the offer has, and none came before it.
fn answer_without_description(case: &Case<'_>) -> Option<Told> {
    let answer = case.answer()?;
    let invite = case.invites().last()?;
    let described = case
        .responses("INVITE", |status| status < 300)
        .chain(case.responses("PRACK", |status| status < 300))
        .any(|step| step.description().is_some());
    if invite.description().is_none() || described {
        return None;
    }
    told(
        format!(
            "{} answered without saying where it wants media: no response described a session. There can be no audio.",
            case.host(answer.from),
        ),
        [invite, answer],
    )
}

/// Session-Expires that nobody kept up.
fn session_timer(case: &Case<'_>) -> Option<Told> {
    let answer = case.answer()?;
    let value = answer.text("Session-Expires")?;
    let seconds: u64 = value.split(';').next()?.trim().parse().ok()?;
    let interval = Duration::from_secs(seconds);
    let bye = case.requests("BYE").next()?;
    let refreshed = case
        .steps
        .iter()
        .filter(|step| {
            step.at() > answer.at()
                && (step.is("UPDATE") || step.is("INVITE") && step.is_inside_dialog())
        })
        .map(Step::at)
        .max()
        .unwrap_or_else(|| answer.at());
    let silent = bye.at().since(refreshed)?;
    // RFC 4028 §10: BYE comes min(32 s, a third) before the interval ends.
    let early = Duration::from_secs(32).min(interval / 3);
    if silent + early < interval || silent > interval + Duration::from_secs(40) {
        return None;
    }
    let who = value
        .split(';')
        .find_map(|part| part.trim().strip_prefix("refresher="))
        .map_or("one of the two", |who| {
            if who == "uac" {
                "the caller"
            } else {
                "the callee"
            }
        });
    told(
        format!(
            "The session timer ended the call: {} was agreed on and {who} was to refresh it, but nothing was seen for {}; \
             then {} hung up.",
            spell(interval),
            spell(silent),
            case.host(bye.from),
        ),
        [answer, bye],
    )
}

/// A re-INVITE or UPDATE that was refused.
fn change_refused(case: &Case<'_>) -> Option<Told> {
    let inside = case.requests("INVITE").chain(case.requests("UPDATE"));
    let (change, refusal) = inside
        .filter(Step::is_inside_dialog)
        .filter_map(|step| Some((step, case.final_to(step)?)))
        .find(|(_, last)| {
            last.status() >= 300 && !matches!(last.status(), 401 | 407 | 481 | 491)
        })?;
    told(
        format!(
            "{} wanted to change the session (hold, codec or address) and {} refused with {}; the session goes on as \
             before.",
            case.host(change.from),
            case.host(refusal.from),
            refusal.arrow_label(),
        ),
        [change, refusal],
    )
}

/// 491.
fn glare(case: &Case<'_>) -> Option<Told> {
    let refusal = case
        .steps
        .iter()
        .copied()
        .find(|step| step.status() == 491)?;
    let request =
        case.steps.iter().copied().find(|step| {
            step.is_request() && case.to(*step).any(|response| response.status() == 491)
        });
    told(
        format!(
            "Both sides wanted to change the session at the same time: {} said 491. Each is to try again after a random \
             while.",
            case.host(refusal.from),
        ),
        request.into_iter().chain([refusal]),
    )
}

/// REFER that was refused, or whose NOTIFY tells of a failure.
fn transfer_failed(case: &Case<'_>) -> Option<Told> {
    let refer = case.requests("REFER").next()?;
    let target = refer.text("Refer-To").unwrap_or_default();
    if let Some(refusal) = case
        .final_to(refer)
        .filter(|last| last.status() >= 300 && !matches!(last.status(), 401 | 407))
    {
        return told(
            format!(
                "The transfer to {target} was refused by {}: {}.",
                case.host(refusal.from),
                refusal.arrow_label(),
            ),
            [refer, refusal],
        );
    }
    let (notify, status) = case.requests("NOTIFY").find_map(|notify| {
        let line = notify.scan.body().split(|octet| *octet == b'\n').next()?;
        let code = line.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
        let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
        (code >= 300).then(|| (notify, shown(line)))
    })?;
    told(
        format!(
            "The transfer to {target} failed: {} reports “{status}”.",
            case.host(notify.from),
        ),
        [refer, notify],
    )
}

// ---- media ----

/// Reports that say that nothing arrives.
fn no_audio_reported(case: &Case<'_>) -> Option<Told> {
    let silent: Vec<_> = case
        .reports()
        .filter(|(_, _, seen)| {
            let loss = Quality::of(seen.payload).and_then(|quality| quality.loss_percent);
            matches!(seen.content, Content::Rtcp | Content::Quality)
                && loss.is_some_and(|loss| loss > NOTHING_ARRIVES)
        })
        .collect();
    let (_, _, first) = silent.first()?;
    let from = first
        .source
        .map_or_else(String::new, |source| source.ip().to_string());
    let to = first
        .destination
        .map_or_else(String::new, |to| to.ip().to_string());
    Some(Told {
        says: format!(
            "One side hears nothing: reports from {from} to {to} say that all of the other side's media is lost ({} of \
             them). Look at the address and port in the descriptions, and at firewalls and NAT between the two.",
            silent.len(),
        ),
        evidence: silent
            .iter()
            .map(|(place, arrow, _)| evidence(*place, arrow))
            .collect(),
    })
}

/// The first agreement lets media flow one way only, or not at all.
fn one_way_description(case: &Case<'_>) -> Option<Told> {
    let answer = case.answer()?;
    let invite = case.invites().last()?;
    let described = case
        .responses("INVITE", |status| status < 300)
        .filter(|step| step.at() <= answer.at() && step.description().is_some())
        .last();
    let step = [Some(invite), described]
        .into_iter()
        .flatten()
        .find(|step| {
            step.description().is_some_and(|description| {
                description.main().is_some_and(|media| {
                    media.direction != Direction::SendRecv
                        || media
                            .address
                            .is_some_and(|address| address.is_unspecified())
                        || !media.is_active()
                })
            })
        })?;
    let description = step.description()?;
    let media = description.main()?;
    let what = match media.direction {
        _ if !media.is_active() => "refused the media (port 0)",
        _ if media
            .address
            .is_some_and(|address| address.is_unspecified()) =>
        {
            "gave 0.0.0.0 as its address: it wants no media"
        }
        Direction::SendOnly => "said sendonly: it plays, and listens to nothing",
        Direction::RecvOnly => "said recvonly: it listens, and sends nothing",
        _ => "said inactive: no media either way",
    };
    told(
        format!(
            "The session was one-way from the beginning: {} {what}.",
            case.host(step.from)
        ),
        [step],
    )
}

/// A private address in Contact that came from a public one.
fn nat_contact(case: &Case<'_>) -> Option<Told> {
    let (step, contact) = case.steps.iter().copied().find_map(|step| {
        let host = step.scan.contact()?.host()?;
        let address: IpAddr = std::str::from_utf8(host)
            .ok()?
            .trim_matches(['[', ']'])
            .parse()
            .ok()?;
        (is_private(address) && first_hop(case, &step)).then_some((step, address))
    })?;
    told(
        format!(
            "{} gives {contact} as its Contact, an address that nobody outside of its network can reach: it is behind \
             NAT. Later requests of the other side go there, unless a proxy repairs it.",
            case.host(step.from),
        ),
        [step],
    )
}

/// The same in a description.
fn nat_media(case: &Case<'_>) -> Option<Told> {
    let (step, address) = case.steps.iter().copied().find_map(|step| {
        let address = step.description()?.main()?.address?;
        (is_private(address) && first_hop(case, &step)).then_some((step, address))
    })?;
    told(
        format!(
            "{} wants its media at {address}, which cannot be reached from outside: without a media relay, or a peer \
             that sends to where media comes from, it hears nothing.",
            case.host(step.from),
        ),
        [step],
    )
}

/// Whether a message comes from where it was made, at a public address.
fn first_hop(case: &Case<'_>, step: &Step<'_>) -> bool {
    let public = step
        .from
        .is_some_and(|from| !is_private(from.ip()) && !from.ip().is_loopback());
    let made_here = if step.is_request() {
        step.scan.via_branches().count() <= 1
    } else {
        !case.is_passed_on(step)
    };
    public && made_here
}

/// RFC 1918, RFC 6598, RFC 4193 and link-local addresses.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What the reports of the call amount to.
fn poor_quality(case: &Case<'_>) -> Option<Told> {
    let leg = case
        .call
        .legs
        .iter()
        .find(|leg| leg.quality.is_some_and(|quality| quality.is_poor()))?;
    let quality = leg.quality?;
    if quality
        .loss_percent
        .is_some_and(|loss| loss > NOTHING_ARRIVES)
    {
        return None;
    }
    let mut figures = Vec::new();
    if let Some(loss) = quality.loss_percent {
        figures.push(format!("{loss:.1} % loss"));
    }
    if let Some(jitter) = quality.jitter_ms {
        figures.push(format!("{jitter:.0} ms jitter"));
    }
    if let Some(round_trip) = quality.round_trip_ms {
        figures.push(format!("{round_trip:.0} ms round trip"));
    }
    if let Some(mos) = quality.mos {
        figures.push(format!("a reported MOS of {mos:.1}"));
    }
    let reports = case.reports().filter(|(_, arrow, seen)| {
        arrow.kind == ArrowKind::Report
            && Quality::of(seen.payload).is_some_and(|quality| quality.is_poor())
    });
    Some(Told {
        says: format!(
            "It did not sound well: at the worst there were {}.",
            figures.join(", ")
        ),
        evidence: reports
            .map(|(place, arrow, _)| evidence(place, arrow))
            .collect(),
    })
}

/// The first report comes long after the answer.
fn late_media(case: &Case<'_>) -> Option<Told> {
    let answer = case.answer()?;
    let (place, arrow, seen) = case
        .reports()
        .find(|(_, arrow, _)| arrow.kind == ArrowKind::Report && arrow.at > answer.at())?;
    let waited = arrow.at.since(answer.at())?;
    if waited < LATE_REPORT || !matches!(seen.content, Content::Rtcp) {
        return None;
    }
    Some(Told {
        says: format!(
            "The first RTCP came {} after the answer: media may have started late.",
            spell(waited)
        ),
        evidence: vec![answer.evidence(), evidence(place, arrow)],
    })
}

/// An INVITE without a description: media starts with the ACK.
fn late_offer(case: &Case<'_>) -> Option<Told> {
    let invite = case.invites().last()?;
    let answer = case.answer()?;
    if invite.description().is_some() || answer.description().is_none() {
        return None;
    }
    told(
        format!(
            "{} invited without a description (late offer): the callee offers in its answer, and media starts only \
             after the ACK. The first syllable may be cut.",
            case.host(invite.from),
        ),
        [invite, answer],
    )
}

// ---- oddities ----

/// A talk of a few seconds.
fn short_call(case: &Case<'_>) -> Option<Told> {
    let talk = case.call.talk.filter(|talk| *talk < SHORT_TALK)?;
    let bye = case.requests("BYE").next()?;
    let who = match case.call.released_by {
        Some(Side::Caller) => "the caller",
        Some(Side::Callee) => "the callee",
        _ => "somebody between the two",
    };
    told(
        format!(
            "It lasted only {} after the answer; {who} ended it{}. An announcement, a voice box, or no audio are usual \
             reasons.",
            spell(talk),
            because(&bye),
        ),
        case.answer().into_iter().chain([bye]),
    )
}

/// A BYE whose Reason is not a normal one.
fn abnormal_end(case: &Case<'_>) -> Option<Told> {
    let bye = case.requests("BYE").find(|bye| {
        let reason = bye.header("Reason").unwrap_or_default();
        match (protocol(reason), cause_of(reason)) {
            (Some(protocol), Some(cause)) if protocol.eq_ignore_ascii_case("Q.850") => {
                !matches!(cause, 16 | 31)
            }
            (_, Some(cause)) => cause >= 300,
            (_, None) => false,
        }
    })?;
    told(
        format!(
            "{} did not end the call normally{}.",
            case.host(bye.from),
            because(&bye)
        ),
        [bye],
    )
}

/// A BYE without response.
fn bye_unanswered(case: &Case<'_>) -> Option<Told> {
    let bye = case
        .requests("BYE")
        .find(|bye| bye.times > 1 && case.to(*bye).next().is_none())?;
    told(
        format!(
            "{} did not respond to the BYE, which was sent {} times: it was gone already, or is not reached any more.",
            case.host(bye.to),
            bye.times,
        ),
        [bye],
    )
}

/// Answered, and nobody ended it.
fn missing_bye(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::MissingBye) {
        return None;
    }
    told(
        "It was answered and no BYE was seen: the capture lacks it, or one side vanished. Whoever bills it may bill too \
         much.",
        case.answer(),
    )
}

/// Messages that were sent again and answered in the end.
fn retransmissions(case: &Case<'_>) -> Option<Told> {
    let again: Vec<Step<'_>> = case
        .steps
        .iter()
        .copied()
        .filter(|step| step.times > 1)
        .collect();
    let most = again.iter().copied().max_by_key(|step| step.times)?;
    if no_response(case).is_some() {
        return None;
    }
    let others = match again.len() - 1 {
        0 => String::new(),
        1 => ", and so was one other message".to_owned(),
        others => format!(", and so were {others} other messages"),
    };
    let span = most.last.since(most.at()).unwrap_or_default();
    told(
        format!(
            "{} from {} to {} was sent {} times within {}{others}: responses are slow, or messages get lost on that path.",
            most.arrow_label(),
            case.host(most.from),
            case.host(most.to),
            most.times,
            spell(span),
        ),
        again,
    )
}

/// Nothing was heard of the other side for long.
fn slow_setup(case: &Case<'_>) -> Option<Told> {
    let setup = case.call.setup.filter(|setup| *setup > LONG_SETUP)?;
    let invite = case.invites().next()?;
    let sign = case
        .responses("INVITE", |status| {
            status > 100 && !matches!(status, 401 | 407)
        })
        .next()?;
    told(
        format!(
            "The caller heard nothing for {}: the first sign of the other side was {} from {}.",
            spell(setup),
            sign.arrow_label(),
            case.host(sign.from),
        ),
        [invite, sign],
    )
}

/// What the scan complains about.
fn malformed(case: &Case<'_>) -> Option<Told> {
    let bad: Vec<Step<'_>> = case
        .steps
        .iter()
        .copied()
        .filter(|step| step.scan.first_defect().is_some())
        .collect();
    let first = bad.first()?;
    let reason = first.scan.first_defect()?.reason().replace('_', " ");
    told(
        format!(
            "{} sent a {} that is not as it should be ({reason}); others may not understand it.",
            case.host(first.from),
            first.arrow_label(),
        ),
        bad.clone(),
    )
}

/// Clocks that disagree.
fn clock_skew(case: &Case<'_>) -> Option<Told> {
    let second = Duration::from_secs(1).as_micros();
    let worst = case
        .ladder
        .corrections
        .iter()
        .filter(|one| u128::from(one.correction_us.unsigned_abs()) >= second)
        .max_by_key(|one| one.correction_us.unsigned_abs())?;
    let off = Duration::from_micros(worst.correction_us.unsigned_abs());
    let seen = case.steps.iter().copied().find(|step| {
        let mut observed = step.arrow.observed.iter();
        observed.any(|one| one.agent == worst.agent)
    });
    told(
        format!(
            "The clock of agent {} is {} {}: times were corrected, and the order is by cause. Let it ask a time server.",
            shown(worst.agent.as_bytes()),
            spell(off),
            if worst.correction_us > 0 {
                "behind"
            } else {
                "ahead"
            },
        ),
        seen,
    )
}

/// CANCEL or 487 on a branch while another one answered.
fn answered_elsewhere(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::Forked) {
        return None;
    }
    let answer = case.answer()?;
    let other = case
        .responses("INVITE", |status| status == 487)
        .find(|other| other.from != answer.from)?;
    told(
        format!(
            "Several phones rang: {} answered, and {} was told to stop.",
            case.host(answer.from),
            case.host(other.from),
        ),
        [answer, other],
    )
}

/// A part of the call was not captured.
fn half_seen(case: &Case<'_>) -> Option<Told> {
    if !case.call.flags.has(Flag::HalfSeen) || case.call.kind != Kind::Call {
        return None;
    }
    let first = case.steps.first().copied()?;
    let what = if first.is("INVITE") && !first.is_inside_dialog() {
        "one direction, or the end of its setup, is missing"
    } else {
        "its beginning is missing"
    };
    told(
        format!(
            "Only a part of this call was captured: {what}. What is said here rests on what was."
        ),
        [first],
    )
}

// ---- words ----

impl Step<'_> {
    /// `INVITE`, `486 Busy Here`.
    fn arrow_label(&self) -> String {
        shown(self.arrow.label.as_bytes())
    }
}

/// Who refused or failed, with which response, and everything that it says of why.
fn answered(case: &Case<'_>, how: &str, refusal: Step<'_>) -> Option<Told> {
    told(
        format!(
            "{} {how} with {}: {}{}{}.",
            case.host(refusal.from),
            refusal.arrow_label(),
            codes::status(refusal.status()),
            because(&refusal),
            warning(&refusal),
        ),
        [refusal],
    )
}

/// ` (Q.850 cause 34: no circuit or channel is free)` after Reason (RFC 3326).
fn because(step: &Step<'_>) -> String {
    let Some(reason) = step.header("Reason") else {
        return String::new();
    };
    let q850 = protocol(reason).is_some_and(|protocol| protocol.eq_ignore_ascii_case("Q.850"));
    match cause_of(reason).filter(|_| q850) {
        Some(cause) => match codes::cause(cause) {
            Some(meaning) => format!(" (Q.850 cause {cause}: {meaning})"),
            None => format!(" (Q.850 cause {cause})"),
        },
        None => format!(" ({})", shown(reason)),
    }
}

/// ` and says “304 ... "Media type not available"”`.
fn warning(step: &Step<'_>) -> String {
    let warning = step.text("Warning");
    warning.map_or_else(String::new, |warning| format!("; it says “{warning}”"))
}

fn protocol(reason: &[u8]) -> Option<&str> {
    let name = reason.split(|octet| *octet == b';').next()?;
    std::str::from_utf8(name).ok().map(str::trim)
}

fn cause_of(reason: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(reason).ok()?;
    let mut parts = text.split(';').skip(1);
    parts.find_map(|part| part.trim().strip_prefix("cause=")?.trim().parse().ok())
}
