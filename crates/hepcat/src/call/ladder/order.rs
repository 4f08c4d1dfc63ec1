//! What must come before what, and an order that is as near to the times as that allows.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::merge::{Fact, Transmission};
use crate::call::method::Method;

/// Transmissions in causal order: of those whose causes have all come, the earliest.
pub(super) fn causal(facts: &[Fact<'_>], transmissions: &[Transmission]) -> Vec<usize> {
    let firsts = transmissions
        .iter()
        .enumerate()
        .filter(|(_, transmission)| transmission.number == 0)
        .filter_map(|(number, transmission)| {
            Some((number, facts.get(transmission.first().message)?))
        });
    let mut effects: Vec<Vec<usize>> = vec![Vec::new(); transmissions.len()];
    let mut waits: Vec<usize> = vec![0; transmissions.len()];
    let again = transmissions
        .iter()
        .enumerate()
        .filter_map(|(number, transmission)| Some((transmission.again_of?, number)));
    for (cause, effect) in causes(firsts).into_iter().chain(again) {
        if let (Some(effects), Some(waits)) = (effects.get_mut(cause), waits.get_mut(effect)) {
            effects.push(effect);
            *waits += 1;
        }
    }
    let at = |number: usize| {
        transmissions
            .get(number)
            .map(|transmission| transmission.first().at)
    };
    let mut ready: BinaryHeap<Reverse<_>> = (0..transmissions.len())
        .filter(|number| waits.get(*number) == Some(&0))
        .map(|number| Reverse((at(number), number)))
        .collect();
    let mut done = vec![false; transmissions.len()];
    let mut order = Vec::with_capacity(transmissions.len());
    loop {
        while let Some(Reverse((_, number))) = ready.pop() {
            match done.get_mut(number) {
                Some(done) if !*done => *done = true,
                _ => continue,
            }
            order.push(number);
            for effect in effects.get(number).into_iter().flatten() {
                if let Some(waits) = waits.get_mut(*effect) {
                    *waits = waits.saturating_sub(1);
                    if *waits == 0 {
                        ready.push(Reverse((at(*effect), *effect)));
                    }
                }
            }
        }
        // Causes in a circle come of broken messages: the earliest goes first.
        let stuck = (0..transmissions.len()).filter(|number| done.get(*number) == Some(&false));
        let Some(number) = stuck.min_by_key(|number| (at(*number), *number)) else {
            return order;
        };
        ready.push(Reverse((at(number), number)));
    }
}

/// Pairs of cause and effect among `facts`, by the numbers that they come with.
pub(super) fn causes<'f, 'a: 'f>(
    facts: impl Iterator<Item = (usize, &'f Fact<'a>)>,
) -> Vec<(usize, usize)> {
    let facts: Vec<(usize, &Fact<'_>)> = facts.filter(|(_, fact)| fact.key.is_some()).collect();
    let mut index = Index::default();
    for (number, fact) in &facts {
        index.add(*number, fact);
    }
    let mut pairs = Vec::new();
    for (number, fact) in &facts {
        index.causes_of(fact, |cause| pairs.push((cause, *number)));
    }
    for sender in index.senders.values_mut() {
        // A sender counts its requests up.
        sender.sort_unstable();
        pairs.extend(sender.windows(2).filter_map(|two| match two {
            [(one, cause), (other, effect)] if one < other => Some((*cause, *effect)),
            _ => None,
        }));
    }
    pairs.retain(|(cause, effect)| cause != effect);
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Leg, tag and address of who sends requests.
type Sender = (u64, u64, Option<std::net::SocketAddr>);

/// Messages by what others know of them.
#[derive(Default)]
struct Index {
    /// Requests by topmost branch and method.
    requests: HashMap<(u64, Method), usize>,
    /// Provisional responses by topmost branch and method.
    provisional: HashMap<(u64, Method), Vec<usize>>,
    /// Final responses by topmost branch and method.
    finals: HashMap<(u64, Method), Vec<usize>>,
    /// Responses by next branch, method, status and To tag: the same on the hop before.
    downstream: HashMap<(u64, Method, u16, u64), Vec<usize>>,
    /// Answers to INVITE by leg, `CSeq` and To tag, with where they went.
    answers: HashMap<(u64, u32, u64), Vec<usize>>,
    /// Requests by leg, sender's tag and address, with their numbers.
    senders: HashMap<Sender, Vec<(u32, usize)>>,
    /// Where answers went.
    went: HashMap<usize, Option<std::net::SocketAddr>>,
}

impl Index {
    fn add(&mut self, number: usize, fact: &Fact<'_>) {
        let Some(top) = fact.branches.first().copied() else {
            return;
        };
        if fact.is_request {
            self.requests.entry((top, fact.method)).or_insert(number);
            if !matches!(fact.method, Method::Ack | Method::Cancel) {
                let sender = (fact.leg, fact.from_tag, fact.seen.source);
                self.senders
                    .entry(sender)
                    .or_default()
                    .push((fact.cseq, number));
            }
            return;
        }
        let known = if fact.status < 200 {
            &mut self.provisional
        } else {
            &mut self.finals
        };
        known.entry((top, fact.method)).or_default().push(number);
        // 100 is of one hop: nobody passes it on (RFC 3261 §16.7).
        if let Some(next) = fact.branches.get(1).filter(|_| fact.status > 100) {
            let key = (*next, fact.method, fact.status, fact.to_tag);
            self.downstream.entry(key).or_default().push(number);
        }
        if fact.method == Method::Invite && (200..300).contains(&fact.status) {
            self.answers
                .entry((fact.leg, fact.cseq, fact.to_tag))
                .or_default()
                .push(number);
            self.went.insert(number, fact.seen.destination);
        }
    }

    fn causes_of(&self, fact: &Fact<'_>, mut tell: impl FnMut(usize)) {
        let Some(top) = fact.branches.first().copied() else {
            return;
        };
        let of = |list: Option<&Vec<usize>>| list.cloned().unwrap_or_default();
        if !fact.is_request {
            self.requests
                .get(&(top, fact.method))
                .copied()
                .into_iter()
                .for_each(&mut tell);
            if fact.status >= 200 {
                of(self.provisional.get(&(top, fact.method)))
                    .into_iter()
                    .for_each(&mut tell);
            }
            let same = (top, fact.method, fact.status, fact.to_tag);
            return of(self.downstream.get(&same))
                .into_iter()
                .for_each(&mut tell);
        }
        if let Some(parent) = fact.branches.get(1) {
            self.requests
                .get(&(*parent, fact.method))
                .copied()
                .into_iter()
                .for_each(&mut tell);
        }
        match fact.method {
            Method::Cancel => {
                self.requests
                    .get(&(top, Method::Invite))
                    .copied()
                    .into_iter()
                    .for_each(&mut tell);
            }
            Method::Ack => {
                of(self.finals.get(&(top, Method::Invite)))
                    .into_iter()
                    .for_each(&mut tell);
                let answers = of(self.answers.get(&(fact.leg, fact.cseq, fact.to_tag)));
                let here = |answer: &usize| self.went.get(answer) == Some(&fact.seen.source);
                answers.into_iter().filter(here).for_each(&mut tell);
            }
            _ => {}
        }
    }
}
