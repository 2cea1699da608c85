//! What is there: the Secret, the status, and what this process remembers.

mod past;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use zeroize::Zeroize;

pub use past::Past;

use crate::api::{CredentialStatus, FailureStatus};
use crate::desired::Desired;
use crate::minted::Minted;
use crate::reason::Reason;
use crate::secret::{Facts, Manifest, Ownership, credentials, ownership};
use crate::status::readiness;

/// Everything a plan is made from, besides what is desired and the time.
pub struct Observed<'a> {
    /// The Secret.
    pub secret: SecretState,
    /// The last status that was decided, whether or not it reached the API server.
    pub status: &'a CredentialStatus,
    /// Credentials that STS issued and that could not be written yet.
    pub held: Option<&'a Held>,
    /// The renew request that this process has already tried to serve.
    pub attempted_request: Option<&'a str>,
    /// When this process last asked STS for what was missing or damaged.
    pub repaired_at: Option<Timestamp>,
}

/// Credentials that STS issued and that could not be written yet.
pub struct Held {
    /// Hash of the request that they answer.
    pub request_hash: String,
    /// The credentials.
    pub minted: Minted,
}

/// The Secret, as far as it is known.
pub enum SecretState {
    /// There is none.
    Absent,
    /// It belongs to something else, named for a person.
    Foreign(String),
    /// It belongs to the resource.
    Ours(Box<Holding>),
}

/// A Secret that belongs to the resource.
pub struct Holding {
    /// Its UID.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Whether it is being deleted, and something keeps it.
    pub ending: bool,
    /// What its annotations say; `None` if they were damaged.
    pub facts: Option<Facts>,
    /// What is known of its data.
    pub content: Content,
}

/// What is known of the data of a Secret.
pub enum Content {
    /// Nothing changed since it was last written or verified; the values were not read.
    AsWritten,
    /// It was read.
    Read {
        /// The credentials, if they are still those that the annotations speak of.
        credentials: Option<Minted>,
        /// Whether the whole Secret looks as it should.
        tidy: bool,
    },
}

/// How to find out about the Secret.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// What the watch says is enough.
    Trust,
    /// It must be read from the API server.
    Read,
    /// Not now: a failure waits for its next attempt, and looking would be a part of it.
    Wait,
}

/// The renewal that somebody asks for and that has not been done yet.
pub fn requested<'a>(desired: &'a Desired, status: &CredentialStatus) -> Option<&'a str> {
    let request = desired.renew_request.as_deref();
    request.filter(|_| request != status.last_renew_request.as_deref())
}

/// The failure whose next attempt is still to come, if there is one.
///
/// A new renew request does not wait for it; once tried, it goes on at the pace of the backoff.
pub fn waiting_for<'a>(
    desired: &Desired,
    status: &'a CredentialStatus,
    attempted_request: Option<&str>,
    now: Timestamp,
) -> Option<&'a FailureStatus> {
    let asked =
        requested(desired, status).is_some_and(|request| Some(request) != attempted_request);
    failure_of(status, desired).filter(|failure| {
        // A status is read back after a restart, and somebody may have edited it.
        let latest = now.saturating_add(failure.class.longest_wait() + ROUNDING);
        let believable = latest.is_ok_and(|latest| failure.next_attempt.0 <= latest);
        !asked && now < failure.next_attempt.0 && believable
    })
}

/// By how much a time in a status may be later than the wait that it was made of.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// Whether what failed was reading or writing the Secret: then both have to wait, while a refusal
/// of STS does not stop a repair.
pub fn is_about_secret(failure: &FailureStatus) -> bool {
    [Reason::SecretRejected, Reason::SecretConflict, Reason::ApiServerUnavailable]
        .iter()
        .any(|r| r.as_str() == failure.reason)
}

/// The failure in a status, unless it speaks of an earlier spec or of permissions that have changed.
pub fn failure_of<'a>(
    status: &'a CredentialStatus,
    desired: &Desired,
) -> Option<&'a FailureStatus> {
    let current = status.observed_generation == Some(desired.generation);
    status.failure.as_ref().filter(|failure| current && !is_about_other_grants(failure, desired))
}

fn is_about_other_grants(failure: &FailureStatus, desired: &Desired) -> bool {
    let was_denied = failure.reason == Reason::NotGranted.as_str();
    match &desired.denied {
        Some(problem) if was_denied => problem.message != failure.message,
        // Its Secret could not be removed yet: that has its own pace.
        Some(_) => !is_about_secret(failure),
        None => was_denied,
    }
}

/// Decides how to find out about the Secret, given what the metadata watch says of it.
///
/// Steady state needs no read: the version is the one that was last written. Anything else is read,
/// because an edit shows only in the data, and a watch that is behind our own write would make us
/// renew what was just renewed.
pub fn look(
    desired: &Desired,
    status: &CredentialStatus,
    attempted_request: Option<&str>,
    cached: Option<&ObjectMeta>,
    now: Timestamp,
) -> Look {
    let waiting = waiting_for(desired, status, attempted_request, now);
    // Each failed read is written to the status, and that comes back as an event: without the wait
    // here, reading would go round and round.
    let read = if waiting.is_some_and(is_about_secret) { Look::Wait } else { Look::Read };
    let recorded = status.secret.as_ref().filter(|secret| secret.name == desired.secret_name);
    let Some(cached) = cached else {
        return match waiting {
            Some(_) if recorded.is_none() => Look::Wait,
            Some(_) | None => read,
        };
    };
    let render_hash =
        cached.annotations.as_ref().and_then(Facts::read).map(|facts| facts.render_hash);
    let recorded = recorded.map(|secret| secret.resource_version.as_str());
    let current = recorded.is_some() && cached.resource_version.as_deref() == recorded;
    // A suspended Secret stays as it is, whatever shape is wanted by now.
    let shape_holds = desired.suspended || render_hash.as_deref() == Some(&desired.render_hash);
    // What somebody did to it meanwhile was seen, and let be.
    let rested = readiness(status).is_some_and(|(_, why, _)| why == Reason::Suspended.as_str());
    let resumed = rested && !desired.suspended;
    if current && shape_holds && !resumed && ownership(cached, &desired.uid) == Ownership::Ours {
        Look::Trust
    } else {
        read
    }
}

impl SecretState {
    /// What is known of a Secret from its metadata alone, and from what is remembered of it.
    pub fn trusted(metadata: &ObjectMeta, past: &Past<'_>) -> Self {
        let annotated = || {
            let facts = metadata.annotations.as_ref().and_then(Facts::read)?;
            // It is the version that the status speaks of.
            Some(match past.dates() {
                Some((issued_at, expiration)) => Facts { issued_at, expiration, ..facts },
                None => facts,
            })
        };
        Self::Ours(Box::new(Holding {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            ending: metadata.deletion_timestamp.is_some(),
            facts: past.facts.cloned().or_else(annotated),
            content: Content::AsWritten,
        }))
    }

    /// What is known of the credentials in it, if they are there.
    pub fn facts(&self) -> Option<&Facts> {
        let Self::Ours(holding) = self else { return None };
        let there = !matches!(holding.content, Content::Read { credentials: None, .. });
        holding.facts.as_ref().filter(|_| there)
    }

    /// What a Secret says that was read, as far as it can be believed.
    pub fn read(
        desired: &Desired,
        secret: Option<Secret>,
        past: &Past<'_>,
        now: Timestamp,
    ) -> Self {
        let Some(mut secret) = secret else {
            return Self::Absent;
        };
        if let Ownership::Foreign(holder) = ownership(&secret.metadata, &desired.uid) {
            return Self::Foreign(holder);
        }
        let annotated = secret.metadata.annotations.as_ref().and_then(Facts::read);
        let annotated = annotated.filter(|annotated| past.may_tell(annotated, now));
        let written = past.written(desired);
        let fitting = |facts: &Facts| credentials(secret.data.as_ref()?, facts);
        let found = written.iter().find_map(|facts| Some((facts.clone(), fitting(facts)?)));
        let found = found.or_else(|| {
            let facts = annotated.clone()?;
            let minted = fitting(&facts)?;
            past.dated(facts, minted)
        });
        let (facts, credentials) = match found {
            Some((facts, minted)) => (Some(facts), Some(minted)),
            None => (written.into_iter().next().or(annotated), None),
        };
        let tidy = match (&credentials, &facts) {
            (Some(minted), Some(facts)) => {
                facts.render_hash == desired.render_hash
                    && Manifest::render(desired, &facts.request_hash, minted).matches(&secret)
            }
            _ => false,
        };
        secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.zeroize());
        Self::Ours(Box::new(Holding {
            uid: secret.metadata.uid.unwrap_or_default(),
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
            ending: secret.metadata.deletion_timestamp.is_some(),
            facts,
            content: Content::Read { credentials, tidy },
        }))
    }
}
