//! The namespaces that wait for one budget, in the order of their turns.

use std::collections::{BTreeSet, HashMap};

use super::lane::{Lane, Place, Position};
#[cfg(test)]
use super::looks::look;

/// Number of namespaces that are kept without looking for those that can be dropped.
const FEW_LANES: usize = 16;

/// The namespaces in which resources wait, in the order of their turns.
#[derive(Debug)]
pub(super) struct Order {
    lanes: HashMap<String, Lane>,
    positions: BTreeSet<Position>,
    /// The calls of the namespaces that had a turn, at most.
    served: u64,
    /// The number of lanes after which unused ones are dropped.
    most_lanes: usize,
}

impl Default for Order {
    fn default() -> Self {
        let (lanes, positions) = (HashMap::new(), BTreeSet::new());
        Self { lanes, positions, served: 0, most_lanes: FEW_LANES }
    }
}

impl Order {
    /// Number of namespaces that are kept.
    #[cfg(test)]
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Whether no resource waits.
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The namespaces in which resources wait.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.positions.iter().map(|position| position.namespace.as_str())
    }

    pub(super) fn add(&mut self, namespace: &str, name: &str, place: &Place) {
        self.change(namespace, |lane| lane.add(name, place));
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str, place: &Place) {
        self.change(namespace, |lane| lane.remove(name, place));
    }

    /// The first namespace that may begin a turn, and the number of calls of its first resource. Namespaces that may not
    /// begin have a turn, so there are at most as many of them as workers.
    pub(super) fn first(&self, may_begin: impl Fn(&str) -> bool) -> Option<(&Position, u32)> {
        let position = self.positions.iter().find(|position| {
            #[cfg(test)]
            look(1);
            may_begin(&position.namespace)
        })?;
        let calls = self.lanes.get(&position.namespace).and_then(Lane::first_calls);
        Some((position, calls.unwrap_or(1)))
    }

    /// Removes the first resource of a namespace, and returns its name.
    pub(super) fn take(&mut self, position: &Position, calls: u32) -> String {
        let Position { namespace, served, .. } = position;
        self.served = self.served.max(*served);
        let mut name = None;
        self.change(namespace, |lane| {
            name = lane.take();
            lane.served += u64::from(calls);
        });
        self.skip_those_before(*served);
        name.unwrap_or_default()
    }

    /// Moves the namespaces that were not allowed to begin to where the one is that did: they do not save turns.
    fn skip_those_before(&mut self, served: u64) {
        while let Some(position) = self.positions.first().filter(|first| first.served < served) {
            #[cfg(test)]
            look(1);
            let namespace = position.namespace.clone();
            self.change(&namespace, |lane| lane.served = served);
        }
    }

    /// Gives calls back that a namespace did not make.
    pub(super) fn give_back(&mut self, namespace: &str, calls: u64) {
        if calls > 0 && self.lanes.contains_key(namespace) {
            self.change(namespace, |lane| lane.served = lane.served.saturating_sub(calls));
        }
    }

    /// Changes the lane of a namespace, and moves the namespace to its new position.
    fn change(&mut self, namespace: &str, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(namespace.to_owned()).or_default();
        match lane.position(namespace) {
            Some(position) => drop(self.positions.remove(&position)),
            // A namespace that begins to wait does not get what it left unused before.
            None => lane.served = lane.served.max(self.served),
        }
        change(lane);
        if let Some(position) = lane.position(namespace) {
            self.positions.insert(position);
        }
        self.drop_unused_lanes();
    }

    /// Drops what is the same as new: a namespace that is not ahead of the others, and for which nothing waits. If no
    /// resource waits at all, no namespace is ahead of another one. The time for this is proportional to the number of
    /// namespaces that were added since the last time.
    fn drop_unused_lanes(&mut self) {
        let all_idle = self.positions.is_empty();
        if self.lanes.len() <= if all_idle { FEW_LANES } else { self.most_lanes } {
            return;
        }
        #[cfg(test)]
        look(self.lanes.len());
        let served = self.served;
        self.lanes.retain(|_, lane| !lane.is_empty() || (!all_idle && lane.served > served));
        self.most_lanes = FEW_LANES.max(2 * self.lanes.len());
    }
}
