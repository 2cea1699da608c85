//! The calls that a budget allows now.

use std::time::Duration;

use super::rate::{Limits, Rate};

/// Seconds of the rate that a burst may use. A burst that is longer than a round trip would be sent before STS could
/// throttle it.
const BURST: f64 = 0.1;

/// A token bucket. Each call takes a token. Tokens are added at the rate in force, up to a burst.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    tokens: f64,
    most: f64,
    updated: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(limits: Limits, now: Duration) -> Self {
        let mut rate = Rate::new(limits, now);
        let most = burst(rate.in_force(now));
        Self { rate, tokens: most, most, updated: now }
    }

    /// Whether a call that was made, or an answer, makes it differ from a new one.
    pub(super) fn is_in_use(&mut self, now: Duration) -> bool {
        self.update(now);
        self.tokens < self.most || self.rate.is_adapted(now)
    }

    fn update(&mut self, now: Duration) -> f64 {
        let rate = self.rate.in_force(now);
        self.most = burst(rate);
        let added = now.saturating_sub(self.updated).as_secs_f64() * rate;
        self.tokens = (self.tokens + added).min(self.most);
        self.updated = self.updated.max(now);
        rate
    }

    /// When this number of calls can be made. `None` if they can be made now. More calls than the bucket holds need a full
    /// bucket, and leave a debt.
    pub(super) fn ready_at(&mut self, calls: u32, now: Duration) -> Option<Duration> {
        let rate = self.update(now);
        let missing = f64::from(calls).min(self.most) - self.tokens;
        // Rounded up by a microsecond, so that a timer that ends at that time finds the tokens.
        (missing > 0.0)
            .then(|| now + Duration::from_secs_f64(missing / rate) + Duration::from_micros(1))
    }

    /// STS answered a call.
    pub(super) fn answered(&mut self, now: Duration) {
        self.update(now);
        self.rate.answered(now);
    }

    /// STS throttled a call of a turn that began at `begun`. If this halves the rate, the bucket is empty: STS allows no
    /// burst now.
    pub(super) fn throttled(&mut self, begun: Duration, now: Duration) {
        self.update(now);
        if self.rate.throttled(begun, now) {
            self.tokens = self.tokens.min(0.0);
        }
    }

    /// The rate in force, if throttling reduced it.
    pub(super) fn reduced_rate(&self, now: Duration) -> Option<f64> {
        self.rate.reduced(now)
    }

    /// Takes tokens, or gives them back if `count` is negative.
    pub(super) fn take(&mut self, count: f64, now: Duration) {
        self.update(now);
        self.tokens = (self.tokens - count).min(self.most);
    }
}

fn burst(rate: f64) -> f64 {
    (rate * BURST).max(1.0)
}
