//! The conditions: `Ready` and why, and what stands in the way.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Held;
use crate::api::{CredentialStatus, FailureStatus};
use crate::desired::Desired;
use crate::failure::Class;
use crate::reason::Reason;

/// The type of the condition that says whether the Secret can be used.
pub(super) const READY: &str = "Ready";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";
const RENEWAL_FAILING: &str = "RenewalFailing";
const RENEWAL_CLAMPED: &str = "RenewalClamped";
const CLOCK_SKEW: &str = "ClockSkew";

/// The type of every condition that there is, that of readiness first.
pub const CONDITIONS: &[&str] =
    &[READY, RECONCILING, STALLED, RENEWAL_FAILING, RENEWAL_CLAMPED, CLOCK_SKEW];

/// How far our clock may be behind before people are told.
const TOLERATED_LAG: SignedDuration = SignedDuration::from_mins(1);

/// A condition before it is known since when it stands.
struct Draft {
    type_: &'static str,
    is: bool,
    reason: String,
    message: String,
}

/// The conditions of a resource whose `status` is otherwise complete. `living` says whether what is
/// held answers the spec and has not expired, `clamped` whether the renewal had to be moved.
pub(super) fn conditions(
    desired: &Desired,
    status: &CredentialStatus,
    before: &[Condition],
    (held, living, clamped): (Option<&Held>, bool, bool),
    now: Timestamp,
) -> Vec<Condition> {
    let failure = status.failure.as_ref();
    // As kstatus has it, Reconciling and Stalled speak of a resource that is not there yet: a renewal
    // that fails while the old credentials live is neither, it is RenewalFailing.
    let missing = failure.filter(|_| !living);
    let (stalled, retrying) = (missing.filter(|f| stalls(f)), missing.filter(|f| !stalls(f)));
    let failing = failure.filter(|_| held.is_some_and(|held| held.answers));
    let retrying = retrying.map(|f| (Reason::Retrying.as_str(), f.message.as_str()));
    let mut drafts = vec![
        ready(desired, status, held, living),
        Draft::of(RECONCILING, retrying),
        Draft::of(STALLED, stalled.map(words)),
        Draft::of(RENEWAL_FAILING, failing.map(words)),
    ];
    if let Some(held) = held.filter(|_| clamped) {
        let lifetime = held.expiration.duration_since(held.issued_at);
        let reason = Reason::LifetimeShorterThanAsked;
        let message = format!(
            "spec.renewal does not fit the {lifetime:#} that STS issued the credentials for; renewing when a third of it is left. {}",
            reason.advice()
        );
        drafts.push(Draft::of(RENEWAL_CLAMPED, Some((reason.as_str(), &message))));
    }
    let lag = held
        .filter(|held| held.answers)
        .map(|held| desired.clock_lag(held.issued_at, held.expiration))
        .filter(|lag| *lag > TOLERATED_LAG);
    if let Some(lag) = lag {
        let reason = Reason::ClockSkewed;
        let message = format!(
            "By the reply of STS, the clock of the operator's node is {lag:#} behind; renewing as if it were right. {}",
            reason.advice()
        );
        drafts.push(Draft::of(CLOCK_SKEW, Some((reason.as_str(), &message))));
    }
    drafts.into_iter().map(|draft| draft.dated(before, desired.generation, now)).collect()
}

fn stalls(failure: &FailureStatus) -> bool {
    matches!(failure.class, Class::Blocked | Class::Refused)
}

fn words(failure: &FailureStatus) -> (&str, &str) {
    (&failure.reason, &failure.message)
}

fn ready(desired: &Desired, status: &CredentialStatus, held: Option<&Held>, living: bool) -> Draft {
    let who = status.principal_arn.as_ref().map(|arn| format!(" of {arn}")).unwrap_or_default();
    let what = format!("Secret {} holds credentials{who}", desired.secret_name);
    let (reason, message) = match (held, &status.failure) {
        (Some(held), _) if living && desired.suspended => (
            Reason::Suspended.as_str(),
            format!(
                "{what}, valid until {}; not renewed, as spec.suspend is set.",
                held.expiration
            ),
        ),
        (Some(held), _) if living => {
            (Reason::Issued.as_str(), format!("{what}, valid until {}.", held.expiration))
        }
        (Some(held), failure) if held.answers => {
            let why = match failure {
                Some(failure) => &failure.message,
                None if desired.suspended => Reason::Suspended.advice(),
                None => Reason::Expired.advice(),
            };
            let message = format!("{what} that expired at {}. {why}", held.expiration);
            (Reason::Expired.as_str(), message)
        }
        (_, Some(failure)) => (failure.reason.as_str(), failure.message.clone()),
        (_, None) if desired.suspended => {
            let advice = Reason::Suspended.advice();
            let message = format!("Nothing is issued, as spec.suspend is set. {advice}");
            (Reason::Suspended.as_str(), message)
        }
        (_, None) => (Reason::Retrying.as_str(), Reason::Retrying.advice().to_owned()),
    };
    Draft { type_: READY, is: living, reason: reason.to_owned(), message }
}

impl Draft {
    /// True with these reason and message, or false as all is well.
    fn of(type_: &'static str, words: Option<(&str, &str)>) -> Self {
        let (reason, message) =
            words.unwrap_or((Reason::AllWell.as_str(), Reason::AllWell.meaning()));
        Self { type_, is: words.is_some(), reason: reason.to_owned(), message: message.to_owned() }
    }

    /// With the time at which its status last changed.
    fn dated(self, before: &[Condition], generation: i64, now: Timestamp) -> Condition {
        let status = if self.is { "True" } else { "False" };
        let same = before.iter().find(|c| c.type_ == self.type_ && c.status == status);
        Condition {
            type_: self.type_.to_owned(),
            status: status.to_owned(),
            reason: self.reason,
            message: self.message,
            observed_generation: Some(generation),
            last_transition_time: same.map_or(Time(now), |c| c.last_transition_time.clone()),
        }
    }
}
