//! What the facts of a leg amount to.

use std::time::Duration;

use super::{Leg, dialog::Attempts, parties::Witness};
use crate::call::{
    flag::{Flag, Flags},
    moment::Moment,
    record::{Closed, Kind, LegRecord, MediaRecord, RegistrationId, Side, State, UserAgentRecord},
};

/// An answer whose ACK is not seen within this lacks it.
const ACK_TIME: Duration = Duration::from_secs(5);
/// BYEs of both sides within this come from something between them.
const CROSSING: Duration = Duration::from_secs(1);

/// What a record needs to know beside the leg.
#[derive(Debug, Clone, Copy)]
pub(in crate::call) struct Context<'c> {
    /// Names of agents by their numbers.
    pub(in crate::call) agents: &'c [Box<str>],
    pub(in crate::call) closed: Option<Closed>,
    pub(in crate::call) registration: Option<RegistrationId>,
}

/// How a leg ended, or how far it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome<'l> {
    pub(super) state: State,
    code: Option<u16>,
    phrase: Option<&'l str>,
    ended: Option<Moment>,
}

impl Outcome<'_> {
    fn open(state: State) -> Self {
        Self {
            state,
            code: None,
            phrase: None,
            ended: None,
        }
    }
}

impl Leg {
    pub(super) fn outcome(&self) -> Outcome<'_> {
        if self.kind() == Kind::Call {
            self.call_outcome()
        } else {
            self.facts
                .others
                .as_deref()
                .map_or_else(|| Outcome::open(State::Unknown), other_outcome)
        }
    }

    fn call_outcome(&self) -> Outcome<'_> {
        let facts = &self.facts;
        let bye = facts.bye();
        let dialog = |success: Option<(u16, Option<&'static str>)>| Outcome {
            state: if bye.is_some() {
                State::Ended
            } else {
                State::InCall
            },
            code: success.map(|(code, _)| code),
            phrase: None,
            ended: bye,
        };
        if let Some(success) = &facts.invites.success {
            return Outcome {
                phrase: success.phrase.as_deref(),
                ..dialog(Some((success.code, None)))
            };
        }
        if let Some(refusal) = &facts.invites.refused
            && !facts.invites.goes_on()
            && !facts.has_ack_of_answer()
        {
            let state = match refusal.code {
                300..400 => State::Redirected,
                487 => State::Cancelled,
                _ => State::Failed,
            };
            return Outcome {
                state,
                code: Some(refusal.code),
                phrase: refusal.phrase.as_deref(),
                ended: Some(refusal.at),
            };
        }
        if bye.is_some() {
            return dialog(None);
        }
        if let Some(cancel) = facts.cancel.get() {
            return Outcome {
                ended: Some(cancel),
                ..Outcome::open(State::Cancelled)
            };
        }
        Outcome::open(match () {
            () if facts.has_ack_of_answer() || facts.inside => State::InCall,
            () if facts.has_ack_of_refusal() && facts.invites.goes_on() => State::Failed,
            () if facts.ringing.is_some() && facts.ringing_attempt >= facts.invites.attempt => {
                State::Ringing
            }
            () if facts.invite.is_some() || facts.responses => State::Setup,
            () => State::Unknown,
        })
    }

    /// The record as of now, or the last one where it is closed.
    pub(in crate::call) fn record(&self, context: Context<'_>) -> LegRecord {
        let kind = self.kind();
        let Outcome {
            state,
            code,
            phrase,
            ended,
        } = self.outcome();
        let given_up = context.closed.is_some() && matches!(state, State::Setup | State::Ringing);
        let state = if given_up { State::Failed } else { state };
        let ended =
            ended.or_else(|| (context.closed.is_some() && state.is_over()).then_some(self.last));
        let started = self.facts.request.get().unwrap_or(self.first);
        let (ringing, answered) = (self.facts.ringing.get(), self.facts.answer.get());
        let refused = ended.filter(|_| answered.is_none());
        let sign = [ringing, answered, refused].into_iter().flatten().min();
        let tag = self.parties.caller_tag;
        let caller_known = self.parties.witness != Witness::Inside;
        let answerer = self.facts.answerer.map(|(_, tag)| tag);
        let counts = self.heard.counts();
        LegRecord {
            id: self.id,
            call_id: self.call_id.clone(),
            kind,
            state,
            started,
            last: self.last,
            ringing,
            answered,
            ended,
            setup: sign
                .and_then(|sign| sign.since(started))
                .filter(|_| kind == Kind::Call),
            ring: ringing.and_then(|ringing| answered.or(ended)?.since(ringing)),
            talk: answered.and_then(|answered| ended?.since(answered)),
            duration: ended.and_then(|ended| ended.since(started)),
            released_by: if caller_known {
                self.released_by(state)
            } else {
                None
            },
            final_code: code,
            final_phrase: phrase.map(Into::into),
            reason: self.facts.reason.as_ref().map(|(_, reason)| reason.clone()),
            from: self.parties.from.clone(),
            to: self.parties.to.clone(),
            request_user: self.parties.request_user.clone(),
            asserted: self.asserted.clone(),
            diversion: self.diversion.clone(),
            user_agents: self.user_agent_records(),
            codec: self.session.codec(tag, answerer).map(Into::into),
            media: self.media(),
            source: self.source,
            destination: self.destination,
            messages: counts.messages,
            retransmissions: counts.retransmissions,
            duplicates: counts.duplicates,
            reports: self.reports,
            events: self.events,
            quality: self.quality,
            agents: self.agent_names(context.agents),
            flags: self.all_flags(state, context.closed, answered),
            registration: context.registration,
        }
    }

    fn side(&self, tag: u64) -> Option<Side> {
        match (self.parties.witness, tag) {
            (Witness::Inside, _) | (_, 0) => None,
            (_, tag) if tag == self.parties.caller_tag => Some(Side::Caller),
            _ => Some(Side::Callee),
        }
    }

    fn released_by(&self, state: State) -> Option<Side> {
        match state {
            State::Cancelled => Some(Side::Caller),
            State::Failed if !self.facts.responses => None,
            State::Failed | State::Redirected => Some(Side::Callee),
            State::Ended => {
                let first = |side: Side| {
                    let byes = self.facts.byes.iter();
                    byes.filter(|(tag, _)| self.side(*tag) == Some(side))
                        .map(|(_, at)| *at)
                        .min()
                };
                match (first(Side::Caller), first(Side::Callee)) {
                    (Some(one), Some(other)) if one.distance(other) < CROSSING => Some(Side::Both),
                    (Some(one), Some(other)) if other < one => Some(Side::Callee),
                    (Some(_), _) => Some(Side::Caller),
                    (None, Some(_)) => Some(Side::Callee),
                    (None, None) => None,
                }
            }
            _ => None,
        }
    }

    fn user_agent_records(&self) -> Vec<UserAgentRecord> {
        let mut records: Vec<_> = self
            .user_agents
            .iter()
            .map(|program| UserAgentRecord {
                side: self.side(program.tag),
                name: program.name.clone(),
            })
            .collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    fn media(&self) -> Vec<MediaRecord> {
        let mut records: Vec<_> = self
            .session
            .endpoints()
            .iter()
            .map(|endpoint| MediaRecord {
                side: self.side(endpoint.tag),
                address: endpoint.socket(),
                kind: endpoint.kind,
                direction: self.session.direction_of(endpoint.tag),
                codecs: self.session.codecs_of(endpoint.tag).into(),
            })
            .collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    fn agent_names(&self, names: &[Box<str>]) -> Vec<Box<str>> {
        let named = self
            .agents
            .iter()
            .filter_map(|agent| names.get(usize::from(*agent)).cloned());
        let mut names: Vec<_> = named.collect();
        names.sort_unstable();
        names
    }

    fn all_flags(&self, state: State, closed: Option<Closed>, answered: Option<Moment>) -> Flags {
        let facts = &self.facts;
        let counts = self.heard.counts();
        let is_call = self.kind() == Kind::Call;
        let is_closed = closed.is_some();
        let mut flags = self.flags;
        flags.set_if(
            Flag::Reinvite,
            answered.is_some() && facts.updated > answered,
        );
        let waited =
            answered.is_some_and(|at| self.last.since(at).is_some_and(|since| since > ACK_TIME));
        let unanswered = !facts.responses && (facts.request.is_some() || facts.invite.is_some());
        let silent = unanswered && (is_closed || counts.retransmissions >= 2);
        let (low, high) = facts.challenged.unwrap_or((0, 0));
        let refused = state == State::Failed && low < high;
        let half = self.parties.witness != Witness::Beginning
            || (matches!(state, State::InCall | State::Ended) && is_call && answered.is_none())
            || (is_closed
                && is_call
                && facts.responses
                && !state.is_over()
                && state != State::InCall)
            || (is_closed
                && state == State::Failed
                && facts.responses
                && self.outcome().code.is_none());
        for (flag, is_set) in [
            (Flag::Retransmission, counts.retransmissions > 0),
            (Flag::Duplicate, counts.duplicates > 0),
            (
                Flag::NoAck,
                facts.lacks_ack() && (waited || is_closed || state.is_over()),
            ),
            (
                Flag::MissingBye,
                is_closed && is_call && state == State::InCall,
            ),
            (Flag::NoResponse, silent),
            (Flag::AuthChallenge, facts.challenged.is_some()),
            (Flag::AuthFailed, refused && self.last_code_is_challenge()),
            (
                Flag::OneWay,
                answered.is_some() && self.session.is_one_way() && !flags.has(Flag::Reinvite),
            ),
            (
                Flag::OneWay,
                self.quality
                    .and_then(|quality| quality.loss_percent)
                    .is_some_and(|loss| loss > 99.0),
            ),
            (Flag::Hold, self.session.hold && flags.has(Flag::Reinvite)),
            (Flag::Forked, facts.rang.len() > 1),
            (Flag::CancelRace, facts.cancel_raced()),
            (Flag::Fax, self.session.fax),
            (Flag::HalfSeen, half),
            (
                Flag::PoorQuality,
                self.quality.is_some_and(|quality| quality.is_poor()),
            ),
            (Flag::Evicted, closed == Some(Closed::Evicted)),
        ] {
            flags.set_if(flag, is_set);
        }
        flags
    }

    fn last_code_is_challenge(&self) -> bool {
        matches!(self.outcome().code, Some(401 | 407))
    }
}

fn other_outcome(attempts: &Attempts) -> Outcome<'_> {
    let success = attempts.success.as_ref();
    let refusal = attempts.refused.as_ref();
    match (success, refusal) {
        (Some(success), refusal)
            if success.cseq
                >= attempts
                    .attempt
                    .max(refusal.map_or(0, |refusal| refusal.cseq)) =>
        {
            Outcome {
                state: State::Ended,
                code: Some(success.code),
                phrase: success.phrase.as_deref(),
                ended: Some(success.at),
            }
        }
        (_, Some(refusal)) if refusal.cseq >= attempts.attempt => Outcome {
            state: if refusal.code < 400 {
                State::Redirected
            } else {
                State::Failed
            },
            code: Some(refusal.code),
            phrase: refusal.phrase.as_deref(),
            ended: Some(refusal.at),
        },
        _ => Outcome::open(State::Setup),
    }
}
