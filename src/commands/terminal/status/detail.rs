//! Everything about one resource, and what to do next.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tempcred_core::api::CredentialStatus;
use tempcred_core::problem::Reason;

use super::events::Shown;
use super::row::{BAD, GOOD, HEADING, WARNING};
use crate::commands::terminal::age::distance;
use crate::commands::terminal::kube::{Credential, secret_name};
use crate::commands::terminal::table::{Cell, lines};

/// The details of a resource, with colours.
pub fn text(
    credential: &Credential,
    events: &Result<Vec<Shown>, String>,
    now: Timestamp,
) -> String {
    let status = credential.status.clone().unwrap_or_default();
    let mut text = String::new();
    push(&mut text, &lines(&summary(credential, &status, now), None));
    section(&mut text, "Conditions");
    push(&mut text, &indented(&conditions(&status, now)));
    if let Some(failure) = &status.failure {
        section(&mut text, "Failure");
        let _ = writeln!(text, "  {} ({:?}): {}", failure.reason, failure.class, failure.message);
        let _ = writeln!(
            text,
            "  Attempts: {}, since {}. Next attempt: {}",
            failure.count,
            at(&failure.since, now),
            at(&failure.next_attempt, now)
        );
    }
    if !status.restarts.is_empty() {
        section(&mut text, "Restarts");
        for restart in &status.restarts {
            let message = restart.message.as_deref().unwrap_or_default();
            let (kind, name) = (restart.kind.as_str(), &restart.name);
            let since = at(&restart.since, now);
            let line = format!("  {kind}/{name}: {:?} since {since} {message}", restart.state);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    section(&mut text, "Events");
    match events {
        Ok(events) if events.is_empty() => text.push_str("  none\n"),
        Ok(events) => push(&mut text, &indented(&event_rows(events, now))),
        Err(why) => {
            let _ = writeln!(text, "  not shown: {why}");
        }
    }
    let steps = next_steps(&status);
    if !steps.is_empty() {
        section(&mut text, "Next steps");
        for step in steps {
            let _ = writeln!(text, "  - {step}");
        }
    }
    text
}

fn section(text: &mut String, name: &str) {
    let _ = writeln!(text, "\n{HEADING}{name}{HEADING:#}");
}

fn push(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

fn indented(rows: &[Vec<Cell>]) -> Vec<String> {
    lines(rows, None).iter().map(|line| format!("  {line}")).collect()
}

/// A time, and how far away it is.
fn at(time: &Time, now: Timestamp) -> String {
    let distance = distance(time.0, now);
    if time.0 > now {
        format!("{} (in {distance})", time.0)
    } else {
        format!("{} ({distance} ago)", time.0)
    }
}

fn summary(credential: &Credential, status: &CredentialStatus, now: Timestamp) -> Vec<Vec<Cell>> {
    let metadata = &credential.metadata;
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let (is, style) = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => ("True", GOOD),
        Some("False") => ("False", BAD),
        _ => ("Unknown", WARNING),
    };
    let reason = ready.map(|ready| format!(" ({})", ready.reason)).unwrap_or_default();
    let mut rows = vec![
        ("Name", metadata.name.clone().unwrap_or_default().into()),
        ("Namespace", metadata.namespace.clone().unwrap_or_default().into()),
        ("Ready", Cell::styled(format!("{is}{reason}"), style)),
        ("Secret", secret_name(credential).into()),
    ];
    let mut optional = |name, value: Option<String>| rows.extend(value.map(|v| (name, v.into())));
    optional("Principal", status.principal_arn.clone());
    optional("Access key", status.access_key_id.clone());
    optional("Issued", status.issued_at.as_ref().map(|time| at(time, now)));
    optional("Expires", status.expiration.as_ref().map(|time| at(time, now)));
    match credential.spec.suspend {
        true => optional("Renews", Some("never: spec.suspend is set".to_owned())),
        false => optional("Renews", status.renewal_time.as_ref().map(|time| at(time, now))),
    }
    rows.into_iter().map(|(name, value)| vec![format!("{name}:").into(), value]).collect()
}

fn conditions(status: &CredentialStatus, now: Timestamp) -> Vec<Vec<Cell>> {
    let heading = ["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"].map(Cell::from).to_vec();
    let rows = status.conditions.iter().map(|condition| {
        let since = distance(condition.last_transition_time.0, now);
        let texts =
            [&condition.type_, &condition.status, &condition.reason, &since, &condition.message];
        texts.map(|text| Cell::from(text.as_str())).to_vec()
    });
    std::iter::once(heading).chain(rows).collect()
}

fn event_rows(events: &[Shown], now: Timestamp) -> Vec<Vec<Cell>> {
    let heading = ["LAST SEEN", "TYPE", "REASON", "MESSAGE"].map(Cell::from).to_vec();
    let rows = events.iter().map(|event| {
        let age = event.at.map(|at| distance(at, now)).unwrap_or_default();
        let type_ = if event.type_ == "Warning" { WARNING } else { anstyle::Style::new() };
        vec![
            age.into(),
            Cell::styled(&event.type_, type_),
            event.reason.as_str().into(),
            event.note.as_str().into(),
        ]
    });
    std::iter::once(heading).chain(rows).collect()
}

/// The advice of the failure and of the conditions, each once.
fn next_steps(status: &CredentialStatus) -> Vec<&'static str> {
    let failure = status.failure.as_ref().and_then(|failure| failure.reason());
    let conditions = status.conditions.iter().filter_map(|c| Reason::parse(&c.reason));
    let without = [Reason::Issued.advice(), Reason::Retrying.advice(), Reason::Expired.advice()];
    let mut steps = Vec::new();
    for step in failure.into_iter().chain(conditions).map(Reason::advice) {
        // The failure is shown above, so its advice replaces the reference to it.
        if !steps.contains(&step) && !without.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-01-01T12:00:00Z";

    #[test]
    fn a_failing_resource_shows_its_failure_its_events_and_what_to_do() {
        let object = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": "reports", "namespace": "analytics"},
            "spec": {"secret": {"name": "reports-aws"}},
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "False", "reason": "AccessDenied", "message": "STS returned AccessDenied.", "lastTransitionTime": "2026-01-01T11:57:55Z"},
                    {"type": "Stalled", "status": "True", "reason": "AccessDenied", "message": "STS returned AccessDenied.", "lastTransitionTime": "2026-01-01T11:57:55Z"},
                ],
                "failure": {
                    "class": "Refused", "reason": "AccessDenied", "message": "STS returned AccessDenied.", "count": 3,
                    "since": "2026-01-01T11:57:55Z", "nextAttempt": "2026-01-01T12:01:00Z",
                },
                "restarts": [{"kind": "Deployment", "name": "web", "state": "Missing", "since": "2026-01-01T11:00:00Z", "message": "there is none"}],
            },
        });
        let credential: Credential = serde_json::from_value(object).unwrap();
        let event = Shown {
            at: Some("2026-01-01T11:58:00Z".parse().unwrap()),
            type_: "Warning".to_owned(),
            reason: "AccessDenied".to_owned(),
            note: "STS returned AccessDenied.".to_owned(),
        };
        let text = text(&credential, &Ok(vec![event]), NOW.parse().unwrap());
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn a_ready_resource_has_no_next_step() {
        let object = json!({
            "metadata": {"name": "a", "namespace": "b"}, "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Issued", "message": "m", "lastTransitionTime": NOW}]},
        });
        let credential: Credential = serde_json::from_value(object).unwrap();
        let text = text(&credential, &Err("forbidden".to_owned()), NOW.parse().unwrap());
        assert!(!text.contains("Next steps") && text.contains("not shown: forbidden"), "{text}");
    }
}
