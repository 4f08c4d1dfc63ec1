//! Which lines of the source found a counterpart and which became comments.

use std::collections::BTreeSet;

use super::source::{Sources, Span};

/// Lines by file and number. A line of which a part is translated counts as such.
#[derive(Debug, Default)]
pub(super) struct Tally {
    converted: BTreeSet<(usize, usize)>,
    commented: BTreeSet<(usize, usize)>,
}

impl Tally {
    pub(super) fn converted(&mut self, sources: &Sources, span: &Span) {
        self.converted.extend(lines(sources, span));
    }

    pub(super) fn commented(&mut self, sources: &Sources, span: &Span) {
        self.commented.extend(lines(sources, span));
    }

    pub(super) fn is_commented(&self, sources: &Sources, span: &Span) -> bool {
        lines(sources, span).all(|line| self.commented.contains(&line))
    }

    /// Lines that have a counterpart, and lines that are comments now.
    pub(super) fn counts(&self) -> (usize, usize) {
        let commented = self.commented.difference(&self.converted).count();
        (self.converted.len(), commented)
    }
}

fn lines(sources: &Sources, span: &Span) -> impl Iterator<Item = (usize, usize)> {
    let (first, last) = sources.lines(span);
    let file = span.file;
    (first..=last).map(move |line| (file, line))
}
