//! Backoff: which failure is current, and when the next attempt is made.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CredentialStatus, FailureStatus};
use crate::desired::Desired;
use crate::problem::{Class, Problem, Reason};
use crate::schedule::spread;

/// The failure of a status, if it is current: it must belong to the current generation of the spec and fit the current
/// grants.
///
/// A failure whose reason is unknown (a newer version of tempcred wrote it) is not current: the attempt is repeated.
pub fn current_failure<'a>(
    status: &'a CredentialStatus,
    desired: &Desired,
) -> Option<&'a FailureStatus> {
    let failure = status.failure.as_ref()?;
    let reason = failure.reason()?;
    let outdated = match &desired.denied {
        Some(denied) if reason.is_denial() => reason != denied.reason,
        // If the Secret could not be removed, its removal backs off.
        Some(_) => !is_about_secret(reason),
        None => reason.is_denial(),
    };
    (status.observed_generation == Some(desired.generation) && !outdated).then_some(failure)
}

/// A failure whose next attempt is in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// Whether reading or writing the Secret failed. Then both back off. After other failures, the Secret can
    /// be read and rewritten immediately.
    pub about_secret: bool,
}

/// The backoff that is in effect at `now`.
///
/// A new renewal request and a changed input are tried immediately. If that attempt fails, they back off too.
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

/// The class of the failure of the last call, if the time has come to try the call again.
pub fn retried(desired: &Desired, status: &CredentialStatus, now: Timestamp) -> Option<Class> {
    let failure = current_failure(status, desired)?;
    let is_due = !is_before(now, failure) && !failure.reason().is_some_and(is_about_secret);
    is_due.then_some(failure.class)
}

/// Whether the next attempt of a failure is in the future.
fn is_before(now: Timestamp, failure: &FailureStatus) -> bool {
    // The status is read after a restart, and users may edit it: an implausible time is ignored.
    let latest = now.saturating_add(failure.class.longest_wait() + ROUNDING);
    let plausible = latest.is_ok_and(|latest| failure.next_attempt.0 <= latest);
    now < failure.next_attempt.0 && plausible
}

/// The value of the annotation that requests a renewal, if that renewal is not done yet.
pub fn requested_renewal<'a>(desired: &'a Desired, status: &CredentialStatus) -> Option<&'a str> {
    let request = desired.renew_request.as_deref();
    request.filter(|_| request != status.last_renew_request.as_deref())
}

/// By how much rounding may make a time in a status later than the computed one.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

fn is_about_secret(reason: Reason) -> bool {
    matches!(reason, Reason::SecretRejected | Reason::SecretConflict | Reason::ApiServerUnavailable)
}

/// The next failure of a resource that the grants deny. `before` is the current failure.
///
/// Evaluating the grants makes no request, so a reconciliation that finds the same denial is not an attempt. Until the
/// next attempt is due, only the message changes.
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

/// Shortest wait between two attempts, even shortly before the expiration.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Longest wait between two requests to the API server of the cluster. A retry is cheap, and issued credentials may be
/// in memory, not yet written.
const LONGEST_WAIT_FOR_API_SERVER: SignedDuration = SignedDuration::from_secs(30);

/// Longest wait after this problem.
fn longest_wait(problem: &Problem) -> SignedDuration {
    match problem.reason {
        Reason::ApiServerUnavailable => LONGEST_WAIT_FOR_API_SERVER,
        _ => problem.class().longest_wait(),
    }
}

/// The next failure, after one more failed attempt. `before` is the current failure.
///
/// The wait doubles with each failure of the same class, up to the longest wait of that class. It never exceeds one
/// third of the time until `expiration`. Attempts are therefore frequent shortly before the expiration. So the wait is
/// also limited to about the time since the first failure: many failures within half a minute do not cause a wait of an
/// hour. Each wait is shortened by up to one tenth, by a stable function of `uid`, so that resources that failed at the
/// same time are not retried at the same time.
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

/// The wait before the next write of a status, after `count` consecutive writes that did not reach the API server. Such
/// a failure cannot be stored in the status, so it is counted in memory.
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
        // Compensates for the tenth by which waits are shortened, and for the fraction that the status truncates.
        let waited = failing_for + SignedDuration::from_secs(1);
        full = full.min(waited + waited / 9 + class.shortest_wait());
    }
    let mut wait = full - spread(uid, full / 10);
    if let Some(left) =
        expiration.map(|at| at.duration_since(now)).filter(SignedDuration::is_positive)
    {
        wait = wait.min(left / 3);
    }
    // The status truncates times to whole seconds. Without the added 999 ms, a wait of 1 s could become 0 s.
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
    fn the_wait_doubles_up_to_the_longest_wait_of_its_class() {
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
    fn many_failures_within_seconds_do_not_cause_a_long_wait() {
        let (expiration, mut now, mut failure) = (at(30), at(0), None);
        for _ in 0..30 {
            if now >= expiration {
                break;
            }
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
    fn another_class_counts_from_one_but_keeps_the_time_of_the_first_failure() {
        let first = after(&problem(Class::Transient), None, None, "uid", at(0));
        let second = after(&problem(Class::Transient), Some(&first), None, "uid", at(10));
        let third = after(&problem(Class::Refused), Some(&second), None, "uid", at(20));
        assert_eq!((second.count, third.count), (2, 1));
        assert_eq!(third.since, Time(at(0)));
    }

    #[test]
    fn a_new_renewal_request_and_a_changed_input_do_not_back_off() {
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
    fn only_a_failure_of_the_current_spec_and_grants_is_current() {
        let granted = desired(json!({}));
        let denied = Desired { denied: Some(denial()), ..granted.clone() };
        for (row, desired, reason, generation, current) in [
            ("of this generation", &granted, "AccessDenied", 1, true),
            ("of an earlier generation", &granted, "AccessDenied", 0, false),
            ("a reason that this version does not know", &granted, "OfANewerVersion", 1, false),
            ("denied, and granted since", &granted, "NotGranted", 1, false),
            ("denied before", &denied, "NotGranted", 1, true),
            ("refused, and denied since", &denied, "AccessDenied", 1, false),
            ("the Secret could not be removed", &denied, "ApiServerUnavailable", 1, true),
        ] {
            let status = failing(reason, generation, 200);
            assert_eq!(current_failure(&status, desired).is_some(), current, "{row}");
        }
    }

    #[test]
    fn the_same_denial_changes_only_the_message_until_it_is_due() {
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
    fn requests_to_the_api_server_are_retried_soon() {
        let problem = Problem::new(Reason::ApiServerUnavailable, "x");
        let (mut failure, mut now) = (None, at(0));
        let mut waits = vec![];
        for _ in 0..20 {
            let next = after(&problem, failure.as_ref(), None, "uid", now);
            waits.push(next.next_attempt.0.duration_since(now));
            now = next.next_attempt.0;
            failure = Some(next);
        }
        assert!(waits[0] >= SignedDuration::from_secs(1), "{waits:?}");
        assert_eq!(waits.pop(), Some(LONGEST_WAIT_FOR_API_SERVER));
    }

    #[test]
    fn status_writes_are_retried_after_one_second_to_half_a_minute() {
        let wait = |count| wait_unreachable(count, "uid").as_secs();
        assert_eq!((wait(1), wait(2), wait(3)), (1, 1, 3));
        assert!((28..=32).contains(&wait(6)), "{}", wait(6));
        assert_eq!(wait(1000), wait(6));
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
        fn waits_between_a_second_and_the_longest_wait_of_the_class(
            class in prop::sample::select(Class::ALL), count in any::<u32>(), uid in ".*", left in -10i64..10,
        ) {
            let waited = wait(class, count, None, Some(at(left)), &uid, at(0));
            prop_assert!(waited >= LEAST_WAIT);
            prop_assert!(waited <= class.longest_wait() + SignedDuration::from_secs(1));
        }
    }
}
