//! How many events may be published. Events inform people, who read a few of them; each one costs a write to the API
//! server and memory in the process.

use std::collections::HashMap;
use std::time::Duration;

use crate::allowance::{Allowance, Limit};

/// Events of one namespace at once, and per second afterwards.
const NAMESPACE: Limit = Limit { most: 100.0, each_second: 1.0 / 10.0 };

/// Events of all namespaces at once, and per second afterwards.
const TOTAL: Limit = Limit { most: 150.0, each_second: 1.0 };

/// Number of namespaces that are kept without looking for those that can be dropped.
const FEW_NAMESPACES: usize = 64;

/// The budget of events. Times are durations since the start of the process.
///
/// Each namespace has a budget of its own, so that a namespace in which thousands of resources fail does not silence the
/// others.
#[derive(Debug)]
pub struct EventBudget {
    total: Allowance<Duration>,
    namespaces: HashMap<String, Allowance<Duration>>,
    most_namespaces: usize,
}

impl Default for EventBudget {
    fn default() -> Self {
        let total = Allowance::full(TOTAL, Duration::ZERO);
        Self { total, namespaces: HashMap::new(), most_namespaces: FEW_NAMESPACES }
    }
}

impl EventBudget {
    /// Takes one event of this namespace from the budget. Returns whether there was one left.
    pub fn take(&mut self, namespace: &str, now: Duration) -> bool {
        if self.namespaces.len() >= self.most_namespaces {
            self.namespaces.retain(|_, left| !left.is_full(NAMESPACE, now));
            self.most_namespaces = FEW_NAMESPACES.max(2 * self.namespaces.len());
        }
        if !self.total.has_one(TOTAL, now) {
            return false;
        }
        let new = || Allowance::full(NAMESPACE, now);
        let own = self.namespaces.entry(namespace.to_owned()).or_insert_with(new);
        own.take(NAMESPACE, now) && self.total.take(TOTAL, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_namespace_gets_a_burst_and_then_a_rate() {
        let mut budget = EventBudget::default();
        let mut taken = |at: u64| (0..1000).filter(|_| budget.take("a", seconds(at))).count();
        assert_eq!([taken(0), taken(0), taken(9), taken(10), taken(51)], [100, 0, 0, 1, 4]);
        assert_eq!(taken(100_000), 100, "what was not used is not saved");
    }

    #[test]
    fn a_namespace_does_not_silence_another_one() {
        let mut budget = EventBudget::default();
        for second in 0..1000 {
            for _ in 0..1000 {
                budget.take("failing", seconds(second));
            }
        }
        assert!(budget.take("other", seconds(1000)));
    }

    #[test]
    fn all_namespaces_share_a_total_and_leave_nothing_behind() {
        let mut budget = EventBudget::default();
        let mut taken = |at: u64| {
            let names = (0..10_000).map(|n| format!("n{n}"));
            names.filter(|name| budget.take(name, seconds(at))).count()
        };
        assert_eq!([taken(0), taken(0), taken(10)], [150, 0, 10]);
        assert!(budget.namespaces.len() <= 160, "{}", budget.namespaces.len());
        for second in 0..500 {
            budget.take(&format!("m{second}"), seconds(1000 + second));
        }
        assert!(budget.namespaces.len() <= FEW_NAMESPACES, "{}", budget.namespaces.len());
    }
}
