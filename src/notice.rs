//! What a person should notice, from one status to the next: a first issue, a failure, a recovery,
//! an expiry. Rotations that go well are silent.

use crate::api::CredentialStatus;
use crate::reason::Reason;
use crate::status::readiness;

/// An event to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Whether it warns.
    pub warning: bool,
    /// Reason of the event.
    pub reason: String,
    /// What happened.
    pub note: String,
}

/// Longest note that the Kubernetes events API takes, in bytes.
const LONGEST_NOTE: usize = 1024;

/// The notices that a change of status is worth.
pub fn notices(before: &CredentialStatus, after: &CredentialStatus) -> Vec<Notice> {
    let mut notices = vec![];
    let (was_ready, is_ready) = (readiness(before), readiness(after));
    let (ready, reason, message) = is_ready.unwrap_or_default();
    let was = was_ready.is_some_and(|(ready, ..)| ready);
    if before.issued_at.is_none() && after.issued_at.is_some() && ready {
        notices.push(Notice::new(false, Reason::Issued.as_str(), message));
    } else if before.failure.is_some() && after.failure.is_none() && ready {
        notices.push(Notice::new(false, Reason::Recovered.as_str(), message));
    }
    if was && !ready && reason == Reason::Expired.as_str() {
        notices.push(Notice::new(true, reason, message));
    }
    if let Some(failure) = &after.failure
        && before.failure.as_ref().is_none_or(|f| {
            f.reason != failure.reason || after.observed_generation != before.observed_generation
        })
    {
        notices.push(Notice::new(true, &failure.reason, &failure.message));
    }
    notices
}

impl Notice {
    fn new(warning: bool, reason: &str, note: &str) -> Self {
        let mut end = note.len().min(LONGEST_NOTE);
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        Self { warning, reason: reason.to_owned(), note: note[..end].to_owned() }
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
    fn people_hear_of_what_matters_and_of_nothing_else() {
        let fresh = status(None, false, None);
        let ready = status(Some(("True", "Issued")), true, None);
        let refused = status(Some(("False", "AccessDenied")), false, Some("AccessDenied"));
        let failing = status(Some(("True", "Issued")), true, Some("Throttled"));
        let expired = status(Some(("False", "Expired")), true, Some("Throttled"));
        let rows: [(&str, &CredentialStatus, &CredentialStatus, &[&str]); 8] = [
            ("first issue", &fresh, &ready, &["Issued"]),
            ("a rotation", &ready, &ready, &[]),
            ("refused at first", &fresh, &refused, &["AccessDenied"]),
            ("refused again", &refused, &refused, &[]),
            ("issued at last", &refused, &ready, &["Issued"]),
            ("a renewal fails", &ready, &failing, &["Throttled"]),
            ("it recovers", &failing, &ready, &["Recovered"]),
            ("it does not", &failing, &expired, &["Expired"]),
        ];
        for (row, before, after, expected) in rows {
            let got: Vec<_> = notices(before, after).into_iter().map(|n| n.reason).collect();
            assert_eq!(got, expected, "{row}");
        }
    }
}
