//! Computes the next status, which is written only if it differs from the last one.

mod conditions;
mod events;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CredentialStatus, SecretStatus};
use crate::backoff::{after, after_denial, current_failure};
use crate::credentials::whole_second;
use crate::desired::Desired;
use crate::observed::KnownSecret;
use crate::problem::Problem;
use crate::restart;
use crate::secret::IssueRecord;
pub use conditions::ConditionType;
use conditions::{Holding, conditions};
pub use events::{StatusEvent, events, has_lost_grant};

/// The outcome of a reconciliation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The Secret is as desired.
    Succeeded,
    /// The Secret is not as desired, and the resource is backing off after a failed attempt.
    BackingOff,
    /// An attempt failed.
    Failed(Problem),
    /// The grants deny the request.
    Denied(Problem),
}

/// Computes the next status from the previous status `before`.
pub fn next(
    desired: &Desired,
    before: &CredentialStatus,
    known: &KnownSecret,
    outcome: &Outcome,
    now: Timestamp,
) -> CredentialStatus {
    let mut status = before.clone();
    let holding = describe(&mut status, desired, before, known);
    let expires_here = |h: &Holding| desired.expires_here(h.issued_at, h.expiration);
    let unexpired = holding.filter(|h| h.matches_spec && expires_here(h) > now);
    let current = current_failure(before, desired);
    status.restarts = restart::after(&desired.restart, before, &status);
    status.failure = match outcome {
        Outcome::Succeeded => None,
        Outcome::BackingOff => current.cloned(),
        Outcome::Failed(problem) => {
            let expiration = unexpired.as_ref().map(expires_here);
            Some(after(problem, current, expiration, &desired.uid, now))
        }
        Outcome::Denied(problem) => Some(after_denial(problem, current, &desired.uid, now)),
    };
    let schedule = holding
        .filter(|h| h.matches_spec && !desired.suspended)
        .map(|h| desired.schedule(h.issued_at, h.expiration));
    status.renewal_time = schedule.map(|schedule| Time(schedule.renew_at));
    status.observed_generation = Some(desired.generation);
    let clamped = schedule.is_some_and(|schedule| schedule.clamped);
    let holding = holding.map(|h| Holding { unexpired: unexpired.is_some(), clamped, ..h });
    status.conditions = conditions(desired, &status, holding, &before.conditions, now);
    to_whole_seconds(&mut status);
    status
}

/// Truncates the times to whole seconds, as the API server stores them. Those of a failure stay exact, so that no wait
/// becomes shorter.
fn to_whole_seconds(status: &mut CredentialStatus) {
    let conditions = status.conditions.iter_mut().map(|c| &mut c.last_transition_time);
    for time in status.renewal_time.iter_mut().chain(conditions) {
        time.0 = whole_second(time.0);
    }
}

/// Writes the knowledge about the Secret to `status`. Returns the credentials in the Secret, if there are any.
fn describe(
    status: &mut CredentialStatus,
    desired: &Desired,
    before: &CredentialStatus,
    known: &KnownSecret,
) -> Option<Holding> {
    match known {
        KnownSecret::Unread(record) => {
            let granted = before.is_denied() && desired.denied.is_none();
            let resumed = before.was_suspended() && !desired.leaves_secret_as_it_is();
            if granted || resumed {
                must_verify(status);
            }
            let issued_at = before.issued_at.as_ref()?.0;
            let expiration = before.expiration.as_ref()?.0;
            let was_ready = before.readiness().is_some_and(|ready| ready.ready);
            let matched = was_ready && before.observed_generation == Some(desired.generation);
            // A record of other credentials than those of the status says nothing about these.
            let record = record.as_ref().filter(|record| {
                (record.issued_at, record.expiration) == (issued_at, expiration)
                    && record.access_key_id == before.access_key_id
            });
            let matches = |record: &IssueRecord| record.request_hash == desired.request_hash;
            Some(Holding {
                issued_at,
                expiration,
                matches_spec: desired.denied.is_none() && record.map_or(matched, matches),
                ..Holding::default()
            })
        }
        KnownSecret::Absent => {
            status.expiration = None;
            status.issued_at = None;
            status.principal_arn = None;
            status.access_key_id = None;
            status.packed_policy_size = None;
            status.secret = None;
            None
        }
        KnownSecret::Holds { record, resource_version } => {
            status.issued_at = Some(Time(record.issued_at));
            status.expiration = Some(Time(record.expiration));
            status.principal_arn.clone_from(&record.principal_arn);
            status.access_key_id.clone_from(&record.access_key_id);
            status.packed_policy_size = record.packed_policy_size;
            if record.renew_request.is_some() {
                status.last_renew_request.clone_from(&record.renew_request);
            }
            match resource_version {
                Some(resource_version) => {
                    status.secret = Some(SecretStatus {
                        name: desired.secret_name.clone(),
                        resource_version: resource_version.clone(),
                    });
                }
                None => must_verify(status),
            }
            Some(Holding {
                issued_at: record.issued_at,
                expiration: record.expiration,
                matches_spec: desired.denied.is_none()
                    && record.request_hash == desired.request_hash,
                ..Holding::default()
            })
        }
    }
}

/// The version in the status may be one that was edited while the resource was suspended or denied. Once it is resumed
/// or granted, that version must not count as verified before it is repaired.
fn must_verify(status: &mut CredentialStatus) {
    if let Some(secret) = &mut status.secret {
        secret.resource_version.clear();
    }
}

/// When to reconcile a resource with this status again: at its next attempt, renewal or expiration. `None` if only a
/// change can require it.
pub fn next_reconciliation(
    status: &CredentialStatus,
    desired: &Desired,
    now: Timestamp,
) -> Option<Timestamp> {
    let failure = status.failure.as_ref().map(|failure| failure.next_attempt.0);
    let times = status.issued_at.as_ref().zip(status.expiration.as_ref());
    // The time in the status is truncated, and then the renewal is not due yet.
    let renewal = times
        .filter(|_| status.renewal_time.is_some() && failure.is_none() && !desired.suspended)
        .map(|(issued, expires)| desired.schedule(issued.0, expires.0).renew_at);
    let expiry = times.map(|(issued, expires)| match &desired.denied {
        // The Secret is removed when its credentials have expired.
        Some(_) => expires.0,
        None => desired.expires_here(issued.0, expires.0),
    });
    let expiry = expiry.filter(|at| *at > now);
    [failure, renewal, expiry].into_iter().flatten().min()
}
