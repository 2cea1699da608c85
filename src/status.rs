//! The next status, from what is known: pure, and written only when it differs from the last one.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::{CredentialStatus, FailureStatus, SecretStatus};
use crate::desired::Desired;
use crate::failure::{self, Class, Problem};
use crate::observed::failure_of;
use crate::reason::Reason;
use crate::secret::Facts;

/// Condition types.
mod condition {
    pub(super) const READY: &str = "Ready";
    pub(super) const RECONCILING: &str = "Reconciling";
    pub(super) const STALLED: &str = "Stalled";
    pub(super) const RENEWAL_FAILING: &str = "RenewalFailing";
    pub(super) const RENEWAL_CLAMPED: &str = "RenewalClamped";
}

/// What the Secret holds after this round.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It could not be looked at: what the last status says still stands.
    Nothing,
    /// There is no Secret of this resource.
    NoSecret,
    /// It holds this.
    Secret {
        /// Its version.
        resource_version: String,
        /// What its annotations say.
        facts: Facts,
        /// Access key ID and packed size, where the credentials were at hand.
        details: Option<(String, Option<i32>)>,
    },
}

/// How this round went.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// Nothing was to be done, or everything was done.
    Well,
    /// Something is to be done, and waits for its time.
    Waiting,
    /// It failed.
    Failed(Problem),
}

/// Everything that the next status is made from.
pub struct Round<'a> {
    /// What is desired.
    pub desired: &'a Desired,
    /// The last status.
    pub before: &'a CredentialStatus,
    /// What the Secret holds now.
    pub known: Known,
    /// How it went.
    pub attempt: Attempt,
    /// The renew request that was served.
    pub served_request: Option<String>,
}

/// The credentials in the Secret, as the status tells of them.
struct Held {
    issued_at: Timestamp,
    expiration: Timestamp,
    /// Whether they answer today's spec.
    answers: bool,
}

/// Makes the next status.
pub fn next(round: Round<'_>, now: Timestamp) -> CredentialStatus {
    let Round {
        desired,
        before,
        known,
        attempt,
        served_request,
    } = round;
    let mut status = before.clone();
    let held = describe(&mut status, desired, before, &known);
    let living = held
        .as_ref()
        .filter(|held| held.answers && held.expiration > now);
    status.failure = match &attempt {
        Attempt::Well => None,
        Attempt::Waiting => failure_of(before, desired).cloned(),
        Attempt::Failed(problem) => {
            let ends = living.map(|held| held.expiration);
            Some(failure::after(
                problem,
                failure_of(before, desired),
                ends,
                &desired.uid,
                now,
            ))
        }
    };
    let schedule = held
        .as_ref()
        .filter(|held| held.answers && !desired.suspended)
        .map(|held| desired.schedule(held.issued_at, held.expiration));
    status.renewal_time = schedule.map(|schedule| Time(schedule.renew_at));
    status.observed_generation = Some(desired.generation);
    if served_request.is_some() {
        status.last_renew_request = served_request;
    }
    let clamped = schedule.is_some_and(|schedule| schedule.clamped);
    let conditions = conditions(desired, &status, held.as_ref(), living.is_some(), clamped);
    status.conditions = dated(conditions, &before.conditions, desired.generation, now);
    status
}

/// Writes into `status` what the Secret holds.
fn describe(
    status: &mut CredentialStatus,
    desired: &Desired,
    before: &CredentialStatus,
    known: &Known,
) -> Option<Held> {
    match known {
        Known::Nothing => {
            let was_ready = before
                .conditions
                .iter()
                .any(|c| c.type_ == condition::READY && c.status == "True");
            Some(Held {
                issued_at: before.issued_at.as_ref()?.0,
                expiration: before.expiration.as_ref()?.0,
                answers: was_ready && before.observed_generation == Some(desired.generation),
            })
        }
        Known::NoSecret => {
            status.expiration = None;
            status.issued_at = None;
            status.principal_arn = None;
            status.access_key_id = None;
            status.packed_policy_size = None;
            status.secret = None;
            None
        }
        Known::Secret {
            resource_version,
            facts,
            details,
        } => {
            let same = before.issued_at == Some(Time(facts.issued_at))
                && before.expiration == Some(Time(facts.expiration));
            status.issued_at = Some(Time(facts.issued_at));
            status.expiration = Some(Time(facts.expiration));
            status.principal_arn.clone_from(&facts.principal_arn);
            match details {
                Some((key, packed)) => {
                    // Credentials read back from a Secret do not tell their packed size.
                    status.packed_policy_size =
                        packed.or(before.packed_policy_size.filter(|_| same));
                    status.access_key_id = Some(key.clone());
                }
                None if same => {}
                None => {
                    status.access_key_id = None;
                    status.packed_policy_size = None;
                }
            }
            status.secret = Some(SecretStatus {
                name: desired.secret_name.clone(),
                resource_version: resource_version.clone(),
            });
            Some(Held {
                issued_at: facts.issued_at,
                expiration: facts.expiration,
                answers: facts.request_hash == desired.request_hash,
            })
        }
    }
}

/// Type, whether it is true, reason and message.
type Draft = (&'static str, bool, String, String);

fn conditions(
    desired: &Desired,
    status: &CredentialStatus,
    held: Option<&Held>,
    living: bool,
    clamped: bool,
) -> Vec<Draft> {
    let failure = status.failure.as_ref();
    let (reason, message) = ready(desired, status, held, living);
    let mut drafts = vec![(condition::READY, living, reason, message)];
    let or_well = |is: bool, reason: &str, message: &str| match is {
        true => (true, reason.to_owned(), message.to_owned()),
        false => (false, Reason::AllWell.as_str().to_owned(), String::new()),
    };
    let mut push = |type_, (is, reason, message): (bool, String, String)| {
        drafts.push((type_, is, reason, message));
    };
    let stalls = |f: &&FailureStatus| matches!(f.class, Class::Blocked | Class::Refused);
    // As kstatus has it, both speak of a resource that is not there yet: a renewal that fails while
    // the old credentials live is neither, it is `RenewalFailing`.
    let retrying = failure.filter(|f| !living && !stalls(f));
    push(
        condition::RECONCILING,
        or_well(
            retrying.is_some(),
            Reason::Retrying.as_str(),
            retrying.map_or("", |f| &f.message),
        ),
    );
    let stalled = failure.filter(|f| !living && stalls(f));
    push(
        condition::STALLED,
        or_well(
            stalled.is_some(),
            stalled.map_or("", |f| &f.reason),
            stalled.map_or("", |f| &f.message),
        ),
    );
    let failing = failure.filter(|_| held.is_some_and(|held| held.answers));
    push(
        condition::RENEWAL_FAILING,
        or_well(
            failing.is_some(),
            failing.map_or("", |f| &f.reason),
            failing.map_or("", |f| &f.message),
        ),
    );
    if clamped {
        let reason = Reason::LifetimeShorterThanAsked;
        let message = format!(
            "spec.renewal does not fit the lifetime that STS returned; renewing when a third of it is left. {}",
            reason.advice()
        );
        push(
            condition::RENEWAL_CLAMPED,
            (true, reason.as_str().to_owned(), message),
        );
    }
    drafts
}

fn ready(
    desired: &Desired,
    status: &CredentialStatus,
    held: Option<&Held>,
    living: bool,
) -> (String, String) {
    let with = |reason: Reason, message: String| (reason.as_str().to_owned(), message);
    let who = status.principal_arn.as_deref().unwrap_or("The credentials");
    match (held, &status.failure) {
        (Some(held), _) if living && desired.suspended => with(
            Reason::Suspended,
            format!(
                "{who}: valid until {}; not renewed, as spec.suspend is set",
                held.expiration
            ),
        ),
        (Some(held), _) if living => with(
            Reason::Issued,
            format!("{who}: valid until {}", held.expiration),
        ),
        (Some(held), failure) if held.answers => {
            let why = match failure {
                Some(failure) => failure.message.clone(),
                None if desired.suspended => Reason::Suspended.advice().to_owned(),
                None => Reason::Expired.advice().to_owned(),
            };
            with(
                Reason::Expired,
                format!("{who}: expired at {}. {why}", held.expiration),
            )
        }
        (_, Some(failure)) => (failure.reason.clone(), failure.message.clone()),
        (_, None) if desired.suspended => with(
            Reason::Suspended,
            format!(
                "Nothing is issued, as spec.suspend is set. {}",
                Reason::Suspended.advice()
            ),
        ),
        (_, None) => with(Reason::Retrying, Reason::Retrying.advice().to_owned()),
    }
}

/// Gives each condition the time at which its status last changed.
fn dated(
    drafts: Vec<Draft>,
    before: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let finish = |(type_, is, reason, message): Draft| {
        let status = if is { "True" } else { "False" };
        let same = before
            .iter()
            .find(|c| c.type_ == type_ && c.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason,
            message,
            observed_generation: Some(generation),
            last_transition_time: same.map_or(Time(now), |c| c.last_transition_time.clone()),
        }
    };
    drafts.into_iter().map(finish).collect()
}

/// When to look again at a resource with this status: the next attempt, renewal or expiry.
pub fn next_look(
    status: &CredentialStatus,
    desired: &Desired,
    now: Timestamp,
) -> Option<Timestamp> {
    let failure = status
        .failure
        .as_ref()
        .map(|failure| failure.next_attempt.0);
    let renewal = status
        .renewal_time
        .as_ref()
        .map(|at| at.0)
        .filter(|_| failure.is_none() && !desired.suspended);
    let expiry = status
        .expiration
        .as_ref()
        .map(|at| at.0)
        .filter(|at| *at > now);
    [failure, renewal, expiry].into_iter().flatten().min()
}

/// Whether two statuses say the same once written: times are kept in whole seconds.
pub fn same(a: &CredentialStatus, b: &CredentialStatus) -> bool {
    serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
}

/// The reason of the `Ready` condition, and whether it is true.
pub fn readiness(status: &CredentialStatus) -> Option<(bool, &str, &str)> {
    let ready = status
        .conditions
        .iter()
        .find(|c| c.type_ == condition::READY)?;
    Some((
        ready.status == "True",
        ready.reason.as_str(),
        ready.message.as_str(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::tests::desired;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secret(desired: &Desired) -> Known {
        Known::Secret {
            resource_version: "10".into(),
            facts: Facts {
                request_hash: desired.request_hash.clone(),
                render_hash: desired.render_hash.clone(),
                fingerprint: "f".into(),
                issued_at: at(0),
                expiration: at(3600),
                principal_arn: Some("arn:p".into()),
            },
            details: Some(("ASIA1".into(), Some(5))),
        }
    }

    fn round(
        desired: &Desired,
        before: &CredentialStatus,
        known: Known,
        attempt: Attempt,
        now: i64,
    ) -> CredentialStatus {
        next(
            Round {
                desired,
                before,
                known,
                attempt,
                served_request: None,
            },
            at(now),
        )
    }

    fn refused() -> Attempt {
        Attempt::Failed(Problem::new(Reason::AccessDenied, "no"))
    }

    /// The conditions that are true, with their reasons.
    fn truths(status: &CredentialStatus) -> Vec<(&str, &str)> {
        let is_true = status.conditions.iter().filter(|c| c.status == "True");
        is_true
            .map(|c| (c.type_.as_str(), c.reason.as_str()))
            .collect()
    }

    #[test]
    fn a_life_of_a_credential() {
        let desired = desired(json!({}));
        let nothing = CredentialStatus::default();

        let refused_first = round(&desired, &nothing, Known::NoSecret, refused(), 0);
        assert_eq!(truths(&refused_first), [("Stalled", "AccessDenied")]);
        assert_eq!(
            readiness(&refused_first),
            Some((false, "AccessDenied", "no"))
        );

        let issued = round(
            &desired,
            &refused_first,
            secret(&desired),
            Attempt::Well,
            10,
        );
        assert_eq!(truths(&issued), [("Ready", "Issued")]);
        assert_eq!(issued.failure, None);
        assert_eq!(issued.access_key_id.as_deref(), Some("ASIA1"));

        let failing = round(&desired, &issued, secret(&desired), refused(), 3000);
        assert_eq!(
            truths(&failing),
            [("Ready", "Issued"), ("RenewalFailing", "AccessDenied")]
        );
        assert_eq!(
            failing.conditions[0].last_transition_time,
            Time(at(10)),
            "Ready did not change"
        );

        let expired = round(&desired, &failing, secret(&desired), Attempt::Waiting, 3600);
        assert_eq!(
            truths(&expired),
            [
                ("Stalled", "AccessDenied"),
                ("RenewalFailing", "AccessDenied")
            ]
        );
        assert_eq!(readiness(&expired).map(|r| r.1), Some("Expired"));
        assert_eq!(expired.failure, failing.failure);

        let gone = round(&desired, &expired, Known::NoSecret, Attempt::Waiting, 3700);
        assert_eq!(
            (&gone.expiration, &gone.secret, &gone.access_key_id),
            (&None, &None, &None)
        );
    }

    #[test]
    fn what_passes_by_itself_is_reconciling_and_not_stalled() {
        let desired = desired(json!({}));
        let failed = Attempt::Failed(Problem::new(Reason::Throttled, "slow down"));
        let status = round(
            &desired,
            &CredentialStatus::default(),
            Known::NoSecret,
            failed,
            0,
        );
        assert_eq!(truths(&status), [("Reconciling", "Retrying")]);
    }

    #[test]
    fn credentials_of_an_earlier_spec_are_not_ready() {
        let old = desired(json!({}));
        let issued = round(
            &old,
            &CredentialStatus::default(),
            secret(&old),
            Attempt::Well,
            0,
        );
        let new = desired(
            json!({"metadata": {"generation": 2}, "spec": {"assumeRole": {"duration": "2h"}}}),
        );
        let status = round(&new, &issued, secret(&old), refused(), 10);
        assert_eq!(readiness(&status), Some((false, "AccessDenied", "no")));
        assert_eq!(
            status.expiration,
            Some(Time(at(3600))),
            "it still says what the Secret holds"
        );
    }

    #[test]
    fn a_new_spec_counts_failures_from_one() {
        let (old, new) = (
            desired(json!({})),
            desired(json!({"metadata": {"generation": 2}})),
        );
        let first = round(
            &old,
            &CredentialStatus::default(),
            Known::NoSecret,
            refused(),
            0,
        );
        let again = round(&old, &first, Known::NoSecret, refused(), 10);
        let changed = round(&new, &again, Known::NoSecret, refused(), 20);
        let counts = [&first, &again, &changed].map(|s| s.failure.as_ref().unwrap().count);
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn suspended_credentials_stay_ready_while_they_live() {
        let desired = desired(json!({"spec": {"suspend": true}}));
        let living = round(
            &desired,
            &CredentialStatus::default(),
            secret(&desired),
            Attempt::Well,
            3000,
        );
        assert_eq!(truths(&living), [("Ready", "Suspended")]);
        assert_eq!(living.renewal_time, None);
        let expired = round(&desired, &living, secret(&desired), Attempt::Well, 3600);
        assert_eq!(
            readiness(&expired).map(|r| (r.0, r.1)),
            Some((false, "Expired"))
        );
        assert_eq!(next_look(&living, &desired, at(3000)), Some(at(3600)));
        assert_eq!(next_look(&expired, &desired, at(3600)), None);
    }

    #[test]
    fn a_margin_that_does_not_fit_is_said() {
        let desired = desired(json!({"spec": {"renewal": {"before": "2h"}}}));
        let status = round(
            &desired,
            &CredentialStatus::default(),
            secret(&desired),
            Attempt::Well,
            0,
        );
        assert!(truths(&status).contains(&("RenewalClamped", "LifetimeShorterThanAsked")));
    }

    #[test]
    fn a_secret_that_could_not_be_looked_at_changes_nothing_but_the_failure() {
        let desired = desired(json!({}));
        let issued = round(
            &desired,
            &CredentialStatus::default(),
            secret(&desired),
            Attempt::Well,
            0,
        );
        let failed = Attempt::Failed(Problem::new(Reason::SecretRejected, "no"));
        let status = round(&desired, &issued, Known::Nothing, failed, 10);
        assert_eq!(
            truths(&status),
            [("Ready", "Issued"), ("RenewalFailing", "SecretRejected")]
        );
        assert_eq!(status.secret, issued.secret);
    }

    #[test]
    fn nothing_new_is_the_same_status() {
        let desired = desired(json!({}));
        let issued = round(
            &desired,
            &CredentialStatus::default(),
            secret(&desired),
            Attempt::Well,
            0,
        );
        assert!(same(
            &issued,
            &round(&desired, &issued, secret(&desired), Attempt::Well, 1000)
        ));
    }

    #[test]
    fn looks_again_at_the_next_thing_that_happens() {
        let desired = desired(json!({}));
        let issued = round(
            &desired,
            &CredentialStatus::default(),
            secret(&desired),
            Attempt::Well,
            0,
        );
        assert_eq!(
            next_look(&issued, &desired, at(0)),
            issued.renewal_time.as_ref().map(|t| t.0)
        );
        let failing = round(&desired, &issued, secret(&desired), refused(), 3000);
        assert_eq!(
            next_look(&failing, &desired, at(3000)),
            Some(failing.failure.as_ref().unwrap().next_attempt.0)
        );
    }
}
