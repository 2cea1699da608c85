//! Notices that the system clock was set, or that the machine was suspended.
//!
//! Timers use the monotonic clock, which stops while the machine is suspended, but expirations use the system clock. After
//! a jump of the system clock, the timers of all resources are wrong.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::shared::Indexes;

/// Time between two comparisons of the clocks.
const INTERVAL: Duration = Duration::from_secs(10);

/// A difference that a clock which is adjusted slowly does not reach within the interval: at most 500 ppm on Linux.
const JUMP: SignedDuration = SignedDuration::from_secs(1);

/// Requeues every resource when the system clock has jumped. Never returns.
pub(super) async fn follow(indexes: &Indexes) {
    let mut last = Reading::now();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = Reading::now();
        if let Some(jump) = now.jump_since(&last) {
            let resources: usize =
                indexes.wakers().iter().map(|waker| waker.wake_all(|_| true).len()).sum();
            tracing::info!(%jump, resources, "the system clock jumped: reconciling every resource");
        }
        last = now;
    }
}

/// Both clocks at one time.
struct Reading {
    system: Timestamp,
    monotonic: Instant,
}

impl Reading {
    fn now() -> Self {
        Self { system: Timestamp::now(), monotonic: Instant::now() }
    }

    /// How far the system clock has jumped since then. Negative if it was set back. `None` if it has not.
    fn jump_since(&self, last: &Self) -> Option<SignedDuration> {
        let monotonic = self.monotonic.saturating_duration_since(last.monotonic);
        let monotonic = SignedDuration::try_from(monotonic).unwrap_or(SignedDuration::MAX);
        let jump = self.system.duration_since(last.system).saturating_sub(monotonic);
        (jump.abs() > JUMP).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_a_difference_between_the_clocks() {
        let last = Reading::now();
        let rows = [
            ("both go on", 10_000, 10_000, None),
            ("the system clock is adjusted slowly", 10_005, 10_000, None),
            ("the timer was late", 60_000, 60_000, None),
            ("the machine was suspended", 3_600_000, 10_000, Some(3_590_000)),
            ("the system clock was set back", -50_000, 10_000, Some(-60_000)),
        ];
        for (row, system, monotonic, expected) in rows {
            let now = Reading {
                system: last.system + SignedDuration::from_millis(system),
                monotonic: last.monotonic + Duration::from_millis(monotonic),
            };
            let expected = expected.map(SignedDuration::from_millis);
            assert_eq!(now.jump_since(&last), expected, "{row}");
        }
    }
}
