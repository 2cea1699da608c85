//! The rate of calls that is in force. It adapts to what STS allows: AWS does not tell its limit, and other clients of
//! the account share it.
//!
//! The rate begins at [`START`] and doubles each second while STS answers, up to the ceiling. When STS throttles a call,
//! the rate is halved. It then grows linearly, back to the throttled rate in half a minute. After a minute without
//! throttling, it doubles again. After a minute without an answer, nothing is known of the limit, and the rate begins
//! anew.

use std::time::Duration;

/// The first rate, if the ceiling is not lower: a twelfth of the 600 calls per second that AWS allows by default. From
/// there, the rate is at 300 after 2.6 seconds. A herd that begins at the ceiling would make a call in vain for each
/// call in flight, if STS allowed less.
const START: f64 = 50.0;

/// The rate is not halved below this, if the ceiling is not lower. At this rate, calls in vain cost nothing that matters,
/// and it takes at most a second to notice that STS answers again.
const MINIMUM: f64 = 1.0;

/// For how long an answer of STS tells something about the limit.
const MEMORY: Duration = Duration::from_secs(60);

/// Seconds in which the rate grows back to the one that was throttled. The rate then exceeds the limit by little, so few
/// calls are throttled before it is halved again.
const RECOVERY: f64 = 30.0;

/// One answer makes the rate grow for at most this time.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// What a rate begins with, and does not exceed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    start: f64,
    pub(super) ceiling: f64,
}

impl Limits {
    /// A rate that adapts below this ceiling.
    pub(super) fn adaptive(ceiling: f64) -> Self {
        Self { start: ceiling.min(START), ceiling }
    }

    /// A rate without an effect.
    pub(super) fn unlimited() -> Self {
        Self { start: 1e9, ceiling: 1e9 }
    }
}

/// The rate in force.
#[derive(Debug)]
pub(super) struct Rate {
    limits: Limits,
    in_force: f64,
    /// When STS last answered, or throttled a call.
    answered: Duration,
    halved: Option<Halved>,
}

/// The last time at which the rate was halved.
#[derive(Clone, Copy, Debug)]
struct Halved {
    at: Duration,
    /// The rate before.
    from: f64,
}

impl Rate {
    pub(super) fn new(limits: Limits, now: Duration) -> Self {
        Self { limits, in_force: limits.start, answered: now, halved: None }
    }

    /// The rate in force, in calls per second.
    pub(super) fn in_force(&mut self, now: Duration) -> f64 {
        if self.is_outdated(now) {
            *self = Self::new(self.limits, now);
        }
        self.in_force
    }

    /// Whether it differs from a new one.
    pub(super) fn is_adapted(&self, now: Duration) -> bool {
        !self.is_outdated(now) && (self.halved.is_some() || self.in_force > self.limits.start)
    }

    /// The rate in force, if it is lower than the ceiling because STS throttled a call.
    pub(super) fn reduced(&self, now: Duration) -> Option<f64> {
        (self.halved.is_some() && !self.is_outdated(now)).then_some(self.in_force)
    }

    fn is_outdated(&self, now: Duration) -> bool {
        now.saturating_sub(self.answered) > MEMORY
    }

    /// STS answered a call.
    pub(super) fn answered(&mut self, now: Duration) {
        let before = self.in_force(now);
        let seconds = now.saturating_sub(self.answered).min(LONGEST_STEP).as_secs_f64();
        let grown = match self.halved {
            Some(Halved { at, from }) if now.saturating_sub(at) < MEMORY => {
                before + from / 2.0 / RECOVERY * seconds
            }
            Some(_) | None => before * seconds.exp2(),
        };
        self.in_force = grown.min(self.limits.ceiling);
        self.halved = self.halved.filter(|_| grown < self.limits.ceiling);
        self.answered = self.answered.max(now);
    }

    /// STS throttled a call of a turn that began at `begun`. The calls that were in flight when the rate was halved do
    /// not halve it again. Returns whether the rate was halved.
    pub(super) fn throttled(&mut self, begun: Duration, now: Duration) -> bool {
        let before = self.in_force(now);
        self.answered = self.answered.max(now);
        if self.halved.is_some_and(|halved| begun < halved.at) {
            return false;
        }
        self.halved = Some(Halved { at: now, from: before });
        self.in_force = (before / 2.0).max(MINIMUM.min(self.limits.ceiling));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Answers ten times a second, from one time to another.
    fn answer(rate: &mut Rate, from: u32, to: u32) -> f64 {
        (from * 10..=to * 10).for_each(|tenth| rate.answered(at(f64::from(tenth) / 10.0)));
        rate.in_force(at(to.into()))
    }

    fn rate() -> Rate {
        Rate::new(Limits::adaptive(300.0), Duration::ZERO)
    }

    #[test]
    fn begins_low_and_is_at_the_ceiling_within_three_seconds() {
        let mut rate = rate();
        assert_eq!(rate.in_force(at(0.0)), 50.0);
        let second = answer(&mut rate, 0, 1);
        assert!((99.0..101.0).contains(&second), "{second}");
        assert_eq!(answer(&mut rate, 1, 3), 300.0);
        assert_eq!(answer(&mut rate, 3, 20), 300.0);
        assert_eq!(rate.reduced(at(20.0)), None);
        assert_eq!(Rate::new(Limits::adaptive(5.0), at(0.0)).in_force(at(0.0)), 5.0);
    }

    #[test]
    fn calls_in_flight_do_not_halve_the_rate_again() {
        let mut rate = rate();
        answer(&mut rate, 0, 3);
        for _ in 0..20 {
            rate.throttled(at(2.9), at(3.1));
        }
        assert_eq!(rate.reduced(at(3.1)), Some(150.0));
        rate.throttled(at(3.1), at(3.2));
        assert_eq!(rate.reduced(at(3.2)), Some(75.0));
    }

    #[test]
    fn is_never_below_the_minimum() {
        let mut rate = rate();
        for second in 1..100 {
            rate.throttled(at(second.into()), at(second.into()));
        }
        assert_eq!(rate.in_force(at(99.0)), 1.0);
    }

    #[test]
    fn grows_back_in_half_a_minute_and_then_faster() {
        let mut rate = rate();
        answer(&mut rate, 0, 1);
        rate.throttled(at(1.0), at(1.0));
        let half = answer(&mut rate, 1, 16);
        assert!((74.0..77.0).contains(&half), "{half}");
        let whole = answer(&mut rate, 16, 31);
        assert!((99.0..103.0).contains(&whole), "{whole}");
        assert!(answer(&mut rate, 31, 60) < 151.0);
        assert_eq!(answer(&mut rate, 60, 63), 300.0);
        assert!(rate.halved.is_none(), "the throttling is forgotten");
    }

    #[test]
    fn begins_anew_after_a_minute_without_an_answer() {
        let mut rate = rate();
        rate.throttled(at(1.0), at(1.0));
        assert_eq!(rate.in_force(at(61.0)), 25.0);
        assert!(rate.is_adapted(at(61.0)));
        assert_eq!((rate.is_adapted(at(61.1)), rate.reduced(at(61.1))), (false, None));
        assert_eq!(rate.in_force(at(61.1)), 50.0);
    }
}
