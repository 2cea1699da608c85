//! The resources of one namespace that wait for one budget.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::budget_key::BudgetKey;

/// The place of a resource in the queue.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// When the resource is due.
    pub(super) due: Timestamp,
    /// Orders resources that are due at the same time by when they began to wait.
    pub(super) sequence: u64,
    /// When it began to wait, since the start of the process.
    pub(super) since: Duration,
    /// The budget of its calls.
    pub(super) budget: Arc<BudgetKey>,
    /// Number of its calls.
    pub(super) calls: u32,
    /// Whether its last attempt was refused.
    pub(super) refused: bool,
}

/// The position of a namespace: fewest calls first, then the one with the resource that is due first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) served: u64,
    due: Timestamp,
    sequence: u64,
    pub(super) namespace: String,
}

/// The resources of one namespace that wait for one budget.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The calls of the namespace. Only differences between namespaces count.
    pub(super) served: u64,
    resources: BTreeSet<(Timestamp, u64, String, u32)>,
}

impl Lane {
    /// The position of its namespace. `None` if no resource waits.
    pub(super) fn position(&self, namespace: &str) -> Option<Position> {
        let (due, sequence, ..) = self.resources.first()?;
        let namespace = namespace.to_owned();
        Some(Position { served: self.served, due: *due, sequence: *sequence, namespace })
    }

    /// Whether no resource waits.
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    pub(super) fn add(&mut self, name: &str, place: &Place) {
        self.resources.insert((place.due, place.sequence, name.to_owned(), place.calls));
    }

    pub(super) fn remove(&mut self, name: &str, place: &Place) {
        self.resources.remove(&(place.due, place.sequence, name.to_owned(), place.calls));
    }

    /// The number of calls of the resource that is due first.
    pub(super) fn first_calls(&self) -> Option<u32> {
        self.resources.first().map(|(.., calls)| *calls)
    }

    /// Removes and returns the name of the resource that is due first.
    pub(super) fn take(&mut self) -> Option<String> {
        self.resources.pop_first().map(|(_, _, name, _)| name)
    }
}
