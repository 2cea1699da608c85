//! The queue for turns at STS. A resource that waits is a key with an urgency: it occupies no task and no buffer.
//!
//! A turn takes a worker and one call of the budget of its identity and region. Namespaces share both:
//!
//! * **Rate**: the namespace with the fewest calls goes first, counted since it began to wait. A namespace that begins
//!   to wait does not get what it left unused before.
//! * **Workers**: a namespace gets a further worker only while more workers are free than it has. One namespace alone
//!   gets half of them, so a worker is free at once for another one, even if every call of the first one hangs.
//!
//! Within a namespace, the resource that is due first goes first.

mod budget;
mod namespace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::key::Key;
use budget::Bucket;
pub use budget::{BudgetKey, BudgetSigner};
use namespace::{Namespace, Place, Position};

/// The permission to make the STS calls of one resource. It must be given back with [`Queue::end`].
#[derive(Debug)]
pub struct Turn {
    key: Key,
    budget: Arc<BudgetKey>,
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

#[derive(Debug)]
struct Budget {
    bucket: Bucket,
    /// Number of resources that wait for this budget, or have a turn.
    users: usize,
}

/// The queue. Times are durations since the start of the process.
#[derive(Debug)]
pub struct Queue {
    workers: usize,
    rate: f64,
    waiting: HashMap<Key, Place>,
    turns: HashSet<Key>,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// The namespaces in which resources wait, in the order of their turns.
    order: BTreeSet<Position>,
    /// The namespaces without waiting resources, by the calls that they are ahead.
    ahead: BTreeSet<(u64, Arc<str>)>,
    budgets: HashMap<Arc<BudgetKey>, Budget>,
    /// The number of budgets after which unused ones are dropped.
    most_budgets: usize,
    /// The calls of the namespaces that had a turn, at most.
    served: u64,
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
            namespaces: HashMap::new(),
            order: BTreeSet::new(),
            ahead: BTreeSet::new(),
            budgets: HashMap::new(),
            most_budgets: FEW_BUDGETS,
            served: 0,
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

    /// Adds a resource that is due at `due`, and returns how long it has waited. A resource that waits already keeps its
    /// urgency, unless it is more urgent now. Does nothing if it has a turn.
    pub fn add(&mut self, key: &Key, due: Timestamp, budget: BudgetKey, now: Duration) -> Duration {
        if self.turns.contains(key) {
            return Duration::ZERO;
        }
        let (mut due, mut sequence, mut since) = (due, None, now);
        if let Some(before) = self.waiting.get(key) {
            if before.due <= due && *before.budget == budget {
                return now.saturating_sub(before.since);
            }
            due = due.min(before.due);
            sequence = Some(before.sequence);
            since = before.since;
            self.remove(key);
        }
        let sequence = sequence.unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        });
        let budget = self.use_budget(budget, now);
        let place = Place { due, sequence, since, budget };
        self.change(&key.namespace, |namespace| namespace.add(&key.name, &place));
        self.waiting.insert(key.clone(), place);
        now.saturating_sub(since)
    }

    /// Whether this resource waits.
    pub fn contains(&self, key: &Key) -> bool {
        self.waiting.contains_key(key)
    }

    /// Removes a waiting resource.
    pub fn remove(&mut self, key: &Key) {
        let Some(place) = self.waiting.remove(key) else { return };
        self.leave_budget(&place.budget);
        self.change(&key.namespace, |namespace| namespace.remove(&key.name, &place));
    }

    /// The next turn. Cheap, unless very many namespaces wait for a budget that is used up while others do not.
    pub fn next(&mut self, now: Duration) -> Next {
        let free = self.workers.saturating_sub(self.turns.len());
        if free == 0 || self.waiting.is_empty() {
            return Next::Idle;
        }
        let mut at = None;
        let found = self.order.iter().find_map(|position| {
            let namespace = self.namespaces.get(&position.namespace)?;
            if namespace.turns >= free {
                return None;
            }
            namespace.heads().find_map(|budget| {
                let bucket = &mut self.budgets.get_mut(budget)?.bucket;
                let Some(next) = bucket.next_token(now) else {
                    return Some((Arc::clone(&position.namespace), Arc::clone(budget)));
                };
                at = Some(at.map_or(next, |at: Duration| at.min(next)));
                None
            })
        });
        let Some((namespace, budget)) = found else {
            return at.map_or(Next::Idle, Next::At);
        };
        let mut name = None;
        let served = self.namespaces.get(&namespace).map_or(0, |namespace| namespace.served);
        self.served = self.served.max(served);
        self.change(&namespace, |namespace| {
            name = namespace.take(&budget);
            namespace.turns += 1;
            namespace.served += 1;
        });
        let key = Key { namespace: namespace.to_string(), name: name.unwrap_or_default() };
        let since = self.waiting.remove(&key).map_or(now, |place| place.since);
        self.turns.insert(key.clone());
        if let Some(budget) = self.budgets.get_mut(&budget) {
            budget.bucket.take(1.0, now);
        }
        self.forget_idle_namespaces();
        Next::Turn(Turn { key, budget, waited: now.saturating_sub(since) })
    }

    /// Ends a turn in which this number of calls was made. Only these are charged.
    pub fn end(&mut self, turn: Turn, calls: u32, now: Duration) {
        self.turns.remove(&turn.key);
        if let Some(budget) = self.budgets.get_mut(&turn.budget) {
            budget.bucket.take(f64::from(calls) - 1.0, now);
        }
        self.leave_budget(&turn.budget);
        self.change(&turn.key.namespace, |namespace| {
            namespace.turns = namespace.turns.saturating_sub(1);
            namespace.served += u64::from(calls.saturating_sub(1));
        });
        self.forget_idle_namespaces();
        self.forget_unused_budgets(now);
    }

    /// Changes a namespace, and moves it to its new position.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Namespace)) {
        let name = match self.namespaces.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let namespace = self.namespaces.entry(Arc::clone(&name)).or_default();
        let waited = namespace.position(&name);
        match &waited {
            Some(position) => drop(self.order.remove(position)),
            None => drop(self.ahead.remove(&(namespace.served, Arc::clone(&name)))),
        }
        change(namespace);
        if waited.is_none() {
            namespace.served = namespace.served.max(self.served);
        }
        match namespace.position(&name) {
            Some(position) => drop(self.order.insert(position)),
            None if namespace.turns > 0 || namespace.served > self.served => {
                self.ahead.insert((namespace.served, name));
            }
            None => drop(self.namespaces.remove(&name)),
        }
    }

    /// Drops the namespaces that are not ahead of the others any more.
    fn forget_idle_namespaces(&mut self) {
        // If no resource waits, no namespace is behind another one.
        if self.order.is_empty()
            && let Some((most, _)) = self.ahead.last()
        {
            self.served = self.served.max(*most);
        }
        while let Some((served, name)) = self.ahead.first()
            && *served <= self.served
        {
            let (name, busy) = (Arc::clone(name), self.turns_of(name) > 0);
            self.ahead.pop_first();
            if !busy {
                self.namespaces.remove(&name);
            }
        }
    }

    fn turns_of(&self, namespace: &str) -> usize {
        self.namespaces.get(namespace).map_or(0, |namespace| namespace.turns)
    }

    fn use_budget(&mut self, key: BudgetKey, now: Duration) -> Arc<BudgetKey> {
        let key = match self.budgets.get_key_value(&key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(key),
        };
        let rate = self.rate;
        let budget = self.budgets.entry(Arc::clone(&key));
        budget.or_insert_with(|| Budget { bucket: Bucket::new(rate, now), users: 0 }).users += 1;
        key
    }

    fn leave_budget(&mut self, key: &Arc<BudgetKey>) {
        if let Some(budget) = self.budgets.get_mut(key) {
            budget.users = budget.users.saturating_sub(1);
        }
    }

    /// Drops the budgets that nothing uses and that are full: a tenant can name any number of identities and regions.
    fn forget_unused_budgets(&mut self, now: Duration) {
        if self.budgets.len() >= self.most_budgets {
            self.budgets.retain(|_, budget| budget.users > 0 || !budget.bucket.is_full(now));
            self.most_budgets = FEW_BUDGETS.max(2 * self.budgets.len());
        }
    }
}
