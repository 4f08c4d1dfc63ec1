//! What is in memory, and what a search looks at: hot batches, frozen generations, segments, all at one moment.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{
    memory::Reservation,
    row::{RowBatch, RowId, Stamps},
    segment::{Interval, Segment},
};

/// Rows in memory. Immutable.
#[derive(Debug)]
pub(crate) struct HotBatch {
    pub(crate) rows: RowBatch,
    pub(crate) received: Interval,
    pub(crate) time: Interval,
    _memory: Vec<Reservation>,
}

impl HotBatch {
    pub(crate) fn new(rows: RowBatch, memory: Vec<Reservation>) -> Self {
        let mut received = Interval::EMPTY;
        let mut time = Interval::EMPTY;
        let stamps = Stamps::new(rows.columns());
        for index in 0..rows.len() {
            received.add(stamps.received(index));
            time.add(stamps.time(index));
        }
        Self {
            rows,
            received,
            time,
            _memory: memory,
        }
    }
}

/// All rows of one log file.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u32,
    pub(crate) batches: Vec<Arc<HotBatch>>,
    pub(crate) rows: u64,
}

/// Everything that can be searched, at one moment.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) hot: Vec<Arc<HotBatch>>,
    pub(crate) frozen: Vec<Arc<Generation>>,
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
}

/// The view that is current.
#[derive(Debug, Default)]
pub(crate) struct Live {
    current: ArcSwap<View>,
    change: Mutex<()>,
}

impl Live {
    pub(crate) fn view(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// Replaces the view in one step: nobody sees a row twice, or not at all, because of it.
    pub(crate) fn change(&self, change: impl FnOnce(&View) -> View) {
        let guard = self.change.lock();
        let next = change(&self.current.load());
        self.current.store(Arc::new(next));
        drop(guard);
    }

    pub(crate) fn push_hot(&self, batch: Arc<HotBatch>) {
        self.change(|view| {
            let mut hot = Vec::with_capacity(view.hot.len() + 1);
            hot.extend(view.hot.iter().cloned());
            hot.push(batch);
            View {
                hot,
                frozen: view.frozen.clone(),
                segments: Arc::clone(&view.segments),
            }
        });
    }

    /// The newest hot batch becomes `batch`, which has its rows and more.
    pub(crate) fn replace_last_hot(&self, batch: Arc<HotBatch>) {
        self.change(|view| {
            let mut hot = view.hot.clone();
            hot.pop();
            hot.push(batch);
            View {
                hot,
                frozen: view.frozen.clone(),
                segments: Arc::clone(&view.segments),
            }
        });
    }

    /// The hot batches become a frozen generation.
    pub(crate) fn freeze(&self, number: u32) {
        self.change(|view| {
            view.with_frozen(Arc::new(Generation {
                number,
                batches: view.hot.clone(),
                rows: view.hot.iter().map(|batch| batch.rows.len() as u64).sum(),
            }))
        });
    }

    pub(crate) fn push_frozen(&self, generation: Arc<Generation>) {
        self.change(|view| View {
            hot: view.hot.clone(),
            ..view.with_frozen(generation)
        });
    }

    /// The generation `done` goes, `added` segments come, those with numbers in `removed` go.
    pub(crate) fn exchange(&self, done: Option<u32>, added: Vec<Arc<Segment>>, removed: &[u64]) {
        self.change(|view| {
            let keep = |generation: &&Arc<Generation>| Some(generation.number) != done;
            let mut segments: Vec<Arc<Segment>> = view
                .segments
                .iter()
                .filter(|segment| !removed.contains(&segment.entry.number))
                .cloned()
                .collect();
            segments.extend(added);
            View {
                hot: view.hot.clone(),
                frozen: view.frozen.iter().filter(keep).cloned().collect(),
                segments: Arc::new(segments),
            }
        });
    }
}

impl View {
    fn with_frozen(&self, generation: Arc<Generation>) -> Self {
        let mut frozen = self.frozen.clone();
        frozen.push(generation);
        Self {
            hot: Vec::new(),
            frozen,
            segments: Arc::clone(&self.segments),
        }
    }

    /// Batches in memory, frozen ones too.
    pub(crate) fn memory_batches(&self) -> impl Iterator<Item = &Arc<HotBatch>> {
        let frozen = self
            .frozen
            .iter()
            .flat_map(|generation| &generation.batches);
        frozen.chain(&self.hot)
    }
}

/// Identities that rows were given, as a ticket says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Identity of the first row; the others follow it.
    pub first: RowId,
    /// How many.
    pub rows: u32,
}
