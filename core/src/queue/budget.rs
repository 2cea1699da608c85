//! The rate of STS calls of one identity in one region, and the namespaces that share it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::lane::{Lane, Place, Position};
use crate::key::Key;

/// A token bucket. Each call takes a token. Tokens are added at the rate, up to as many as the rate adds in one second.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    updated: Duration,
}

impl Bucket {
    fn most(&self) -> f64 {
        self.rate.max(1.0)
    }

    fn update(&mut self, now: Duration) {
        let added = now.saturating_sub(self.updated).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + added).min(self.most());
        self.updated = self.updated.max(now);
    }

    /// When this number of calls can be made. `None` if they can be made now. More calls than the bucket holds need a full
    /// bucket, and leave a debt.
    fn ready_at(&mut self, calls: u32, now: Duration) -> Option<Duration> {
        self.update(now);
        let missing = f64::from(calls).min(self.most()) - self.tokens;
        // Rounded up by a microsecond, so that a timer that ends at that time finds the tokens.
        (missing > 0.0)
            .then(|| now + Duration::from_secs_f64(missing / self.rate) + Duration::from_micros(1))
    }

    /// Takes tokens, or gives them back if `count` is negative.
    fn take(&mut self, count: f64, now: Duration) {
        self.update(now);
        self.tokens = (self.tokens - count).min(self.most());
    }
}

/// The result of a search for the next turn.
pub(super) enum Found {
    /// It is the turn of this resource, which makes this number of calls.
    Resource(Key, u32),
    /// The budget is used up until this time.
    UsedUpUntil(Duration),
    /// No resource may begin.
    Nothing,
}

/// Number of namespaces that are kept without looking for those that can be dropped.
const FEW_LANES: usize = 16;

/// A budget, and the resources that wait for it.
#[derive(Debug)]
pub(super) struct Budget {
    bucket: Bucket,
    lanes: HashMap<String, Lane>,
    /// The namespaces in which resources wait, in the order of their turns.
    order: BTreeSet<Position>,
    /// The calls of the namespaces that had a turn, at most.
    served: u64,
    turns: usize,
}

impl Budget {
    /// A full budget.
    pub(super) fn new(rate: f64, now: Duration) -> Self {
        let bucket = Bucket { rate, tokens: rate.max(1.0), updated: now };
        let (lanes, order) = (HashMap::new(), BTreeSet::new());
        Self { bucket, lanes, order, served: 0, turns: 0 }
    }

    /// Number of namespaces that are kept.
    #[cfg(test)]
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Whether no resource waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether it differs from a new budget.
    pub(super) fn is_in_use(&mut self, now: Duration) -> bool {
        self.bucket.update(now);
        self.turns > 0 || !self.is_empty() || self.bucket.tokens < self.bucket.most()
    }

    pub(super) fn add(&mut self, key: &Key, place: &Place) {
        self.change(&key.namespace, |lane| lane.add(&key.name, place));
    }

    pub(super) fn remove(&mut self, key: &Key, place: &Place) {
        self.change(&key.namespace, |lane| lane.remove(&key.name, place));
    }

    /// Removes the resource whose turn it is. `may_begin` says whether a namespace gets a further worker.
    pub(super) fn find(&mut self, may_begin: impl Fn(&str) -> bool, now: Duration) -> Found {
        let first = self.order.iter().find(|position| may_begin(&position.namespace));
        let Some(Position { namespace, served, .. }) = first.cloned() else {
            return Found::Nothing;
        };
        let calls = self.lanes.get(&namespace).and_then(Lane::first_calls).unwrap_or(1);
        if let Some(at) = self.bucket.ready_at(calls, now) {
            return Found::UsedUpUntil(at);
        }
        self.bucket.take(f64::from(calls), now);
        self.served = self.served.max(served);
        self.turns += 1;
        let mut name = None;
        self.change(&namespace, |lane| {
            name = lane.take();
            lane.served += u64::from(calls);
        });
        self.skip_those_before(served);
        Found::Resource(Key { namespace, name: name.unwrap_or_default() }, calls)
    }

    /// Moves the namespaces that were not allowed to begin to where the one is that did: they do not save turns.
    fn skip_those_before(&mut self, served: u64) {
        while let Some(position) = self.order.first().filter(|first| first.served < served) {
            let namespace = position.namespace.clone();
            self.change(&namespace, |lane| lane.served = served);
        }
    }

    /// Ends a turn for which `reserved` calls were taken, and in which `made` were made.
    pub(super) fn end(&mut self, namespace: &str, reserved: u32, made: u32, now: Duration) {
        self.turns = self.turns.saturating_sub(1);
        self.bucket.take(f64::from(made) - f64::from(reserved), now);
        if self.lanes.contains_key(namespace) {
            // A turn without a call counts as one, so that a namespace does not have all turns.
            let unused = u64::from(reserved.saturating_sub(made.max(1)));
            self.change(namespace, |lane| lane.served = lane.served.saturating_sub(unused));
        }
    }

    /// Changes the lane of a namespace, and moves the namespace to its new position.
    fn change(&mut self, namespace: &str, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(namespace.to_owned()).or_default();
        match lane.position(namespace) {
            Some(position) => drop(self.order.remove(&position)),
            // A namespace that begins to wait does not get what it left unused before.
            None => lane.served = lane.served.max(self.served),
        }
        change(lane);
        if let Some(position) = lane.position(namespace) {
            self.order.insert(position);
        }
        // A namespace that is not ahead of the others, and for which nothing waits, is the same as a new one. If no
        // resource waits at all, no namespace is behind another one.
        if self.lanes.len() > FEW_LANES + 2 * self.order.len() {
            let (served, all_idle) = (self.served, self.order.is_empty());
            self.lanes.retain(|_, lane| !lane.is_empty() || (!all_idle && lane.served > served));
        }
    }
}
