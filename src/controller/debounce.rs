//! Limits how often the change of one Secret requeues the resources that read it: thousands of resources may read one
//! Secret, and a user may change it many times per second.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::watch::Key;

/// Shortest time between two times that the readers of one Secret are requeued. The first change requeues them
/// immediately.
const INTERVAL: Duration = Duration::from_secs(5);

/// The Secrets that changed within the interval.
#[derive(Default)]
pub(super) struct Debounce {
    /// Whether each of them changed again.
    changed: HashMap<Key, bool>,
    /// When the interval of each of them ends. All intervals are equal, so the order is that of their beginning.
    ends: VecDeque<(Instant, Key)>,
}

impl Debounce {
    /// Records that a Secret changed. Returns whether to requeue its readers now; otherwise [`pop`](Self::pop) returns the
    /// Secret when its interval has ended.
    pub(super) fn change(&mut self, secret: &Key, now: Instant) -> bool {
        if let Some(again) = self.changed.get_mut(secret) {
            *again = true;
            return false;
        }
        self.begin(secret.clone(), now);
        true
    }

    fn begin(&mut self, secret: Key, now: Instant) {
        self.ends.push_back((now + INTERVAL, secret.clone()));
        self.changed.insert(secret, false);
    }

    /// When the next interval ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// Ends the first interval, if its time has come. Returns its Secret if that changed again.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Key> {
        let (_, secret) = self.ends.pop_front_if(|(end, _)| *end <= now)?;
        let again = self.changed.remove(&secret)?;
        again.then(|| {
            self.begin(secret.clone(), now);
            secret
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_counts_at_once_and_later_ones_once_per_interval() {
        let (mut debounce, begin) = (Debounce::default(), Instant::now());
        let key = |name: &str| Key { namespace: "n".to_owned(), name: name.to_owned() };
        assert!(debounce.change(&key("a"), begin));
        assert!(debounce.change(&key("b"), begin));
        for _ in 0..1000 {
            assert!(!debounce.change(&key("a"), begin));
        }
        assert_eq!(debounce.pop(begin), None);
        let end = debounce.next_end().unwrap();
        assert_eq!(end, begin + INTERVAL);
        assert_eq!((debounce.pop(end), debounce.pop(end)), (Some(key("a")), None));
        assert!(!debounce.change(&key("a"), end));
        assert!(debounce.change(&key("b"), end), "its interval has ended");
        assert_eq!(debounce.pop(end + INTERVAL), Some(key("a")));
        for _ in 0..2 {
            assert_eq!(debounce.pop(end + 2 * INTERVAL), None);
        }
        assert!(debounce.changed.is_empty() && debounce.ends.is_empty());
    }
}
