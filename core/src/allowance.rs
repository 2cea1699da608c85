//! A number that is used up and refilled over time.

use std::ops::Sub;
use std::time::Duration;

/// How much there may be of a number.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The highest number.
    pub most: f64,
    /// What is added in each second.
    pub each_second: f64,
}

/// What is left of a number, as of a time. `T` is the type of a time.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<T> {
    left: f64,
    at: T,
}

impl<T: Copy + PartialOrd + Sub<Output = Duration>> Allowance<T> {
    /// A full one.
    pub fn full(limit: Limit, now: T) -> Self {
        Self { left: limit.most, at: now }
    }

    /// Whether it is the same as a new one.
    pub fn is_full(&mut self, limit: Limit, now: T) -> bool {
        self.refill(limit, now) >= limit.most
    }

    /// Whether one is left.
    pub fn has_one(&mut self, limit: Limit, now: T) -> bool {
        self.refill(limit, now) >= 1.0
    }

    /// Takes one, if one is left.
    pub fn take(&mut self, limit: Limit, now: T) -> bool {
        let has_one = self.has_one(limit, now);
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }

    fn refill(&mut self, limit: Limit, now: T) -> f64 {
        if now > self.at {
            let added = (now - self.at).as_secs_f64() * limit.each_second;
            self.left = (self.left + added).min(limit.most);
            self.at = now;
        }
        self.left
    }
}
