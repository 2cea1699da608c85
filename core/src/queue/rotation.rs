//! The budgets that resources wait for, in the order of their turns. A budget that cannot be used is set aside, so that it
//! costs nothing until that changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::budget_key::BudgetKey;
#[cfg(test)]
use super::looks::look;

/// The budgets that resources wait for.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    sequence: u64,
    spots: HashMap<Arc<BudgetKey>, Spot>,
    ready: BTreeMap<u64, Arc<BudgetKey>>,
    used_up: BTreeSet<(Duration, Arc<BudgetKey>)>,
    /// By each namespace that waits for them. None of these may begin a turn.
    blocked: BTreeMap<String, BTreeSet<Arc<BudgetKey>>>,
}

/// Where a budget is.
#[derive(Debug)]
enum Spot {
    Ready(u64),
    UsedUp(Duration),
    Blocked(Vec<String>),
}

impl Rotation {
    /// Whether no resource waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.spots.is_empty()
            && self.ready.is_empty()
            && self.used_up.is_empty()
            && self.blocked.is_empty()
    }

    /// Adds a budget at the end, or makes it ready again. One that is ready keeps its place.
    pub(super) fn ready(&mut self, key: &Arc<BudgetKey>) {
        if matches!(self.spots.get(key), Some(Spot::Ready(_))) {
            return;
        }
        self.remove(key);
        self.sequence += 1;
        self.ready.insert(self.sequence, Arc::clone(key));
        self.spots.insert(Arc::clone(key), Spot::Ready(self.sequence));
    }

    /// Removes a budget that nothing waits for.
    pub(super) fn remove(&mut self, key: &Arc<BudgetKey>) {
        match self.spots.remove(key) {
            Some(Spot::Ready(sequence)) => drop(self.ready.remove(&sequence)),
            Some(Spot::UsedUp(until)) => drop(self.used_up.remove(&(until, Arc::clone(key)))),
            Some(Spot::Blocked(namespaces)) => {
                for namespace in namespaces {
                    let Some(budgets) = self.blocked.get_mut(&namespace) else { continue };
                    budgets.remove(key);
                    if budgets.is_empty() {
                        self.blocked.remove(&namespace);
                    }
                }
            }
            None => {}
        }
    }

    /// Removes and returns the next budget that is ready.
    pub(super) fn take(&mut self) -> Option<Arc<BudgetKey>> {
        let (_, key) = self.ready.pop_first()?;
        self.spots.remove(&key);
        #[cfg(test)]
        look(1);
        Some(key)
    }

    /// Sets a budget aside until this time.
    pub(super) fn set_used_up(&mut self, key: Arc<BudgetKey>, until: Duration) {
        self.used_up.insert((until, Arc::clone(&key)));
        self.spots.insert(key, Spot::UsedUp(until));
    }

    /// Sets a budget aside until one of these namespaces may begin a turn.
    pub(super) fn set_blocked(&mut self, key: Arc<BudgetKey>, namespaces: Vec<String>) {
        for namespace in &namespaces {
            self.blocked.entry(namespace.clone()).or_default().insert(Arc::clone(&key));
        }
        self.spots.insert(key, Spot::Blocked(namespaces));
    }

    /// Makes the budgets ready that are not used up any more, and one budget of each namespace that may begin. Only a
    /// namespace with a turn is ever blocked, so there are at most as many of them as workers.
    pub(super) fn wake(&mut self, now: Duration, may_begin: impl Fn(&str) -> bool) {
        while let Some((_, key)) = self.used_up.first().filter(|(until, _)| *until <= now) {
            let key = Arc::clone(key);
            self.ready(&key);
        }
        let first = |(namespace, budgets): (&String, &BTreeSet<Arc<BudgetKey>>)| {
            #[cfg(test)]
            look(1);
            budgets.first().filter(|_| may_begin(namespace)).cloned()
        };
        let unblocked: Vec<_> = self.blocked.iter().filter_map(first).collect();
        unblocked.iter().for_each(|key| self.ready(key));
    }

    /// When the next budget is not used up any more.
    pub(super) fn used_up_until(&self) -> Option<Duration> {
        self.used_up.first().map(|(until, _)| *until)
    }
}
