//! When a resource is reconciled again without a change.

use std::time::Duration;

/// When a resource is reconciled again without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Action {
    pub(super) requeue_after: Option<Duration>,
}

impl Action {
    /// After this time.
    pub(super) fn requeue(after: Duration) -> Self {
        Self { requeue_after: Some(after) }
    }

    /// Only after a change.
    pub(super) fn await_change() -> Self {
        Self { requeue_after: None }
    }

    /// The same, but after this time at the latest, if not only after a change.
    pub(super) fn at_most(self, after: Duration) -> Self {
        Self { requeue_after: self.requeue_after.map(|requeue| requeue.min(after)) }
    }
}
