//! In which order the rows of several segments go into one.
//!
//! In each input the rows of a call stand together, and calls stand in the order in which they began, as far as the node
//! knew when it wrote the input. So a call goes out when it is the next one in every input that has rows of it, and all
//! inputs are read from front to back. Where inputs contradict each other (calls that were forgotten in between, or went
//! on after a restart), a call goes out in more than one piece.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use foldhash::fast::FixedState;

use crate::segment::Key;

/// Octets that a row has here at most, about: its call's number, and where every row is a call of its own the call.
pub(super) const OCTETS_PER_ROW: u64 = 44;

/// Rows of one input that come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) input: usize,
    pub(super) rows: usize,
}

/// Collects the calls of the inputs, one input after the other.
#[derive(Debug, Default)]
pub(super) struct Calls {
    numbers: HashMap<u64, u32, FixedState>,
    calls: Vec<Call>,
    inputs: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    /// Smallest identity of its rows.
    first: i64,
    /// Inputs that have rows of it which did not go out.
    inputs: u32,
    /// While calls are collected, the last input that has it, plus one; then the inputs of which it is the next.
    next_in: u32,
}

impl Calls {
    /// What is seen from here on is another input.
    pub(super) fn begin_input(&mut self, rows: usize) {
        self.inputs.push(Vec::with_capacity(rows));
    }

    /// The next row of the input.
    pub(super) fn see(&mut self, key: Key) {
        let fresh = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let number = if key.call == 0 {
            fresh
        } else {
            *self.numbers.entry(key.call).or_insert(fresh)
        };
        if number == fresh {
            self.calls.push(Call {
                first: key.id,
                inputs: 0,
                next_in: 0,
            });
        }
        let input = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        if let Some(call) = self.calls.get_mut(number as usize) {
            call.first = call.first.min(key.id);
            if call.next_in != input {
                call.next_in = input;
                call.inputs += 1;
            }
        }
        if let Some(rows) = self.inputs.last_mut() {
            rows.push(number);
        }
    }

    pub(super) fn into_order(mut self) -> Order {
        for call in &mut self.calls {
            call.next_in = 0;
        }
        let heads = vec![None; self.inputs.len()];
        let mut order = Order {
            calls: self.calls,
            at: vec![0; self.inputs.len()],
            inputs: self.inputs,
            heads,
            ready: BinaryHeap::new(),
            going: None,
        };
        for input in 0..order.inputs.len() {
            order.advance(input);
        }
        order
    }
}

/// Says which rows come next, until none are left.
#[derive(Debug)]
pub(super) struct Order {
    calls: Vec<Call>,
    /// The call of each row of each input.
    inputs: Vec<Vec<u32>>,
    /// Rows of each input that went out.
    at: Vec<usize>,
    /// The call of the next row of each input.
    heads: Vec<Option<u32>>,
    /// Calls of which all rows are next in their inputs: those that began first go first.
    ready: BinaryHeap<Reverse<(i64, u32)>>,
    /// The call that is going out, and the input that is looked at next.
    going: Option<(u32, usize)>,
}

impl Iterator for Order {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            let (call, from) = match self.going {
                Some(going) => going,
                None => (self.next_call()?, 0),
            };
            let heads = self.heads.iter().skip(from);
            let Some(input) = heads.copied().position(|head| head == Some(call)) else {
                self.going = None;
                continue;
            };
            let input = from + input;
            self.going = Some((call, input + 1));
            let rows = self.inputs.get(input).map(Vec::as_slice);
            let rows = rows.unwrap_or_default().iter();
            let begin = self.at.get(input).copied().unwrap_or_default();
            let rows = rows.skip(begin).take_while(|other| **other == call).count();
            if let Some(at) = self.at.get_mut(input) {
                *at += rows;
            }
            if let Some(call) = self.calls.get_mut(call as usize) {
                call.inputs = call.inputs.saturating_sub(1);
                call.next_in = call.next_in.saturating_sub(1);
            }
            self.advance(input);
            return Some(Run { input, rows });
        }
    }
}

impl Order {
    /// The call that goes out next. Where every input waits for another one, it is the one that began first.
    fn next_call(&mut self) -> Option<u32> {
        if let Some(Reverse((_, call))) = self.ready.pop() {
            return Some(call);
        }
        let waiting = self.heads.iter().flatten();
        waiting
            .filter_map(|call| Some((self.calls.get(*call as usize)?.first, *call)))
            .min()
            .map(|(_, call)| call)
    }

    /// Looks at the next row of an input.
    fn advance(&mut self, input: usize) {
        let at = self.at.get(input).copied().unwrap_or_default();
        let head = self
            .inputs
            .get(input)
            .and_then(|rows| rows.get(at))
            .copied();
        if let Some(place) = self.heads.get_mut(input) {
            *place = head;
        }
        let Some((number, call)) =
            head.and_then(|number| Some((number, self.calls.get_mut(number as usize)?)))
        else {
            return;
        };
        call.next_in += 1;
        if call.next_in >= call.inputs {
            self.ready.push(Reverse((call.first, number)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows in their order: input and identity. A call is a number, 0 is none.
    fn merged(inputs: &[&[(u64, i64)]]) -> Vec<(usize, i64)> {
        let mut calls = Calls::default();
        for rows in inputs {
            calls.begin_input(rows.len());
            for (call, id) in *rows {
                calls.see(Key {
                    call: *call,
                    id: *id,
                });
            }
        }
        let mut at = vec![0; inputs.len()];
        let mut rows = Vec::new();
        for run in calls.into_order() {
            for _ in 0..run.rows {
                rows.push((run.input, inputs[run.input][at[run.input]].1));
                at[run.input] += 1;
            }
        }
        rows
    }

    #[test]
    fn a_call_goes_out_with_all_its_rows_where_it_began() {
        let inputs: [&[(u64, i64)]; 3] = [
            &[(1, 0), (1, 3), (2, 1), (0, 2)],
            &[(1, 12), (2, 10), (0, 11), (3, 13)],
            &[(2, 20), (3, 22), (4, 21)],
        ];
        let ids = merged(&inputs).into_iter().map(|(_, id)| id);
        assert_eq!(
            ids.collect::<Vec<_>>(),
            [0, 3, 12, 1, 10, 20, 2, 11, 13, 22, 21]
        );
    }

    #[test]
    fn calls_that_began_before_keep_the_order_of_the_inputs() {
        // Call 2 began before call 1, though its first row here came later.
        let inputs: [&[(u64, i64)]; 2] = [&[(2, 5), (1, 4)], &[(2, 11), (1, 10)]];
        let ids = merged(&inputs).into_iter().map(|(_, id)| id);
        assert_eq!(ids.collect::<Vec<_>>(), [5, 11, 4, 10]);
    }

    #[test]
    fn inputs_that_contradict_each_other_lose_nothing() {
        let inputs: [&[(u64, i64)]; 3] = [
            &[(1, 0), (2, 1), (1, 2), (3, 3)],
            &[(2, 10), (1, 11), (3, 12)],
            &[(3, 20), (2, 21), (2, 22), (1, 23)],
        ];
        let rows = merged(&inputs);
        for (input, of_input) in inputs.iter().enumerate() {
            let came = rows.iter().filter(|(from, _)| *from == input);
            let came: Vec<i64> = came.map(|(_, id)| *id).collect();
            let all: Vec<i64> = of_input.iter().map(|(_, id)| *id).collect();
            assert_eq!(came, all);
        }
    }
}
