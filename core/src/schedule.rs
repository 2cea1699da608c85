//! When credentials are renewed: a pure function of their lifetime, the spec and the resource.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::api::Renewal;

/// The least time that a margin has to leave between issue and renewal.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(5);

/// The least time between `issued_at` and renewal, whatever the spec says or STS returns: without it
/// a lifetime shorter than `renewal.before` would renew in a loop. A second more than
/// the 5 s that are promised, as `issued_at` is cut to the whole second before the issue.
pub const LEAST_AGE: SignedDuration = SignedDuration::from_secs(6);

/// The least time between renewal and expiry, if the lifetime has room for it: a call to STS may
/// take its time, fail and be tried again.
const LEAST_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// When to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The moment of renewal.
    pub renew_at: Timestamp,
    /// Whether the spec's `renewal` did not fit the lifetime and something else was taken.
    pub clamped: bool,
}

/// Says when credentials issued at `issued` that expire at `expires` are renewed.
///
/// The margin before expiry is the spec's, else one third of the lifetime. From that moment the
/// renewal comes earlier by up to a tenth of the wait, by a stable function of `uid`, and never
/// within [`LEAST_AGE`] of the issue. A margin that does not fit into the lifetime is replaced by
/// the default.
pub fn schedule(
    issued: Timestamp,
    expires: Timestamp,
    renewal: Option<&Renewal>,
    uid: &str,
) -> Schedule {
    let lifetime = expires.duration_since(issued).max(SignedDuration::ZERO);
    let floor = LEAST_MARGIN.min(lifetime / 3);
    let asked = renewal.and_then(|r| margin(r, lifetime)).map(|margin| margin.max(floor));
    let fits = |margin: &SignedDuration| lifetime - *margin >= LEAST_WAIT;
    let (margin, clamped) = match asked {
        Some(margin) => (Some(margin).filter(fits).unwrap_or(lifetime / 3), !fits(&margin)),
        None => (lifetime / 3, false),
    };
    let wait = lifetime - margin;
    let early = spread(uid, wait / 10);
    // Saturating: `issued` may come from an annotation that anybody edited.
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

/// A stable share of `window` for `uid`, from nothing up to the whole of it.
///
/// A function of identity rather than a random number: a restart does not move anybody's turn.
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
    fn renews_where_the_spec_says() {
        let rows = [
            ("default: a third is left", 3600, None, 2400, false),
            ("before", 3600, Some(before(600)), 3000, false),
            ("percentage", 3600, Some(percent(25)), 2700, false),
            ("never later than 30s before", 3600, Some(before(0)), 3570, false),
            ("just fits", 900, Some(before(895)), 6, false),
            ("longer than the lifetime: the default instead", 900, Some(before(900)), 600, true),
            ("leaves less than 5s: the default instead", 900, Some(before(897)), 600, true),
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
    fn credentials_that_are_born_expired_still_wait() {
        assert_eq!(schedule(at(100), at(50), None, "uid").renew_at, at(106));
    }

    #[test]
    fn an_issue_at_the_end_of_time_is_no_trouble() {
        let (end, uid) = (Timestamp::MAX, "uid");
        assert_eq!(schedule(end, end, None, uid).renew_at, end);
        assert_eq!(schedule(end, Timestamp::MIN, None, uid).renew_at, end);
        assert!(schedule(Timestamp::MIN, end, None, uid).renew_at < end);
    }

    proptest! {
        #[test]
        fn never_a_loop_and_never_late(
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
        fn comes_earlier_by_at_most_a_tenth_and_always_by_the_same(lifetime in 900i64..43_200, uid in ".*") {
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
