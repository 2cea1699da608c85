//! Backoff: which failure is current, and how long it waits before the next attempt.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CredentialStatus, FailureStatus};
use crate::desired::Desired;
use crate::problem::{Class, Problem, Reason};
use crate::schedule::spread;

/// The current failure of a status: not one of an earlier spec, nor one that the grants of now have changed.
///
/// A failure whose reason this version does not know, written by a newer one, is not current: it is tried again.
pub fn current_failure<'a>(
    status: &'a CredentialStatus,
    desired: &Desired,
) -> Option<&'a FailureStatus> {
    let failure = status.failure.as_ref()?;
    let reason = failure.reason()?;
    let outdated = match (&desired.denied, reason) {
        (Some(_), Reason::NotGranted) => false,
        // Where the Secret could not be removed yet, its removal backs off.
        (Some(_), other) => !is_about_secret(other),
        (None, reason) => reason == Reason::NotGranted,
    };
    (status.observed_generation == Some(desired.generation) && !outdated).then_some(failure)
}

/// A failure whose next attempt is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Whether reading or writing the Secret failed. Then both wait, whereas a refusal of STS does not stop a
    /// repair.
    pub about_secret: bool,
}

/// The backoff that is in force.
///
/// A new renewal request and a changed input do not wait for it. Once tried, they do.
pub fn backing_off(
    desired: &Desired,
    status: &CredentialStatus,
    attempted_request: Option<&str>,
    inputs_changed: bool,
    now: Timestamp,
) -> Option<BackOff> {
    let failure = current_failure(status, desired)?;
    let new_request = requested_renewal(desired, status)
        .is_some_and(|request| Some(request) != attempted_request);
    if new_request || inputs_changed || !is_before(now, failure) {
        return None;
    }
    Some(BackOff { about_secret: failure.reason().is_some_and(is_about_secret) })
}

/// Whether the next attempt of a failure is still to come.
fn is_before(now: Timestamp, failure: &FailureStatus) -> bool {
    // The status is read back after a restart, and a user may have edited it.
    let latest = now.saturating_add(failure.class.longest_wait() + ROUNDING);
    let plausible = latest.is_ok_and(|latest| failure.next_attempt.0 <= latest);
    now < failure.next_attempt.0 && plausible
}

/// The renewal that is requested by annotation and not done yet.
pub fn requested_renewal<'a>(desired: &'a Desired, status: &CredentialStatus) -> Option<&'a str> {
    let request = desired.renew_request.as_deref();
    request.filter(|_| request != status.last_renew_request.as_deref())
}

/// Rounding may make a time in a status later than the wait that it was computed from, by at most this.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

fn is_about_secret(reason: Reason) -> bool {
    matches!(reason, Reason::SecretRejected | Reason::SecretConflict | Reason::ApiServerUnavailable)
}

/// The failure of a resource that no grant allows.
///
/// Evaluating the grants costs nothing, so a reconciliation that finds the same denial is not an attempt: until
/// the next attempt is due, only the message changes.
pub fn after_denial(
    problem: &Problem,
    before: Option<&FailureStatus>,
    uid: &str,
    now: Timestamp,
) -> FailureStatus {
    match before.filter(|f| f.reason() == Some(problem.reason) && is_before(now, f)) {
        Some(same) => FailureStatus { message: problem.message.clone(), ..same.clone() },
        None => after(problem, before, None, uid, now),
    }
}

/// The least wait between two attempts, however little validity is left.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait for the API server of our own cluster: a retry is cheap, and credentials may be waiting in
/// memory to be written.
const LONGEST_WAIT_FOR_API_SERVER: SignedDuration = SignedDuration::from_secs(30);

/// The longest wait after this problem.
fn longest_wait(problem: &Problem) -> SignedDuration {
    match problem.reason {
        Reason::ApiServerUnavailable => LONGEST_WAIT_FOR_API_SERVER,
        _ => problem.class().longest_wait(),
    }
}

/// Adds one more failed attempt to `before`.
///
/// The wait doubles with each failure of the same class, up to the longest of that class, and never exceeds a
/// third of the time until `expiration`. That makes attempts frequent before the expiration, so the wait is also
/// at most about the time since the first failure: many failures within half a minute do not add up to an hour.
/// Each wait is shortened by up to a tenth, by a stable function of `uid`, so that resources that failed together
/// are not tried again together.
pub fn after(
    problem: &Problem,
    before: Option<&FailureStatus>,
    expiration: Option<Timestamp>,
    uid: &str,
    now: Timestamp,
) -> FailureStatus {
    let class = problem.class();
    let count = before.filter(|b| b.class == class).map_or(1, |b| b.count.saturating_add(1));
    let since = before.map_or(Time(now), |b| b.since.clone());
    let failing_for = now.duration_since(since.0).max(SignedDuration::ZERO);
    FailureStatus {
        class,
        reason: problem.reason.as_str().to_owned(),
        message: problem.message.clone(),
        count,
        since,
        next_attempt: Time(
            now + wait(class, count, Some(failing_for), expiration, uid, now)
                .min(longest_wait(problem)),
        ),
    }
}

/// How long to wait before the next write of a status, after `count` writes in a row that did not reach the API
/// server: such a failure can be kept only in memory.
pub fn wait_unreachable(count: u32, uid: &str) -> SignedDuration {
    wait(Class::Transient, count.min(6), None, None, uid, Timestamp::UNIX_EPOCH)
}

fn wait(
    class: Class,
    count: u32,
    failing_for: Option<SignedDuration>,
    expiration: Option<Timestamp>,
    uid: &str,
    now: Timestamp,
) -> SignedDuration {
    let doublings = count.saturating_sub(1).min(20);
    let mut full = (class.shortest_wait() * (1 << doublings)).min(class.longest_wait());
    if let Some(failing_for) = failing_for {
        // A tenth more, by which waits come earlier, and the second that a status cuts off.
        let waited = failing_for + SignedDuration::from_secs(1);
        full = full.min(waited + waited / 9 + class.shortest_wait());
    }
    let mut wait = full - spread(uid, full / 10);
    if let Some(left) =
        expiration.map(|at| at.duration_since(now)).filter(SignedDuration::is_positive)
    {
        wait = wait.min(left / 3);
    }
    // Status holds whole seconds, cut off: one more, so that a wait of 1 s is not cut to none.
    SignedDuration::from_secs(wait.max(LEAST_WAIT).as_secs()) + SignedDuration::from_millis(999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, denial, desired, failing, with_renew_request};
    use proptest::prelude::*;
    use serde_json::json;

    fn problem(class: Class) -> Problem {
        let reason = Reason::ALL.iter().find(|r| r.class() == Some(class)).unwrap();
        Problem::new(*reason, "x")
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest_of_its_class() {
        for class in Class::ALL {
            let mut failure = None;
            let mut waits = vec![];
            let mut now = at(0);
            for _ in 0..20 {
                let next = after(&problem(*class), failure.as_ref(), None, "uid", now);
                let doubled = class.shortest_wait() * (1 << waits.len());
                let full = doubled.min(class.longest_wait());
                let wait = next.next_attempt.0.duration_since(now);
                assert!(wait >= full * 9 / 10, "{class:?}: {wait:?}, not {full:?}");
                waits.push(wait);
                now = next.next_attempt.0;
                failure = Some(next);
            }
            assert!(waits.is_sorted(), "{class:?}: {waits:?}");
            assert!(waits[0] <= class.shortest_wait() + SignedDuration::from_secs(1), "{class:?}");
            assert!(
                *waits.last().unwrap() >= class.longest_wait() * 9 / 10,
                "{class:?}: never reaches its longest"
            );
        }
    }

    #[test]
    fn many_failures_in_little_time_do_not_add_up_to_a_long_wait() {
        let (expiration, mut now, mut failure) = (at(30), at(0), None);
        while now < expiration {
            let problem = problem(Class::Refused);
            let next = after(&problem, failure.as_ref(), Some(expiration), "uid", now);
            now = next.next_attempt.0;
            failure = Some(next);
        }
        let failure = failure.unwrap();
        assert!(failure.count > 5, "{failure:?}");
        let expired = after(&problem(Class::Refused), Some(&failure), None, "uid", now);
        let wait = expired.next_attempt.0.duration_since(now);
        assert!(wait < SignedDuration::from_mins(1), "{wait:?}");
    }

    #[test]
    fn another_class_counts_from_one_but_remembers_since_when_it_fails() {
        let first = after(&problem(Class::Transient), None, None, "uid", at(0));
        let second = after(&problem(Class::Transient), Some(&first), None, "uid", at(10));
        let third = after(&problem(Class::Refused), Some(&second), None, "uid", at(20));
        assert_eq!((second.count, third.count), (2, 1));
        assert_eq!(third.since, Time(at(0)));
    }

    #[test]
    fn a_new_renewal_request_and_a_changed_input_do_not_wait() {
        let (plain, requested) = (desired(json!({})), desired(with_renew_request("now")));
        let failing = failing("AccessDenied", 1, 200);
        for (row, desired, attempted, inputs_changed, now, backs_off) in [
            ("before the next attempt", &plain, None, false, 199, true),
            ("at the next attempt", &plain, None, false, 200, false),
            ("an input changed", &plain, None, true, 100, false),
            ("a new renewal request", &requested, None, false, 100, false),
            ("another request was tried", &requested, Some("earlier"), false, 100, false),
            ("the request was tried", &requested, Some("now"), false, 100, true),
        ] {
            let got = backing_off(desired, &failing, attempted, inputs_changed, at(now));
            assert_eq!(got.is_some(), backs_off, "{row}");
        }
    }

    #[test]
    fn only_a_failure_that_the_spec_and_the_grants_of_now_explain_is_current() {
        let granted = desired(json!({}));
        let denied = Desired { denied: Some(denial()), ..granted.clone() };
        for (row, desired, reason, generation, current) in [
            ("of this generation", &granted, "AccessDenied", 1, true),
            ("of an earlier generation", &granted, "AccessDenied", 0, false),
            ("a reason that this version does not know", &granted, "OfANewerVersion", 1, false),
            ("denied, and granted by now", &granted, "NotGranted", 1, false),
            ("denied before", &denied, "NotGranted", 1, true),
            ("refused, and denied by now", &denied, "AccessDenied", 1, false),
            ("the Secret could not be removed", &denied, "ApiServerUnavailable", 1, true),
        ] {
            let status = failing(reason, generation, 200);
            assert_eq!(current_failure(&status, desired).is_some(), current, "{row}");
        }
    }

    #[test]
    fn the_same_denial_changes_nothing_but_the_message_until_it_is_due() {
        let first = after_denial(&denial(), None, "uid", at(0));
        let other = Problem::new(Reason::NotGranted, "for another reason");
        let again = after_denial(&other, Some(&first), "uid", at(10));
        let message = "for another reason".to_owned();
        assert_eq!(again, FailureStatus { message, ..first.clone() });
        let due = after_denial(&other, Some(&again), "uid", at(20));
        assert_eq!((due.count, &due.since), (2, &first.since));
        assert!(due.next_attempt > again.next_attempt);
    }

    #[test]
    fn the_api_server_of_the_cluster_is_tried_again_soon() {
        let problem = Problem::new(Reason::ApiServerUnavailable, "x");
        let mut failure = None;
        for _ in 0..20 {
            failure = Some(after(&problem, failure.as_ref(), None, "uid", at(0)));
        }
        let wait = failure.unwrap().next_attempt.0.duration_since(at(0));
        assert!(wait <= LONGEST_WAIT_FOR_API_SERVER, "{wait:?}");
    }

    proptest! {
        #[test]
        fn never_waits_past_a_third_of_the_remaining_validity(
            class in prop::sample::select(Class::ALL), count in 0u32..100, left in 6i64..100_000,
        ) {
            let waited = wait(class, count, None, Some(at(left)), "uid", at(0));
            prop_assert!(waited.as_secs() <= (left / 3).max(1), "{waited:?} of {left}");
        }

        #[test]
        fn waits_at_least_a_second_and_at_most_the_longest(
            class in prop::sample::select(Class::ALL), count in any::<u32>(), uid in ".*", left in -10i64..10,
        ) {
            let waited = wait(class, count, None, Some(at(left)), &uid, at(0));
            prop_assert!(waited >= LEAST_WAIT);
            prop_assert!(waited <= class.longest_wait() + SignedDuration::from_secs(1));
        }
    }
}
