//! Failures: their classes, and how long each waits before the next attempt.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::FailureStatus;
use crate::reason::Reason;
use crate::schedule::spread;
use crate::text::one_line;

/// Longest message, in characters: it stands in a condition, which takes 32 KiB, and in log lines.
const LONGEST_MESSAGE: usize = 2000;

/// What kind of failure it is, which decides the backoff.
// The variants have no doc comments: with them the schema would not be structural.
#[allow(missing_docs)]
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[schemars(inline)]
pub enum Class {
    Blocked,
    Refused,
    Throttled,
    Transient,
}

impl Class {
    /// Every class.
    pub const ALL: &[Self] = &[Self::Blocked, Self::Refused, Self::Throttled, Self::Transient];

    /// The name, as statuses and metrics carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::Refused => "Refused",
            Self::Throttled => "Throttled",
            Self::Transient => "Transient",
        }
    }

    /// How long the first failure of this class waits. A new role can answer `AccessDenied` for 10
    /// to 30 s until IAM has spread it, so a refusal is tried again after 10 s.
    pub const fn shortest_wait(self) -> SignedDuration {
        match self {
            Self::Blocked => SignedDuration::from_secs(15),
            Self::Refused => SignedDuration::from_secs(10),
            Self::Throttled => SignedDuration::from_secs(5),
            Self::Transient => SignedDuration::from_secs(1),
        }
    }

    /// The longest wait of this class. Never endless: a repaired trust policy announces itself by
    /// no event.
    pub const fn longest_wait(self) -> SignedDuration {
        match self {
            Self::Blocked => SignedDuration::from_mins(10),
            Self::Refused => SignedDuration::from_hours(1),
            Self::Throttled | Self::Transient => SignedDuration::from_mins(5),
        }
    }
}

/// Something that stands in the way, before it is known how often it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Which one.
    pub reason: Reason,
    /// What happened and what to change, for a person. Never holds a secret value.
    pub message: String,
}

impl Problem {
    /// A problem, in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: one_line(&message.into(), LONGEST_MESSAGE) }
    }

    /// A problem with a call to STS: which call, what happened, and the advice of the reason.
    pub fn of_call(reason: Reason, action: &str, target: &str, what: &str) -> Self {
        Self::advised(reason, action, target, what, reason.advice())
    }

    /// The same, with advice that knows more than the reason.
    pub fn advised(reason: Reason, action: &str, target: &str, what: &str, advice: &str) -> Self {
        Self::new(reason, format!("{action} for {target} failed: {what}. {advice}"))
    }

    /// Its class; a reason that is no failure by itself counts as transient.
    pub fn class(&self) -> Class {
        self.reason.class().unwrap_or(Class::Transient)
    }
}

/// The least wait between two attempts, however little validity is left.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait for the API server of our own cluster, which a retry does not burden: credentials
/// may be waiting in memory to be written.
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
/// The wait doubles with each failure of the same class, up to the longest of that class, and never
/// exceeds a third of what is left until `expiration`. As that makes attempts come thick and fast
/// before the expiry, the wait is also no longer than what doubling makes of the time since the first
/// failure: once expired, nobody waits for an hour over half a minute's failures. It comes earlier by up to a tenth, by a
/// stable function of `uid`, so that what failed together does not come back together.
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

/// How long to wait before trying again to write a status that says so many times in a row that the
/// API server could not be reached: it can be kept only in memory.
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
    use proptest::prelude::*;

    fn problem(class: Class) -> Problem {
        let reason = Reason::ALL.iter().find(|r| r.class() == Some(class)).unwrap();
        Problem::new(*reason, "x")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_problem_with_a_call_names_the_call_and_says_what_to_do() {
        let problem =
            Problem::of_call(Reason::PolicyTooLarge, "AssumeRole", "arn:r", "AWS says no");
        assert_eq!(
            problem.message,
            "AssumeRole for arn:r failed: AWS says no. Shorten policy, or use fewer policyArns and tags."
        );
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
