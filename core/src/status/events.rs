//! Events for changes of the status: a first issue, a failure, a recovery, an expiration, or the removal of a withdrawn
//! Secret. A successful rotation causes no event.

use crate::api::{CredentialStatus, RestartState, RestartStatus};
use crate::problem::Reason;

/// An event to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusEvent {
    /// Whether the type of the event is `Warning`; otherwise it is `Normal`.
    pub warning: bool,
    /// The reason of the event.
    pub reason: Reason,
    /// The message of the event, which the events API calls note.
    pub note: String,
}

/// Longest note that the Kubernetes events API accepts, in bytes.
const LONGEST_NOTE: usize = 1024;

/// The events to publish after the status changed from `before` to `after`.
pub fn events(before: &CredentialStatus, after: &CredentialStatus) -> Vec<StatusEvent> {
    let mut events = vec![];
    let Some(ready) = after.readiness() else { return events };
    let was_ready = before.readiness().is_some_and(|before| before.ready);
    if before.issued_at.is_none() && after.issued_at.is_some() && ready.ready {
        events.push(StatusEvent::new(false, Reason::Issued, ready.message));
    } else if before.failure.is_some() && after.failure.is_none() && ready.ready {
        events.push(StatusEvent::new(false, Reason::Recovered, ready.message));
    }
    if was_ready && ready.reason == Some(Reason::Expired) {
        events.push(StatusEvent::new(true, Reason::Expired, ready.message));
    }
    if let Some(failure) = &after.failure
        && let Some(reason) = failure.reason()
    {
        let new_spec = after.observed_generation != before.observed_generation;
        let same = before.failure.as_ref().is_some_and(|f| f.reason() == Some(reason));
        let removed =
            before.secret.as_ref().filter(|_| reason.is_denial() && after.secret.is_none());
        match removed {
            Some(secret) => {
                let note = format!("Secret {} was removed. {}", secret.name, failure.message);
                events.push(StatusEvent::new(true, reason, &note));
            }
            None if new_spec || !same => {
                events.push(StatusEvent::new(true, reason, &failure.message));
            }
            None => {}
        }
    }
    events.extend(after.restarts.iter().filter_map(|restart| failed_restart(before, restart)));
    events
}

/// The event of a workload that is not restarted, or whose Pods are not replaced.
fn failed_restart(before: &CredentialStatus, restart: &RestartStatus) -> Option<StatusEvent> {
    let what = match restart.state {
        RestartState::Stuck => "has begun, but does not end",
        RestartState::Missing | RestartState::Failed => "was not possible",
        RestartState::Pending | RestartState::Progressing | RestartState::Complete => return None,
    };
    let known = before.restarts.iter().find(|one| one.is_of(&restart.target()));
    if known.is_some_and(|known| known.state == restart.state) {
        return None;
    }
    let (kind, name) = (restart.kind.as_str(), &restart.name);
    let message = restart.message.as_deref().unwrap_or_default();
    let note = format!("The restart of {kind} {name} after the rotation {what}: {message}");
    Some(StatusEvent::new(true, Reason::RestartFailed, &note))
}

/// Whether a resource with credentials has lost its grants between these two statuses. A changed spec that the grants do
/// not allow is not a loss.
pub fn has_lost_grant(before: &CredentialStatus, after: &CredentialStatus) -> bool {
    before.observed_generation == after.observed_generation
        && before.issued_at.is_some()
        && !before.is_denied()
        && after.is_denied()
}

impl StatusEvent {
    fn new(warning: bool, reason: Reason, note: &str) -> Self {
        let mut end = note.len().min(LONGEST_NOTE);
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        Self { warning, reason, note: note[..end].to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status(
        ready: Option<(&str, &str)>,
        issued: bool,
        failure: Option<&str>,
    ) -> CredentialStatus {
        let conditions: Vec<Value> = ready
            .map(|(status, reason)| json!({"type": "Ready", "status": status, "reason": reason, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}))
            .into_iter()
            .collect();
        let failure = failure.map(|reason| {
            json!({"class": "Refused", "reason": reason, "message": "f", "count": 1,
                   "since": "2026-01-01T00:00:00Z", "nextAttempt": "2026-01-01T00:00:00Z"})
        });
        let issued = issued.then_some("2026-01-01T00:00:00Z");
        let mut status = json!({"observedGeneration": 1, "conditions": conditions});
        if let Some(failure) = failure {
            status["failure"] = failure;
        }
        if let Some(issued) = issued {
            status["issuedAt"] = issued.into();
        }
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn reports_issues_failures_recoveries_and_expiries_and_nothing_else() {
        let fresh = status(None, false, None);
        let ready = status(Some(("True", "Issued")), true, None);
        let refused = status(Some(("False", "AccessDenied")), false, Some("AccessDenied"));
        let failing = status(Some(("True", "Issued")), true, Some("Throttled"));
        let expired = status(Some(("False", "Expired")), true, Some("Throttled"));
        let denied = status(Some(("False", "NotGranted")), true, Some("NotGranted"));
        let rows: [(&str, &CredentialStatus, &CredentialStatus, &[&str]); 10] = [
            ("first issue", &fresh, &ready, &["Issued"]),
            ("a rotation", &ready, &ready, &[]),
            ("refused at first", &fresh, &refused, &["AccessDenied"]),
            ("refused again", &refused, &refused, &[]),
            ("issued at last", &refused, &ready, &["Issued"]),
            ("a renewal fails", &ready, &failing, &["Throttled"]),
            ("it recovers", &failing, &ready, &["Recovered"]),
            ("it does not", &failing, &expired, &["Expired"]),
            ("the grant is withdrawn", &ready, &denied, &["NotGranted"]),
            ("granted again", &denied, &ready, &["Recovered"]),
        ];
        for (row, before, after, expected) in rows {
            let got: Vec<_> =
                events(before, after).into_iter().map(|n| n.reason.as_str()).collect();
            assert_eq!(got, expected, "{row}");
        }
    }

    #[test]
    fn the_removal_of_a_withdrawn_secret_is_reported_once() {
        let with_secret = |mut status: CredentialStatus| {
            let secret = json!({"name": "reports", "resourceVersion": "1"});
            status.secret = serde_json::from_value(secret).unwrap();
            status
        };
        let ready = with_secret(status(Some(("True", "Issued")), true, None));
        let gone = status(Some(("False", "NotGranted")), false, Some("NotGranted"));
        let stays = with_secret(status(Some(("False", "NotGranted")), true, Some("NotGranted")));
        let removed = "Secret reports was removed. f";
        let unavailable = Some("ApiServerUnavailable");
        let failing = with_secret(status(Some(("False", "NotGranted")), true, unavailable));
        let lost = status(Some(("False", "SecretConflict")), false, Some("SecretConflict"));
        for (row, before, after, expected) in [
            ("at once", &ready, &gone, &[removed][..]),
            ("withdrawn", &ready, &stays, &["f"]),
            ("it stays", &stays, &stays, &[]),
            ("it is removed at its expiry", &stays, &gone, &[removed]),
            ("removed after a failure", &failing, &gone, &[removed]),
            ("reported already", &gone, &gone, &[]),
            ("deleted by a user", &ready, &lost, &["f"]),
        ] {
            let notes: Vec<_> = events(before, after).into_iter().map(|event| event.note).collect();
            assert_eq!(notes, expected, "{row}");
        }
    }

    #[test]
    fn only_a_resource_with_credentials_and_the_same_spec_loses_its_grant() {
        let ready = status(Some(("True", "Issued")), true, None);
        let denied = status(Some(("False", "NotGranted")), true, Some("NotGranted"));
        let expired = status(Some(("False", "Expired")), true, Some("Throttled"));
        let refused = status(Some(("False", "AccessDenied")), false, Some("AccessDenied"));
        let changed = CredentialStatus { observed_generation: Some(2), ..denied.clone() };
        for (row, before, after, expected) in [
            ("withdrawn", &ready, &denied, true),
            ("withdrawn after its expiry", &expired, &denied, true),
            ("it stays withdrawn", &denied, &denied, false),
            ("never issued", &refused, &denied, false),
            ("the spec changed", &ready, &changed, false),
            ("granted", &denied, &ready, false),
            ("a renewal fails", &ready, &expired, false),
        ] {
            assert_eq!(has_lost_grant(before, after), expected, "{row}");
        }
    }
}
