//! A number that is refilled over time.

use std::time::Instant;

/// What is left of a number.
pub(super) struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    /// A full one.
    pub(super) fn new(most: f64, now: Instant) -> Self {
        Self { left: most, at: now }
    }

    /// Takes one, if there is one. `most` is the highest number, and `each_second` what is added in a second.
    pub(super) fn take(&mut self, most: f64, each_second: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * each_second).min(most);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}
