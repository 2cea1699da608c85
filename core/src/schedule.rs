//! The renewal time of credentials: a pure function of their lifetime, the spec and the UID of the resource.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::api::Renewal;

/// Shortest time between issue and renewal for which a margin fits the lifetime.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(5);

/// Shortest time between `issued_at` and renewal, regardless of the spec and the reply of STS. Without it, a lifetime
/// shorter than `renewal.before` would cause a renewal loop. It is one second longer than the documented 5 s, because
/// `issued_at` is truncated to whole seconds.
pub const LEAST_AGE: SignedDuration = SignedDuration::from_secs(6);

/// Shortest time between two STS calls of one resource that a user causes: by changing the spec or an input, by
/// requesting a renewal, or by deleting or editing the Secret. The first one is made immediately.
pub const CALL_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// For this time after an STS call, a watch that does not show the Secret as this process wrote it is taken to be behind.
/// Then the Secret is not read. An edit in this time is repaired at its end.
pub const WATCH_LAG: SignedDuration = SignedDuration::from_secs(2);

/// Shortest time between renewal and expiration, if the lifetime allows it. It leaves time for slow calls to STS, and
/// for retries.
const LEAST_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// When to renew credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The renewal time.
    pub renew_at: Timestamp,
    /// Whether `spec.renewal` does not fit the lifetime, so the default is used.
    pub clamped: bool,
}

/// Computes when to renew credentials that were issued at `issued` and expire at `expires`.
///
/// The margin before the expiration is that of the spec; the default is one third of the lifetime. A margin that does
/// not fit the lifetime is replaced by the default. The renewal is then moved earlier by up to one tenth of the time
/// since the issue, by a stable function of `uid`. It is never earlier than [`LEAST_AGE`] after the issue.
pub fn schedule(
    issued: Timestamp,
    expires: Timestamp,
    renewal: Option<&Renewal>,
    uid: &str,
) -> Schedule {
    let lifetime = expires.duration_since(issued).max(SignedDuration::ZERO);
    let floor = LEAST_MARGIN.min(lifetime / 3);
    let requested = renewal.and_then(|r| margin(r, lifetime)).map(|margin| margin.max(floor));
    let fits = |margin: &SignedDuration| lifetime - *margin >= LEAST_WAIT;
    let (margin, clamped) = match requested {
        Some(margin) => (Some(margin).filter(fits).unwrap_or(lifetime / 3), !fits(&margin)),
        None => (lifetime / 3, false),
    };
    let wait = lifetime - margin;
    let early = spread(uid, wait / 10);
    // Saturating: `issued` may come from an annotation that a user edited.
    let renew_at = issued.saturating_add((wait - early).max(LEAST_AGE)).unwrap_or(Timestamp::MAX);
    Schedule { renew_at, clamped }
}

fn margin(renewal: &Renewal, lifetime: SignedDuration) -> Option<SignedDuration> {
    match (renewal.before, renewal.before_percentage) {
        (Some(before), _) => Some(before.as_signed()),
        (None, Some(percent)) => Some(lifetime * i32::from(percent) / 100),
        (None, None) => None,
    }
}

/// A stable duration between zero and `window`, computed from `uid`.
///
/// It is not random, so a restart does not change the schedule.
pub fn spread(uid: &str, window: SignedDuration) -> SignedDuration {
    let digest = Sha256::digest(uid.as_bytes());
    let share = i64::from(u16::from_be_bytes([digest[0], digest[1]]));
    let millis = i64::try_from(window.as_millis()).unwrap_or(i64::MAX / i64::from(u16::MAX));
    SignedDuration::from_millis(millis.saturating_mul(share) / i64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Duration;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn before(seconds: u64) -> Renewal {
        Renewal { before: Some(Duration::from_secs(seconds)), ..Renewal::default() }
    }

    fn percent(percent: u8) -> Renewal {
        Renewal { before_percentage: Some(percent), ..Renewal::default() }
    }

    #[test]
    fn renews_at_the_margin_of_the_spec() {
        let rows = [
            ("default: a third is left", 3600, None, 2400, false),
            ("before", 3600, Some(before(600)), 3000, false),
            ("percentage", 3600, Some(percent(25)), 2700, false),
            ("never later than 30s before", 3600, Some(before(0)), 3570, false),
            ("a margin that just fits", 900, Some(before(895)), 6, false),
            ("longer than the lifetime: the default instead", 900, Some(before(900)), 600, true),
            ("leaves less than 5s: the default instead", 900, Some(before(897)), 600, true),
            ("never later than a third before", 60, Some(before(0)), 40, false),
            ("a very short lifetime", 6, None, 6, false),
        ];
        for (row, lifetime, renewal, expected, clamped) in rows {
            let got = schedule(at(0), at(lifetime), renewal.as_ref(), "uid");
            let age = got.renew_at.as_second();
            assert!(age <= expected && age >= (expected * 9 / 10).max(6), "{row}: renews at {age}");
            assert_eq!(got.clamped, clamped, "{row}");
        }
    }

    #[test]
    fn credentials_that_are_issued_expired_are_not_renewed_immediately() {
        assert_eq!(schedule(at(100), at(50), None, "uid").renew_at, at(106));
    }

    #[test]
    fn times_at_the_limits_do_not_overflow() {
        let (end, uid) = (Timestamp::MAX, "uid");
        assert_eq!(schedule(end, end, None, uid).renew_at, end);
        assert_eq!(schedule(end, Timestamp::MIN, None, uid).renew_at, end);
        assert!(schedule(Timestamp::MIN, end, None, uid).renew_at < end);
    }

    #[test]
    fn a_window_of_any_length_is_spread() {
        assert_eq!(spread("uid", SignedDuration::ZERO), SignedDuration::ZERO);
        assert!(spread("uid", SignedDuration::MAX) > SignedDuration::from_hours(1000));
    }

    proptest! {
        #[test]
        fn never_renews_in_a_loop_or_after_the_expiration(
            lifetime in 0i64..200_000, seconds in 0u64..200_000, share in 1u8..100, uid in ".*", which in 0..3,
        ) {
            let renewal = [None, Some(before(seconds)), Some(percent(share))][which as usize];
            let got = schedule(at(0), at(lifetime), renewal.as_ref(), &uid);
            prop_assert!(got.renew_at >= at(6), "renewed within 5s of the issue");
            if lifetime > 10 {
                prop_assert!(got.renew_at < at(lifetime), "renewed only after expiry");
            }
        }

        #[test]
        fn is_moved_earlier_by_a_stable_share_of_at_most_a_tenth(lifetime in 900i64..43_200, uid in ".*") {
            let got = schedule(at(0), at(lifetime), None, &uid).renew_at;
            prop_assert_eq!(got, schedule(at(0), at(lifetime), None, &uid).renew_at);
            let latest = lifetime - lifetime / 3;
            prop_assert!(got <= at(latest) && got >= at(latest * 9 / 10 - 1));
        }

        #[test]
        fn shares_are_spread_over_the_window(seed in any::<u32>()) {
            let window = SignedDuration::from_secs(1000);
            let shares: Vec<_> = (0..64).map(|n| spread(&format!("{seed}-{n}"), window).as_secs()).collect();
            prop_assert!(shares.iter().any(|s| *s < 400) && shares.iter().any(|s| *s > 600));
        }
    }
}
