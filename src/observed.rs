//! What is there: the Secret, the status, and what this process remembers.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use zeroize::Zeroize;

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

/// What is known of a Secret's credentials from elsewhere than the Secret.
///
/// Whoever may edit a Secret can write any date and any hash on it. So its annotations are believed only
/// by a process that knows nothing yet, and then within limits.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// What it was last written with, or believed to say, in this term.
    pub facts: Option<&'a Facts>,
    /// Whether nobody else can have written it since: not until it was read or written in this term, and not
    /// after a conflict.
    pub certain: bool,
    /// What may have been written without an answer.
    pub held: Option<&'a Held>,
    /// The last status.
    pub status: &'a CredentialStatus,
}

/// How far the clock of whoever wrote a Secret may have been ahead of ours.
const TOLERATED_LEAD: SignedDuration = SignedDuration::from_mins(5);

impl Past<'_> {
    /// What is known without the Secret to have been written to it, if it was.
    fn written(&self, desired: &Desired) -> Vec<Facts> {
        let held = self.held.map(|held| Facts::of(desired, &held.request_hash, &held.minted));
        self.facts.cloned().into_iter().chain(held).collect()
    }

    /// Whether the annotations may tell something that is not known.
    fn may_tell(&self, annotated: &Facts, now: Timestamp) -> bool {
        let known = self.facts.is_some() && self.certain;
        !known && annotated.issued_at <= now + TOLERATED_LEAD
    }

    /// What annotations tell that fit these credentials, as far as the status does not know better; `None`
    /// if the credentials are older than those of the status. The status may be behind by one rotation, as
    /// after a crash, but never ahead.
    fn dated(&self, mut facts: Facts, mut minted: Minted) -> Option<(Facts, Minted)> {
        let Some((issued, expires)) = self.dates() else { return Some((facts, minted)) };
        let keys = minted.access_key_id().zip(self.status.access_key_id.as_deref());
        // Tokens have no key.
        if keys.map_or(facts.issued_at == issued, |(one, other)| one == other) {
            (facts.issued_at, facts.expiration) = (issued, expires);
            (minted.issued_at, minted.expiration) = (issued, expires);
        } else if facts.issued_at <= issued {
            return None;
        }
        Some((facts, minted))
    }

    /// When the credentials of the status were issued, and when they expire.
    fn dates(&self) -> Option<(Timestamp, Timestamp)> {
        let dates = self.status.issued_at.as_ref().zip(self.status.expiration.as_ref());
        dates.map(|(issued, expires)| (issued.0, expires.0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::tests::desired;
    use crate::minted::{Keys, Values};
    use crate::secret::{CREDENTIAL_UID, annotation};
    use serde_json::json;

    #[test]
    fn reads_the_secret_only_when_something_may_have_changed() {
        let desired = desired(json!({}));
        let cached = |version: &str, render: &str| -> ObjectMeta {
            serde_json::from_value(json!({
                "uid": "s", "resourceVersion": version, "labels": {CREDENTIAL_UID: "uid-1"},
                "annotations": {
                    annotation::REQUEST_HASH: "h", annotation::RENDER_HASH: render, annotation::FINGERPRINT: "f",
                    annotation::ISSUED_AT: "2026-01-01T00:00:00Z", annotation::EXPIRATION: "2026-01-01T01:00:00Z",
                },
            }))
            .unwrap()
        };
        let written = |version: &str| -> CredentialStatus {
            serde_json::from_value(
                json!({"secret": {"name": "reports", "resourceVersion": version}}),
            )
            .unwrap()
        };
        let failing = |reason: &str, version: Option<&str>| -> CredentialStatus {
            let mut status = version.map(&written).unwrap_or_default();
            status.observed_generation = Some(1);
            let failure = json!({
                "class": "Blocked", "reason": reason, "message": "", "count": 1,
                "since": "2026-01-01T00:00:00Z", "nextAttempt": "2026-01-01T00:10:00Z",
            });
            status.failure = serde_json::from_value(failure).unwrap();
            status
        };
        let none = CredentialStatus::default();
        let same = Some(cached("10", &desired.render_hash));
        let rows = [
            ("as written", &same, written("10"), Look::Trust),
            ("the watch is behind our own write", &same, written("12"), Look::Read),
            ("edited", &same, written("9"), Look::Read),
            ("nothing recorded", &same, none.clone(), Look::Read),
            ("another shape is wanted", &Some(cached("10", "other")), written("10"), Look::Read),
            ("not seen", &None, none, Look::Read),
            ("gone", &None, written("10"), Look::Read),
            (
                "in somebody else's hand, and waiting",
                &None,
                failing("SecretConflict", None),
                Look::Wait,
            ),
            ("edited, while STS refuses", &same, failing("AccessDenied", Some("9")), Look::Read),
            (
                "edited, while Secrets are refused",
                &same,
                failing("SecretRejected", Some("9")),
                Look::Wait,
            ),
            (
                "gone, while the API server is away",
                &None,
                failing("ApiServerUnavailable", Some("10")),
                Look::Wait,
            ),
        ];
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        for (row, cached, status, expected) in rows {
            assert_eq!(look(&desired, &status, None, cached.as_ref(), now), expected, "{row}");
        }
    }

    #[test]
    fn believes_no_more_of_the_annotations_than_can_be_true() {
        let desired = desired(json!({}));
        let at = |second| Timestamp::from_second(second).unwrap();
        let minted = |id: &str| Minted {
            values: Values::Keys(Keys {
                access_key_id: id.to_owned(),
                secret_access_key: "secret".to_owned().into(),
                session_token: "token".to_owned().into(),
            }),
            issued_at: at(1000),
            expiration: at(4600),
            principal_arn: None,
            packed_policy_size: None,
            renew_request: None,
        };
        let stored = |id: &str, issued: i64, expires: i64| -> Secret {
            let dated = Minted { issued_at: at(issued), expiration: at(expires), ..minted(id) };
            let manifest = Manifest::render(&desired, &desired.request_hash, &dated);
            serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap()
        };
        let true_facts = Facts::of(&desired, &desired.request_hash, &minted("mine"));
        let held = Held { request_hash: desired.request_hash.clone(), minted: minted("held") };
        let status: CredentialStatus = serde_json::from_value(json!({
            "accessKeyId": "mine", "issuedAt": at(1000).to_string(), "expiration": at(4600).to_string(),
        }))
        .unwrap();
        let none = CredentialStatus::default();
        let remembering =
            Past { facts: Some(&true_facts), certain: true, held: None, status: &status };
        // A standby that has just begun to lead, and whose watch is behind.
        let behind = Past { certain: false, ..remembering };
        let started = Past { facts: None, certain: true, held: None, status: &status };
        let fresh = Past { facts: None, certain: true, held: None, status: &none };
        let writing = Past { held: Some(&held), ..remembering };
        for (row, past, secret, expected) in [
            ("untouched", &remembering, stored("mine", 1000, 4600), Some((1000, 4600))),
            ("dates changed", &remembering, stored("mine", 1000, 99_999), Some((1000, 4600))),
            ("other keys, and all fits", &remembering, stored("other", 1100, 4700), None),
            ("written without an answer", &writing, stored("held", 1000, 4600), Some((1000, 4600))),
            (
                "the same, and dates changed",
                &writing,
                stored("held", 1100, 99_999),
                Some((1000, 4600)),
            ),
            ("after a start", &started, stored("mine", 1000, 4600), Some((1000, 4600))),
            (
                "after a start, dates changed",
                &started,
                stored("mine", 1900, 9000),
                Some((1000, 4600)),
            ),
            ("after a start, put back", &started, stored("other", 900, 9000), None),
            ("at a takeover", &behind, stored("other", 1100, 4700), Some((1100, 4700))),
            ("at a takeover, put back", &behind, stored("other", 900, 9000), None),
            (
                "at a takeover, dates changed",
                &behind,
                stored("mine", 1100, 99_999),
                Some((1000, 4600)),
            ),
            (
                "after a crash, issued later",
                &started,
                stored("other", 1100, 4700),
                Some((1100, 4700)),
            ),
            ("after a start, issued in the future", &started, stored("mine", 9000, 9900), None),
            ("with no status", &fresh, stored("mine", 1100, 4700), Some((1100, 4700))),
            ("with no status, in the future", &fresh, stored("mine", 9000, 9900), None),
        ] {
            let state = SecretState::read(&desired, Some(secret), past, at(2000));
            let SecretState::Ours(holding) = state else { panic!("{row}: not ours") };
            let Content::Read { credentials, tidy } = holding.content else { panic!("{row}") };
            let dates = credentials
                .map(|minted| (minted.issued_at.as_second(), minted.expiration.as_second()));
            assert_eq!(dates, expected, "{row}");
            assert_eq!(
                tidy,
                [
                    "untouched",
                    "written without an answer",
                    "after a start",
                    "after a crash, issued later",
                    "at a takeover",
                    "with no status"
                ]
                .contains(&row),
                "{row}"
            );
        }
    }

    #[test]
    fn a_new_request_to_renew_looks_at_once_and_once_tried_waits() {
        let desired = desired(json!({
            "metadata": {"annotations": {"tempcred.dev/renew-requested-at": "now"}},
        }));
        let status: CredentialStatus = serde_json::from_value(json!({
            "observedGeneration": 1,
            "failure": {"class": "Blocked", "reason": "SecretConflict", "message": "", "count": 1,
                        "since": "2026-01-01T00:00:00Z", "nextAttempt": "2026-01-01T00:10:00Z"},
        }))
        .unwrap();
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        let look = |attempted| look(&desired, &status, attempted, None, now);
        assert_eq!(look(None), Look::Read);
        assert_eq!(look(Some("earlier")), Look::Read);
        assert_eq!(look(Some("now")), Look::Wait);
    }
}
