//! The rate of STS calls of one identity in one region, and the resources that share it.

use std::time::Duration;

use super::bucket::Bucket;
use super::calls::{Calls, Reply};
use super::lane::Place;
use super::order::Order;
use super::rate::Limits;
use crate::key::Key;

/// Of this number of calls, one is for resources that were refused before, if others wait too. It is few, because most of
/// them are refused again, and not none, because a repaired role must work even if the queue is never empty.
const CALLS_PER_REFUSED: u32 = 50;

/// The result of a search for the next turn.
pub(super) enum Found {
    /// It is the turn of this resource.
    Resource(FoundResource),
    /// The budget is used up until this time.
    UsedUpUntil(Duration),
    /// No resource may begin.
    Nothing,
}

/// A resource whose turn it is.
#[derive(Debug)]
pub(super) struct FoundResource {
    pub(super) key: Key,
    /// Number of calls that it makes.
    pub(super) calls: u32,
    /// Whether its last attempt was refused.
    pub(super) refused: bool,
}

/// A budget, and the resources that wait for it.
#[derive(Debug)]
pub(super) struct Budget {
    bucket: Bucket,
    regular: Order,
    /// The resources whose last attempt was refused.
    refused: Order,
    /// Number of calls since the last one for a resource that was refused.
    since_refused: u32,
    turns: usize,
}

impl Budget {
    /// A full budget.
    pub(super) fn new(limits: Limits, now: Duration) -> Self {
        Self {
            bucket: Bucket::new(limits, now),
            regular: Order::default(),
            refused: Order::default(),
            since_refused: 0,
            turns: 0,
        }
    }

    /// Number of namespaces that are kept.
    #[cfg(test)]
    pub(super) fn lanes(&self) -> usize {
        self.regular.lanes() + self.refused.lanes()
    }

    /// Whether no resource waits.
    pub(super) fn is_empty(&self) -> bool {
        self.regular.is_empty() && self.refused.is_empty()
    }

    /// Whether it differs from a new budget.
    pub(super) fn is_in_use(&mut self, now: Duration) -> bool {
        self.turns > 0 || !self.is_empty() || self.bucket.is_in_use(now)
    }

    /// The rate in force, if throttling reduced it.
    pub(super) fn reduced_rate(&self, now: Duration) -> Option<f64> {
        self.bucket.reduced_rate(now)
    }

    /// The namespaces in which resources wait.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.regular.namespaces().chain(self.refused.namespaces())
    }

    fn order(&mut self, refused: bool) -> &mut Order {
        if refused { &mut self.refused } else { &mut self.regular }
    }

    pub(super) fn add(&mut self, key: &Key, place: &Place) {
        self.order(place.refused).add(&key.namespace, &key.name, place);
    }

    pub(super) fn remove(&mut self, key: &Key, place: &Place) {
        self.order(place.refused).remove(&key.namespace, &key.name, place);
    }

    /// Removes the resource whose turn it is. `may_begin` says whether a namespace gets a further worker.
    pub(super) fn find(&mut self, may_begin: impl Fn(&str) -> bool, now: Duration) -> Found {
        let [regular, again] = [&self.regular, &self.refused].map(|order| order.first(&may_begin));
        let refused =
            again.is_some() && (regular.is_none() || self.since_refused + 1 >= CALLS_PER_REFUSED);
        let first = if refused { again } else { regular };
        let Some((position, calls)) = first else { return Found::Nothing };
        let position = position.clone();
        if let Some(at) = self.bucket.ready_at(calls, now) {
            return Found::UsedUpUntil(at);
        }
        self.bucket.take(f64::from(calls), now);
        self.since_refused = if refused { 0 } else { self.since_refused.saturating_add(calls) };
        self.turns += 1;
        let name = self.order(refused).take(&position, calls);
        let key = Key { namespace: position.namespace, name };
        Found::Resource(FoundResource { key, calls, refused })
    }

    /// Ends a turn that began at `begun`.
    pub(super) fn end(
        &mut self,
        FoundResource { key, calls: reserved, refused }: &FoundResource,
        calls: Calls,
        begun: Duration,
        now: Duration,
    ) {
        self.turns = self.turns.saturating_sub(1);
        self.bucket.take(f64::from(calls.made) - f64::from(*reserved), now);
        // A turn without a call counts as one, so that a namespace does not have all turns.
        let unused = u64::from(reserved.saturating_sub(calls.made.max(1)));
        self.order(*refused).give_back(&key.namespace, unused);
        match (calls.made, calls.reply) {
            (0, _) | (_, Reply::Missing) => {}
            (_, Reply::Answered) => self.bucket.answered(now),
            (1, Reply::Throttled) => self.bucket.throttled(begun, now),
            // Later calls of a chain count against the quotas of other accounts, whose owners could reduce the rate.
            (_, Reply::Throttled) => {}
        }
    }
}
