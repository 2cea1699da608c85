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
//!
//! The rate of a budget adapts to what STS allows. Resources that STS refused before use only what the others leave, and
//! at least one call of fifty.
//!
//! The cost of each operation grows with the logarithm of what waits, and with the number of workers.

mod bucket;
mod budget;
mod budget_key;
mod calls;
mod lane;
#[cfg(test)]
mod looks;
mod order;
mod rate;
mod rotation;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::key::Key;
use budget::{Budget, Found, FoundResource};
pub use budget_key::{BudgetKey, BudgetSigner};
pub use calls::{Calls, Reply};
use lane::Place;
use rate::Limits;
use rotation::Rotation;

/// What a resource waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// When the resource is due.
    pub due: Timestamp,
    /// The budget of its calls.
    pub budget: BudgetKey,
    /// Number of calls that it makes.
    pub calls: u32,
    /// Whether its last attempt was refused, so that this one probably is too.
    pub refused: bool,
}

/// The permission to make the STS calls of one resource. It must be given back with [`Queue::end`].
#[derive(Debug)]
pub struct Turn {
    resource: FoundResource,
    budget: Arc<BudgetKey>,
    begun: Duration,
    waited: Duration,
}

impl Turn {
    /// The resource.
    pub fn key(&self) -> &Key {
        &self.resource.key
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
    limits: Limits,
    waiting: HashMap<Key, Place>,
    turns: HashSet<Key>,
    /// Number of turns of each namespace that has one.
    busy: HashMap<String, usize>,
    budgets: HashMap<Arc<BudgetKey>, Budget>,
    /// The budgets that resources wait for, in the order of their turns.
    rotation: Rotation,
    /// The number of budgets after which unused ones are dropped.
    most_budgets: usize,
    sequence: u64,
}

/// Number of budgets that are kept without looking for unused ones.
const FEW_BUDGETS: usize = 64;

impl Queue {
    /// An empty queue. At most `workers` turns at the same time, and `rate` calls per second for each budget, or fewer if
    /// STS throttles them.
    pub fn new(workers: usize, rate: f64) -> Self {
        Self::with(workers, Limits::adaptive(rate))
    }

    /// An empty queue without a limit of calls. At most `workers` turns at the same time.
    pub fn unlimited(workers: usize) -> Self {
        Self::with(workers, Limits::unlimited())
    }

    fn with(workers: usize, limits: Limits) -> Self {
        Self {
            workers,
            limits,
            waiting: HashMap::new(),
            turns: HashSet::new(),
            busy: HashMap::new(),
            budgets: HashMap::new(),
            rotation: Rotation::default(),
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
        let Demand { mut due, budget, calls, refused } = demand;
        let (mut sequence, mut since) = (None, now);
        if let Some(before) = self.waiting.get(key) {
            let is_same =
                *before.budget == budget && before.calls == calls && before.refused == refused;
            if is_same && before.due <= due {
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
        let place = Place { due, sequence, since, budget, calls, refused };
        if let Some(budget) = self.budgets.get_mut(&place.budget) {
            budget.add(key, &place);
            self.rotation.ready(&place.budget);
        }
        self.waiting.insert(key.clone(), place);
    }

    /// Removes a waiting resource.
    pub fn remove(&mut self, key: &Key) {
        let Some(place) = self.waiting.remove(key) else { return };
        if let Some(budget) = self.budgets.get_mut(&place.budget) {
            budget.remove(key, &place);
            if budget.is_empty() {
                self.rotation.remove(&place.budget);
            } else {
                self.rotation.ready(&place.budget);
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
        self.rotation.wake(now, may_begin);
        while let Some(key) = self.rotation.take() {
            let Some(budget) = self.budgets.get_mut(&key) else { continue };
            match budget.find(may_begin, now) {
                Found::Resource(resource) => {
                    if !budget.is_empty() {
                        self.rotation.ready(&key);
                    }
                    return Next::Turn(self.start(resource, key, now));
                }
                Found::UsedUpUntil(until) => self.rotation.set_used_up(key, until),
                Found::Nothing => {
                    let namespaces = budget.namespaces().map(str::to_owned).collect();
                    self.rotation.set_blocked(key, namespaces);
                }
            }
            self.rotation.wake(now, may_begin);
        }
        self.rotation.used_up_until().map_or(Next::Idle, Next::At)
    }

    fn start(&mut self, resource: FoundResource, budget: Arc<BudgetKey>, now: Duration) -> Turn {
        let since = self.waiting.remove(&resource.key).map_or(now, |place| place.since);
        self.turns.insert(resource.key.clone());
        *self.busy.entry(resource.key.namespace.clone()).or_default() += 1;
        Turn { resource, budget, begun: now, waited: now.saturating_sub(since) }
    }

    /// The lowest rate in force for the operator's own identity in any region, in calls per second. It is the
    /// ceiling while throttling does not reduce it.
    pub fn operator_rate(&self, now: Duration) -> f64 {
        let operator = self.budgets.iter().filter(|(key, _)| key.signer == BudgetSigner::Operator);
        let rates = operator.filter_map(|(_, budget)| budget.reduced_rate(now));
        rates.fold(self.limits.ceiling, f64::min)
    }

    /// Ends a turn in which these calls were made.
    pub fn end(&mut self, turn: Turn, calls: Calls, now: Duration) {
        let Turn { resource, budget: key, begun, .. } = turn;
        self.turns.remove(&resource.key);
        if let Some(turns) = self.busy.get_mut(&resource.key.namespace) {
            *turns -= 1;
            if *turns == 0 {
                self.busy.remove(&resource.key.namespace);
            }
        }
        if let Some(budget) = self.budgets.get_mut(&key) {
            budget.end(&resource, calls, begun, now);
            if !budget.is_empty() {
                self.rotation.ready(&key);
            }
        }
        self.forget_unused_budgets(now);
    }

    fn budget(&mut self, key: BudgetKey, now: Duration) -> Arc<BudgetKey> {
        if let Some((key, _)) = self.budgets.get_key_value(&key) {
            return Arc::clone(key);
        }
        self.forget_unused_budgets(now);
        let key = Arc::new(key);
        self.budgets.insert(Arc::clone(&key), Budget::new(self.limits, now));
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
