//! `spec.restart`: which workloads to restart after a rotation, and when.
//!
//! A rotation makes each restart `Pending`. A restart begins when the other credentials of the workload that rotate at
//! about the same time have rotated too, so that their Pods are replaced once. The annotation that begins it contains
//! the fingerprint of the credentials: if it is there already, the workload was restarted.

mod rollout;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use crate::api::{CredentialStatus, RestartState, RestartStatus, RestartTarget};
use crate::credentials::whole_second;
use crate::text::{hex, one_line};
pub use rollout::{Rollout, Workload};

/// Prefix of the annotation on the Pod template.
const PREFIX: &str = "restart.tempcred.dev/";

/// Longest name in the key of an annotation, in characters. From the Kubernetes API.
const LONGEST_NAME: usize = 63;

/// Hexadecimal digits of the hash that ends a shortened name.
const HASH_DIGITS: usize = 16;

/// Wait between a rotation and the restart, so that credentials that rotate at the same moment share one restart.
const BATCH: SignedDuration = SignedDuration::from_secs(5);

/// Shortest wait between two requests for a workload whose restart is not complete.
const SHORTEST_CHECK: SignedDuration = SignedDuration::from_secs(2);

/// Longest wait between two requests for a workload whose restart is not complete.
const LONGEST_CHECK: SignedDuration = SignedDuration::from_mins(1);

/// Wait before a restart that failed is tried again.
const RETRY_FAILED: SignedDuration = SignedDuration::from_mins(10);

/// How long a rollout may take before it is reported as stuck. Deployments have a deadline of their own, which is as
/// long by default.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Longest message, in characters.
const LONGEST_MESSAGE: usize = 300;

/// The key of the annotation for the resource of this name. Beyond 63 characters, the name is shortened, and its hash
/// is appended.
pub fn annotation(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return format!("{PREFIX}{name}");
    }
    // Names of resources are ASCII.
    let start: String = name.chars().take(LONGEST_NAME - HASH_DIGITS - 1).collect();
    let hash = hex(&Sha256::digest(name));
    format!("{PREFIX}{start}-{}", &hash[..HASH_DIGITS])
}

/// The restarts of the next status: one for each target once there are credentials. After a rotation, all are pending.
///
/// `before` is the previous status. `now` describes the credentials that the Secret contains now.
pub(crate) fn after(
    targets: &[RestartTarget],
    before: &CredentialStatus,
    now: &CredentialStatus,
) -> Vec<RestartStatus> {
    let Some(issued_at) = &now.issued_at else {
        // The credentials are gone. Once there are others, the workloads need a restart.
        let kept = before.restarts.iter();
        return kept.filter(|one| targets.iter().any(|t| one.is_of(t))).cloned().collect();
    };
    let had_credentials = before.issued_at.is_some() || !before.restarts.is_empty();
    let same =
        before.issued_at.as_ref() == Some(issued_at) && before.access_key_id == now.access_key_id;
    let rotated = had_credentials && !same;
    let restart = |target: &RestartTarget| {
        let known = before.restarts.iter().find(|one| one.is_of(target));
        match known {
            Some(known) if !rotated => known.clone(),
            Some(_) | None => RestartStatus {
                kind: target.kind,
                name: target.name.clone(),
                state: if rotated { RestartState::Pending } else { RestartState::Complete },
                since: issued_at.clone(),
                message: None,
            },
        }
    };
    targets.iter().map(restart).collect()
}

/// Whether nothing is left to do until the next rotation.
pub fn is_finished(restart: &RestartStatus) -> bool {
    match restart.state {
        RestartState::Complete | RestartState::Missing => true,
        RestartState::Pending
        | RestartState::Progressing
        | RestartState::Stuck
        | RestartState::Failed => false,
    }
}

/// When to begin the restart of a workload, at the latest a quarter of the way from the rotation to the expiration of
/// the old credentials. `others` are the statuses of the other resources that restart this workload.
pub fn begin_at<'a>(
    status: &CredentialStatus,
    others: impl Iterator<Item = &'a CredentialStatus>,
    now: Timestamp,
) -> Timestamp {
    let Some(rotated) = status.issued_at.as_ref().map(|time| time.0) else { return now };
    let earliest = rotated + BATCH;
    // The old credentials were renewed as early as the new ones will be.
    let margin = status.expiration.as_ref().zip(status.renewal_time.as_ref());
    let margin = margin.map(|(expires, renews)| expires.0.duration_since(renews.0) / 4);
    let latest = earliest.max(rotated + margin.unwrap_or(SignedDuration::ZERO));
    let due = others.filter_map(|other| other.renewal_time.as_ref()).map(|time| time.0);
    match due.filter(|due| *due <= latest).max() {
        // It rotates now, or its renewal fails.
        Some(due) if due <= now => latest,
        Some(due) => latest.min(due + BATCH).max(earliest),
        None => earliest,
    }
}

/// When to request the workload again, if that was done last at `checked`.
pub fn check_at(restart: &RestartStatus, checked: Timestamp) -> Timestamp {
    let wait = match restart.state {
        RestartState::Failed => RETRY_FAILED,
        RestartState::Pending
        | RestartState::Progressing
        | RestartState::Stuck
        | RestartState::Complete
        | RestartState::Missing => {
            let elapsed = checked.duration_since(restart.since.0) / 4;
            elapsed.clamp(SHORTEST_CHECK, LONGEST_CHECK)
        }
    };
    checked + wait
}

/// A step of a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Only report this state.
    Report(RestartState, Option<String>),
    /// Set the annotation.
    Begin,
}

/// What to do about a workload whose restart is due. `workload` is `None` if it does not exist.
pub fn step(
    restart: &RestartStatus,
    workload: Option<&Workload>,
    annotation: &str,
    fingerprint: &str,
    now: Timestamp,
) -> Step {
    let kind = restart.kind.as_str();
    let report = |state, message: &str| Step::Report(state, Some(message.to_owned()));
    let Some(workload) = workload else {
        return report(
            RestartState::Missing,
            &format!("there is no such {kind}: create it, or remove it from spec.restart"),
        );
    };
    let restarted = workload.annotation(annotation) == Some(fingerprint);
    let since = if restart.state == RestartState::Pending { now } else { restart.since.0 };
    let too_long = now.duration_since(since) >= STUCK_AFTER;
    match workload.rollout() {
        Rollout::Complete if restarted => Step::Report(RestartState::Complete, None),
        Rollout::Complete => Step::Begin,
        Rollout::NotReplaced(why) if restarted => report(RestartState::Complete, &why),
        Rollout::NotReplaced(why) => report(RestartState::Failed, &why),
        Rollout::Paused => report(RestartState::Pending, "the Deployment is paused: resume it"),
        Rollout::Stuck(why) if restarted => report(RestartState::Stuck, &why),
        Rollout::Progressing(why) if restarted && too_long => report(RestartState::Stuck, &why),
        Rollout::Progressing(_) if restarted => Step::Report(RestartState::Progressing, None),
        Rollout::Stuck(why) | Rollout::Progressing(why) => report(
            RestartState::Pending,
            &format!("waits for the end of another rollout of the {kind}: {why}"),
        ),
    }
}

/// The restart in this state. Its time changes only with the state.
pub fn in_state(
    restart: &RestartStatus,
    state: RestartState,
    message: Option<String>,
    now: Timestamp,
) -> RestartStatus {
    RestartStatus {
        kind: restart.kind,
        name: restart.name.clone(),
        state,
        since: if restart.state == state { restart.since.clone() } else { Time(whole_second(now)) },
        message: message.map(|text| one_line(&text, LONGEST_MESSAGE)),
    }
}
