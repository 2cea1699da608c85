//! The next status, from what is known: pure, and written only when it differs from the last one.

mod conditions;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CredentialStatus, SecretStatus};
use crate::desired::Desired;
use crate::failure::{self, Problem};
use crate::observed::failure_of;
use crate::secret::Facts;
pub use conditions::CONDITIONS;
use conditions::{READY, conditions};

/// What the Secret holds after this round.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It could not be looked at: what the last status says still stands, and what the watch last
    /// saw of the annotations.
    Nothing(Option<Facts>),
    /// There is no Secret of this resource.
    NoSecret,
    /// It holds this.
    Secret {
        /// Its version, if it is to be left as it is: it is not looked at again until it changes.
        resource_version: Option<String>,
        /// What its annotations say.
        facts: Box<Facts>,
        /// Access key ID (a token has none) and packed size, where the credentials were at hand.
        details: Option<(Option<String>, Option<i32>)>,
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
    let Round { desired, before, known, attempt } = round;
    let mut status = before.clone();
    let held = describe(&mut status, desired, before, &known);
    let expires_here = |held: &Held| desired.expires_here(held.issued_at, held.expiration);
    let living = held.as_ref().filter(|held| held.answers && expires_here(held) > now);
    status.failure = match &attempt {
        Attempt::Well => None,
        Attempt::Waiting => failure_of(before, desired).cloned(),
        Attempt::Failed(problem) => {
            let ends = living.map(expires_here);
            Some(failure::after(problem, failure_of(before, desired), ends, &desired.uid, now))
        }
    };
    let schedule = held
        .as_ref()
        .filter(|held| held.answers && !desired.suspended)
        .map(|held| desired.schedule(held.issued_at, held.expiration));
    status.renewal_time = schedule.map(|schedule| Time(schedule.renew_at));
    status.observed_generation = Some(desired.generation);
    let clamped = schedule.is_some_and(|schedule| schedule.clamped);
    let facts = (held.as_ref(), living.is_some(), clamped);
    status.conditions = conditions(desired, &status, &before.conditions, facts, now);
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
        Known::Nothing(facts) => {
            let was_ready =
                before.conditions.iter().any(|c| c.type_ == READY && c.status == "True");
            let answered = was_ready && before.observed_generation == Some(desired.generation);
            let hash = facts.as_ref().map(|facts| &facts.request_hash);
            Some(Held {
                issued_at: before.issued_at.as_ref()?.0,
                expiration: before.expiration.as_ref()?.0,
                answers: desired.denied.is_none()
                    && hash.map_or(answered, |hash| *hash == desired.request_hash),
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
        Known::Secret { resource_version, facts, details } => {
            let same = before.issued_at == Some(Time(facts.issued_at))
                && before.expiration == Some(Time(facts.expiration));
            status.issued_at = Some(Time(facts.issued_at));
            status.expiration = Some(Time(facts.expiration));
            status.principal_arn.clone_from(&facts.principal_arn);
            if facts.renew_request.is_some() {
                status.last_renew_request.clone_from(&facts.renew_request);
            }
            match details {
                Some((key, packed)) => {
                    // Credentials read back from a Secret do not tell their packed size.
                    status.packed_policy_size =
                        packed.or(before.packed_policy_size.filter(|_| same));
                    status.access_key_id.clone_from(key);
                }
                None if same => {}
                None => {
                    status.access_key_id = None;
                    status.packed_policy_size = None;
                }
            }
            if let Some(resource_version) = resource_version {
                status.secret = Some(SecretStatus {
                    name: desired.secret_name.clone(),
                    resource_version: resource_version.clone(),
                });
            }
            Some(Held {
                issued_at: facts.issued_at,
                expiration: facts.expiration,
                answers: desired.denied.is_none() && facts.request_hash == desired.request_hash,
            })
        }
    }
}

/// When to look again at a resource with this status: the next attempt, renewal or expiry.
pub fn next_look(
    status: &CredentialStatus,
    desired: &Desired,
    now: Timestamp,
) -> Option<Timestamp> {
    let failure = status.failure.as_ref().map(|failure| failure.next_attempt.0);
    let renewal = status
        .renewal_time
        .as_ref()
        .map(|at| at.0)
        .filter(|_| failure.is_none() && !desired.suspended);
    let times = status.issued_at.as_ref().zip(status.expiration.as_ref());
    let expiry = times.map(|(issued, expires)| desired.expires_here(issued.0, expires.0));
    let expiry = expiry.filter(|at| *at > now);
    [failure, renewal, expiry].into_iter().flatten().min()
}

/// Whether two statuses say the same once written: times are kept in whole seconds.
pub fn same(a: &CredentialStatus, b: &CredentialStatus) -> bool {
    serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
}

/// The reason of the `Ready` condition, and whether it is true.
pub fn readiness(status: &CredentialStatus) -> Option<(bool, &str, &str)> {
    let ready = status.conditions.iter().find(|c| c.type_ == READY)?;
    Some((ready.status == "True", ready.reason.as_str(), ready.message.as_str()))
}
