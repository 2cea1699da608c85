//! Whether the operator is ready.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the synced caches. The operator is ready when all caches are synced.
#[derive(Default)]
pub struct Readiness {
    expected: AtomicUsize,
    synced: AtomicUsize,
}

impl Readiness {
    /// Sets the number of caches.
    pub fn expect(&self, caches: usize) {
        self.expected.store(caches, Ordering::Release);
    }

    /// Counts one more synced cache.
    pub fn synced(&self) {
        self.synced.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all caches are synced.
    pub fn is_ready(&self) -> bool {
        let expected = self.expected.load(Ordering::Acquire);
        expected > 0 && self.synced.load(Ordering::Acquire) >= expected
    }
}
