//! What happened, as facts that do not depend on the order in which they are told.
//!
//! Each fact is the earliest, or the latest, or the best of its kind, or a small set: told twice or backwards, they are
//! the same. State and times are derived from them when a record is made.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::call::{
    digest::narrow,
    moment::{Earliest, Moment},
    text::kept,
};

/// Entries of each small set.
pub(super) const MAX_SET: usize = 8;

/// The facts of one leg.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// First request outside a dialog, of any method.
    pub(super) request: Earliest,
    /// First INVITE outside a dialog.
    pub(super) invite: Earliest,
    /// First 18x.
    pub(super) ringing: Earliest,
    /// First 2xx to INVITE.
    pub(super) answer: Earliest,
    /// First CANCEL.
    pub(super) cancel: Earliest,
    /// Whether a request was seen that only an answered call has.
    pub(super) inside: bool,
    /// Last UPDATE that changed the session.
    pub(super) updated: Option<Moment>,
    /// How INVITEs ended.
    pub(super) invites: Attempts,
    /// How requests of other methods ended, outside of a call.
    pub(super) others: Option<Box<Attempts>>,
    /// Highest `CSeq` of an 18x.
    pub(super) ringing_attempt: u32,
    /// Lowest and highest `CSeq` that were challenged.
    pub(super) challenged: Option<(u32, u32)>,
    /// `CSeq`s of INVITE that got 2xx.
    pub(super) answered: SmallVec<[u32; 2]>,
    /// Digests of branches of INVITEs.
    pub(super) invite_branches: SmallVec<[u64; 2]>,
    /// `CSeq` and branch of ACKs.
    pub(super) acks: SmallVec<[(u32, u64); 2]>,
    /// Digests of tags of those who rang or answered.
    pub(super) rang: SmallVec<[u64; 2]>,
    /// Who said BYE, by tag, and when first.
    pub(super) byes: SmallVec<[(u64, Moment); 1]>,
    /// Who answered first, by tag.
    pub(super) answerer: Option<(Moment, u64)>,
    /// Digests of branches whose INVITE was cancelled, and of those that got 2xx.
    pub(super) cancelled_branches: SmallVec<[u64; 1]>,
    pub(super) answered_branches: SmallVec<[u64; 2]>,
    /// Reason header field that stands nearest to the end.
    pub(super) reason: Option<(Moment, Box<str>)>,
    /// Whether any response was seen.
    pub(super) responses: bool,
}

/// Requests of one kind and their final responses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Attempts {
    /// Highest `CSeq` of a request outside a dialog.
    pub(super) attempt: u32,
    /// The final response that decides where nobody answered.
    pub(super) refused: Option<Refusal>,
    /// The 2xx that decides.
    pub(super) success: Option<Success>,
}

/// A final response that refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) cseq: u32,
    pub(super) vias: u8,
    pub(super) code: u16,
    pub(super) at: Moment,
    pub(super) phrase: Option<Box<str>>,
}

/// A 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Success {
    pub(super) cseq: u32,
    pub(super) at: Moment,
    pub(super) code: u16,
    pub(super) phrase: Option<Box<str>>,
}

impl Refusal {
    /// What comes first decides: the last attempt; of that, what reached the caller, who is nearest to the fewest
    /// Vias; then as a proxy chooses (RFC 3261 §16.7), 6xx before the lowest class.
    fn rank(&self) -> (u32, u8, u16, u16, Moment) {
        let class = if self.code >= 600 { 0 } else { self.code / 100 };
        (u32::MAX - self.cseq, self.vias, class, self.code, self.at)
    }
}

impl Attempts {
    pub(super) fn refuse(
        &mut self,
        cseq: u32,
        code: u16,
        vias: usize,
        at: Moment,
        phrase: Option<&[u8]>,
    ) {
        let vias = u8::try_from(vias).unwrap_or(u8::MAX);
        let mut refusal = Refusal {
            cseq,
            vias,
            code,
            at,
            phrase: None,
        };
        if self
            .refused
            .as_ref()
            .is_none_or(|known| refusal.rank() < known.rank())
        {
            refusal.phrase = phrase.map(kept);
            self.refused = Some(refusal);
        }
    }

    /// Keeps the 2xx of the highest `CSeq`, or of the lowest where `first`: later ones of a call are re-INVITEs.
    pub(super) fn succeed(
        &mut self,
        cseq: u32,
        code: u16,
        at: Moment,
        phrase: Option<&[u8]>,
        first: bool,
    ) {
        let rank = |cseq: u32, at: Moment| (if first { cseq } else { u32::MAX - cseq }, at);
        if self
            .success
            .as_ref()
            .is_none_or(|known| rank(cseq, at) < rank(known.cseq, known.at))
        {
            self.success = Some(Success {
                cseq,
                at,
                code,
                phrase: phrase.map(kept),
            });
        }
    }

    /// Whether a request came after the refusal.
    pub(super) fn goes_on(&self) -> bool {
        self.refused
            .as_ref()
            .is_none_or(|refusal| refusal.cseq < self.attempt)
    }
}

impl Facts {
    pub(super) fn octets(&self) -> usize {
        let reason = self.reason.as_ref().map_or(0, |(_, reason)| reason.len());
        let others = self.others.as_deref();
        let attempts = |attempts: &Attempts| {
            let refused = attempts
                .refused
                .as_ref()
                .and_then(|refused| refused.phrase.as_ref());
            let success = attempts
                .success
                .as_ref()
                .and_then(|success| success.phrase.as_ref());
            [refused, success]
                .into_iter()
                .flatten()
                .map(|phrase| phrase.len())
                .sum::<usize>()
        };
        reason
            + attempts(&self.invites)
            + others.map_or(0, |others| size_of::<Attempts>() + attempts(others))
    }

    /// Digests of earlier versions are longer.
    pub(super) fn narrow(&mut self) {
        let branches = self
            .invite_branches
            .iter_mut()
            .chain(&mut self.cancelled_branches)
            .chain(&mut self.answered_branches);
        let acked = self.acks.iter_mut().map(|(_, branch)| branch);
        let tags = self.byes.iter_mut().map(|(tag, _)| tag);
        let answerer = self.answerer.as_mut().map(|(_, tag)| tag);
        for digest in branches
            .chain(&mut self.rang)
            .chain(acked)
            .chain(tags)
            .chain(answerer)
        {
            *digest = narrow(*digest);
        }
    }

    pub(super) fn challenge(&mut self, cseq: u32) {
        let (low, high) = self.challenged.unwrap_or((cseq, cseq));
        self.challenged = Some((low.min(cseq), high.max(cseq)));
    }

    pub(super) fn cancel(&mut self, branch: u64, at: Moment) {
        self.cancel.tell(at);
        add(&mut self.cancelled_branches, branch);
    }

    pub(super) fn answer(&mut self, branch: u64, cseq: u32, tag: u64, at: Moment) {
        self.answer.tell(at);
        add(&mut self.answered, cseq);
        add(&mut self.answered_branches, branch);
        self.add_rang(tag);
        self.answerer = Some(
            self.answerer
                .map_or((at, tag), |known| known.min((at, tag))),
        );
    }

    /// Whether an INVITE was cancelled and answered all the same.
    pub(super) fn cancel_raced(&self) -> bool {
        self.cancelled_branches
            .iter()
            .any(|branch| self.answered_branches.contains(branch))
    }

    pub(super) fn give_reason(&mut self, at: Moment, reason: &[u8]) {
        let known = self.reason.as_ref();
        // The first that was given: later hops repeat or replace it.
        if known.is_none_or(|(first, text)| (at, reason) < (*first, text.as_bytes())) {
            self.reason = Some((at, kept(reason)));
        }
    }

    pub(super) fn add_invite_branch(&mut self, branch: u64) {
        add(&mut self.invite_branches, branch);
    }

    pub(super) fn add_ack(&mut self, cseq: u32, branch: u64) {
        add(&mut self.acks, (cseq, branch));
    }

    pub(super) fn add_rang(&mut self, tag: u64) {
        add(&mut self.rang, tag);
    }

    pub(super) fn add_bye(&mut self, tag: u64, at: Moment) {
        if let Some((_, first)) = self.byes.iter_mut().find(|(known, _)| *known == tag) {
            *first = at.min(*first);
        } else if self.byes.len() < MAX_SET {
            self.byes.push((tag, at));
        }
    }

    /// When the first BYE was said.
    pub(super) fn bye(&self) -> Option<Moment> {
        self.byes.iter().map(|(_, at)| *at).min()
    }

    /// Whether an answer lacks its ACK.
    pub(super) fn lacks_ack(&self) -> bool {
        self.answered
            .iter()
            .any(|cseq| !self.acks.iter().any(|(acked, _)| acked == cseq))
    }

    /// Whether an ACK was seen that is not one of a refusal: those have the branch of their INVITE (RFC 3261 §17.1.1.3).
    pub(super) fn has_ack_of_answer(&self) -> bool {
        self.acks.iter().any(|(cseq, branch)| {
            !self.invite_branches.contains(branch)
                && self
                    .invites
                    .refused
                    .as_ref()
                    .is_none_or(|refusal| refusal.cseq != *cseq)
        })
    }

    /// Whether an ACK was seen that can only be one of a refusal.
    pub(super) fn has_ack_of_refusal(&self) -> bool {
        self.acks
            .iter()
            .any(|(_, branch)| self.invite_branches.contains(branch))
    }
}

fn add<A: smallvec::Array>(set: &mut SmallVec<A>, item: A::Item)
where
    A::Item: PartialEq,
{
    if set.len() < MAX_SET && !set.contains(&item) {
        set.push(item);
    }
}
