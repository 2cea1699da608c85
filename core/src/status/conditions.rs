//! The conditions of a `TemporaryCredential`.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::condition::{self, ConditionDraft, READY};
use crate::api::{CredentialStatus, FailureStatus};
use crate::desired::Desired;
use crate::problem::{Class, Reason};

/// The types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The Secret contains unexpired credentials that match the spec and the grants. This condition is always present;
    /// the others are present only while they are true.
    Ready,
    /// No valid credentials are available, and the operator retries. Defined by kstatus.
    Reconciling,
    /// No valid credentials are available until the spec, the cluster or AWS changes. Defined by kstatus.
    Stalled,
    /// The last renewal failed.
    RenewalFailing,
    /// `spec.renewal` does not fit the lifetime of the credentials.
    RenewalClamped,
    /// The clock of the operator's node is behind the clock of STS.
    ClockSkew,
}

impl ConditionType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::RenewalFailing,
        Self::RenewalClamped,
        Self::ClockSkew,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => READY,
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::RenewalFailing => "RenewalFailing",
            Self::RenewalClamped => "RenewalClamped",
            Self::ClockSkew => "ClockSkew",
        }
    }

    fn draft(self, is_true: bool, (reason, message): (Reason, String)) -> ConditionDraft {
        ConditionDraft { type_: self.as_str(), is_true, reason: reason.as_str(), message }
    }
}

/// How far the clock may be behind before the condition `ClockSkew` is set.
const TOLERATED_LAG: SignedDuration = SignedDuration::from_mins(1);

/// The credentials in the Secret.
#[derive(Clone, Copy, Default)]
pub(super) struct Holding {
    pub(super) issued_at: Timestamp,
    pub(super) expiration: Timestamp,
    /// Whether the credentials match the spec and the grants.
    pub(super) matches_spec: bool,
    /// Whether the credentials match, and are unexpired.
    pub(super) unexpired: bool,
    /// Whether `spec.renewal` does not fit their lifetime.
    pub(super) clamped: bool,
}

/// The conditions of a resource whose `status` is otherwise complete.
pub(super) fn conditions(
    desired: &Desired,
    status: &CredentialStatus,
    holding: Option<Holding>,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let unexpired = holding.is_some_and(|h| h.unexpired);
    let matching = holding.filter(|h| h.matches_spec);
    let failure = status.failure.as_ref().and_then(|f| Some((f, f.reason()?)));
    // In kstatus, Reconciling and Stalled describe a resource that is not ready. A failing renewal sets neither of them
    // while the old credentials are valid.
    let not_ready = failure.filter(|_| !unexpired);
    let ready = ConditionType::Ready.draft(unexpired, ready(desired, status, holding));
    let others = [
        (ConditionType::Reconciling, not_ready.filter(|(f, _)| !stalls(f)).map(retrying)),
        (ConditionType::Stalled, not_ready.filter(|(f, _)| stalls(f)).map(as_it_is)),
        (ConditionType::RenewalFailing, failure.filter(|_| matching.is_some()).map(as_it_is)),
        (ConditionType::RenewalClamped, holding.filter(|h| h.clamped).map(clamped)),
        (ConditionType::ClockSkew, matching.and_then(|h| clock_skew(desired, h))),
    ];
    let others = others.into_iter().filter_map(|(type_, text)| Some(type_.draft(true, text?)));
    let generation = Some(desired.generation);
    condition::conditions([ready].into_iter().chain(others), before, generation, now)
}

fn stalls(failure: &FailureStatus) -> bool {
    matches!(failure.class, Class::Blocked | Class::Refused)
}

fn retrying((failure, _): (&FailureStatus, Reason)) -> (Reason, String) {
    (Reason::Retrying, failure.message.clone())
}

fn as_it_is((failure, reason): (&FailureStatus, Reason)) -> (Reason, String) {
    (reason, failure.message.clone())
}

fn clamped(holding: Holding) -> (Reason, String) {
    let lifetime = holding.expiration.duration_since(holding.issued_at);
    let reason = Reason::LifetimeShorterThanRequested;
    let message = format!(
        "spec.renewal does not fit the lifetime of {lifetime:#} that STS returned. The credentials are renewed when one third of the lifetime is left. {}",
        reason.advice()
    );
    (reason, message)
}

fn clock_skew(desired: &Desired, holding: Holding) -> Option<(Reason, String)> {
    let lag = desired.clock_lag(holding.issued_at, holding.expiration);
    let reason = Reason::ClockSkewed;
    let message = format!(
        "The clock of the operator's node is {lag:#} behind the clock of STS. Renewals are scheduled earlier to compensate. {}",
        reason.advice()
    );
    (lag > TOLERATED_LAG).then_some((reason, message))
}

fn ready(
    desired: &Desired,
    status: &CredentialStatus,
    holding: Option<Holding>,
) -> (Reason, String) {
    let principal = status.principal_arn.as_ref();
    let principal = principal.map(|arn| format!(" of {arn}")).unwrap_or_default();
    let what = format!("Secret {} holds credentials{principal}", desired.secret_name);
    match (holding, &status.failure) {
        (Some(h), _) if h.unexpired && desired.suspended => (
            Reason::Suspended,
            format!(
                "{what}, valid until {}. They are not renewed, because spec.suspend is set.",
                h.expiration
            ),
        ),
        (Some(h), _) if h.unexpired => {
            (Reason::Issued, format!("{what}, valid until {}.", h.expiration))
        }
        (Some(h), failure) if h.matches_spec => {
            let why = match failure {
                Some(failure) => &failure.message,
                None if desired.suspended => Reason::Suspended.advice(),
                None => Reason::Expired.advice(),
            };
            (Reason::Expired, format!("{what} that expired at {}. {why}", h.expiration))
        }
        (_, Some(failure)) => {
            // The Secret of a denied resource may fail to be removed. The resource is not ready because it is denied.
            let denied = desired.denied.as_ref().map(|denied| denied.reason);
            let reason = denied.or(failure.reason()).unwrap_or(Reason::Retrying);
            (reason, failure.message.clone())
        }
        (_, None) if desired.suspended => {
            let advice = Reason::Suspended.advice();
            (
                Reason::Suspended,
                format!("No credentials are issued, because spec.suspend is set. {advice}"),
            )
        }
        (_, None) => (Reason::Retrying, Reason::Retrying.advice().to_owned()),
    }
}
