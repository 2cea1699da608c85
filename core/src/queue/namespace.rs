//! The waiting resources of one namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::budget::BudgetKey;

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
}

/// The position of a namespace: fewest calls first, then the one with the resource that is due first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    served: u64,
    due: Timestamp,
    sequence: u64,
    pub(super) namespace: Arc<str>,
}

type Lane = BTreeSet<(Timestamp, u64, String)>;

/// The waiting resources of one namespace, by budget.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    /// Number of its resources that have a turn.
    pub(super) turns: usize,
    /// Its calls. Only differences between namespaces count.
    pub(super) served: u64,
    lanes: BTreeMap<Arc<BudgetKey>, Lane>,
    /// The first resource of each lane.
    heads: BTreeSet<(Timestamp, u64, Arc<BudgetKey>)>,
}

impl Namespace {
    /// Its position. `None` if no resource waits.
    pub(super) fn position(&self, name: &Arc<str>) -> Option<Position> {
        let (due, sequence, _) = self.heads.first()?;
        let (served, namespace) = (self.served, Arc::clone(name));
        Some(Position { served, due: *due, sequence: *sequence, namespace })
    }

    /// The budgets that its resources wait for. The one of the resource that is due first is first.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Arc<BudgetKey>> {
        self.heads.iter().map(|(_, _, budget)| budget)
    }

    pub(super) fn add(&mut self, name: &str, place: &Place) {
        self.change(&place.budget, |lane| {
            lane.insert((place.due, place.sequence, name.to_owned()));
        });
    }

    pub(super) fn remove(&mut self, name: &str, place: &Place) {
        self.change(&place.budget, |lane| {
            lane.remove(&(place.due, place.sequence, name.to_owned()));
        });
    }

    /// Removes and returns the resource that waits for this budget and is due first.
    pub(super) fn take(&mut self, budget: &Arc<BudgetKey>) -> Option<String> {
        let mut taken = None;
        self.change(budget, |lane| taken = lane.pop_first().map(|(_, _, name)| name));
        taken
    }

    fn change(&mut self, budget: &Arc<BudgetKey>, change: impl FnOnce(&mut Lane)) {
        let head = |lane: &Lane| {
            let (due, sequence, _) = lane.first()?;
            Some((*due, *sequence, Arc::clone(budget)))
        };
        let lane = self.lanes.entry(Arc::clone(budget)).or_default();
        let before = head(lane);
        change(lane);
        let after = head(lane);
        if lane.is_empty() {
            self.lanes.remove(budget);
        }
        if before != after {
            if let Some(head) = &before {
                self.heads.remove(head);
            }
            self.heads.extend(after);
        }
    }
}
