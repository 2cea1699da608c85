//! The queue for turns at STS. A resource that waits is a key with an urgency: it occupies no task and no buffer.
//!
//! A turn takes a worker, and its calls from the budget of its identity and region. Namespaces share both:
//!
//! * **Rate**: of the namespaces that wait for a budget, the one with the fewest calls goes first, counted since it began
//!   to wait. A namespace does not get later what it left unused.
//! * **Workers**: a namespace gets a further worker only while more workers are free than it has. One namespace alone
//!   gets half of them, so a worker is free at once for another one, even if every call of the first one hangs.
//!
//! Within a namespace, the resource that is due first goes first. Budgets take turns.

mod budget;
mod budget_key;
mod lane;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::key::Key;
use budget::{Budget, Found};
pub use budget_key::{BudgetKey, BudgetSigner};
use lane::Place;

/// What a resource waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// When the resource is due.
    pub due: Timestamp,
    /// The budget of its calls.
    pub budget: BudgetKey,
    /// Number of calls that it makes.
    pub calls: u32,
}

/// The permission to make the STS calls of one resource. It must be given back with [`Queue::end`].
#[derive(Debug)]
pub struct Turn {
    key: Key,
    budget: Arc<BudgetKey>,
    calls: u32,
    waited: Duration,
}

impl Turn {
    /// The resource.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// How long the resource waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// It is the turn of this resource.
    Turn(Turn),
    /// Ask again at this time: a budget is used up until then.
    At(Duration),
    /// Ask again after the next change.
    Idle,
}

/// The queue. Times are durations since the start of the process.
#[derive(Debug)]
pub struct Queue {
    workers: usize,
    rate: f64,
    waiting: HashMap<Key, Place>,
    turns: HashSet<Key>,
    /// Number of turns of each namespace that has one.
    busy: HashMap<String, usize>,
    budgets: HashMap<Arc<BudgetKey>, Budget>,
    /// The budgets that resources wait for, in the order of their turns.
    rotation: VecDeque<Arc<BudgetKey>>,
    /// The number of budgets after which unused ones are dropped.
    most_budgets: usize,
    sequence: u64,
}

/// Number of budgets that are kept without looking for unused ones.
const FEW_BUDGETS: usize = 64;

impl Queue {
    /// An empty queue. At most `workers` turns at the same time, and `rate` calls per second for each budget.
    pub fn new(workers: usize, rate: f64) -> Self {
        Self {
            workers,
            rate,
            waiting: HashMap::new(),
            turns: HashSet::new(),
            busy: HashMap::new(),
            budgets: HashMap::new(),
            rotation: VecDeque::new(),
            most_budgets: FEW_BUDGETS,
            sequence: 0,
        }
    }

    /// Number of waiting resources.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no resource waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether this resource waits.
    pub fn contains(&self, key: &Key) -> bool {
        self.waiting.contains_key(key)
    }

    /// How long this resource has waited. Zero if it does not wait.
    pub fn waited(&self, key: &Key, now: Duration) -> Duration {
        self.waiting.get(key).map_or(Duration::ZERO, |place| now.saturating_sub(place.since))
    }

    /// Adds a resource. A resource that waits already keeps its urgency, unless it is
    /// more urgent now. Does nothing if it has a turn.
    pub fn add(&mut self, key: &Key, demand: Demand, now: Duration) {
        if self.turns.contains(key) {
            return;
        }
        let Demand { mut due, budget, calls } = demand;
        let (mut sequence, mut since) = (None, now);
        if let Some(before) = self.waiting.get(key) {
            if before.due <= due && *before.budget == budget && before.calls == calls {
                return;
            }
            due = due.min(before.due);
            (sequence, since) = (Some(before.sequence), before.since);
            self.remove(key);
        }
        let sequence = sequence.unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        });
        let budget = self.budget(budget, now);
        let place = Place { due, sequence, since, budget, calls };
        if let Some(budget) = self.budgets.get_mut(&place.budget) {
            if budget.is_empty() {
                self.rotation.push_back(Arc::clone(&place.budget));
            }
            budget.add(key, &place);
        }
        self.waiting.insert(key.clone(), place);
    }

    /// Removes a waiting resource.
    pub fn remove(&mut self, key: &Key) {
        let Some(place) = self.waiting.remove(key) else { return };
        if let Some(budget) = self.budgets.get_mut(&place.budget) {
            budget.remove(key, &place);
            if budget.is_empty() {
                self.rotation.retain(|other| *other != place.budget);
            }
        }
    }

    /// The turn of this resource, if no resource waits and it can begin at once. Otherwise the resource waits.
    pub fn begin(&mut self, key: &Key, demand: Demand, now: Duration) -> Option<Turn> {
        let is_first = self.waiting.is_empty();
        self.add(key, demand, now);
        match is_first.then(|| self.next(now)) {
            Some(Next::Turn(turn)) => Some(turn),
            Some(Next::At(_) | Next::Idle) | None => None,
        }
    }

    /// The next turn.
    pub fn next(&mut self, now: Duration) -> Next {
        let free = self.workers.saturating_sub(self.turns.len());
        if free == 0 {
            return Next::Idle;
        }
        let busy = &self.busy;
        let may_begin = |namespace: &str| busy.get(namespace).is_none_or(|turns| *turns < free);
        let mut at: Option<Duration> = None;
        for _ in 0..self.rotation.len() {
            let Some(key) = self.rotation.pop_front() else { break };
            let found = self.budgets.get_mut(&key).map(|budget| budget.find(may_begin, now));
            match found {
                Some(Found::Resource(resource, calls)) => {
                    if self.budgets.get(&key).is_some_and(|budget| !budget.is_empty()) {
                        self.rotation.push_back(Arc::clone(&key));
                    }
                    let since = self.waiting.remove(&resource).map_or(now, |place| place.since);
                    let waited = now.saturating_sub(since);
                    self.turns.insert(resource.clone());
                    *self.busy.entry(resource.namespace.clone()).or_default() += 1;
                    return Next::Turn(Turn { key: resource, budget: key, calls, waited });
                }
                Some(Found::UsedUpUntil(time)) => {
                    at = Some(at.map_or(time, |at| at.min(time)));
                    self.rotation.push_back(key);
                }
                Some(Found::Nothing) => self.rotation.push_back(key),
                None => {}
            }
        }
        at.map_or(Next::Idle, Next::At)
    }

    /// Ends a turn in which this number of calls was made. Only these are charged.
    pub fn end(&mut self, turn: Turn, calls: u32, now: Duration) {
        self.turns.remove(&turn.key);
        if let Some(turns) = self.busy.get_mut(&turn.key.namespace) {
            *turns -= 1;
            if *turns == 0 {
                self.busy.remove(&turn.key.namespace);
            }
        }
        if let Some(budget) = self.budgets.get_mut(&turn.budget) {
            budget.end(&turn.key.namespace, turn.calls, calls, now);
        }
        self.forget_unused_budgets(now);
    }

    fn budget(&mut self, key: BudgetKey, now: Duration) -> Arc<BudgetKey> {
        if let Some((key, _)) = self.budgets.get_key_value(&key) {
            return Arc::clone(key);
        }
        self.forget_unused_budgets(now);
        let key = Arc::new(key);
        self.budgets.insert(Arc::clone(&key), Budget::new(self.rate, now));
        key
    }

    /// Drops the budgets that nothing uses and that are full: a tenant can name any number of regions.
    fn forget_unused_budgets(&mut self, now: Duration) {
        if self.budgets.len() >= self.most_budgets {
            self.budgets.retain(|_, budget| budget.is_in_use(now));
            self.most_budgets = FEW_BUDGETS.max(2 * self.budgets.len());
        }
    }
}
