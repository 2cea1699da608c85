//! `tempcred renew`: requests a renewal, and waits for it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use serde_json::json;
use tempcred_core::api::{CredentialStatus, FailureStatus, RENEW_REQUESTED_AT};

use super::kube::{Connection, Credential, Target, cannot};
use super::output::{FAILED, ended, print};

/// The flags of `tempcred renew`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Renew {
    /// Names of the TemporaryCredentials.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    /// Wait until the credentials are renewed, or the renewal fails.
    #[arg(long)]
    wait: bool,

    /// How long --wait waits for each, for example `90s`.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    timeout: Duration,

    #[command(flatten)]
    target: Target,
}

const AFTER_HELP: &str = "Exit codes: 0 if all are requested, or with --wait renewed; 1 if a renewal failed or timed out, or a \
resource is suspended; 2 if the request cannot be made.

Examples:
  tempcred renew reports --wait
  kubectl tempcred renew reports backup -n analytics";

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.ok_or_else(|| "a duration must have a form such as 90s or 2m".to_owned())
}

/// Requests renewals.
pub async fn renew(args: &Renew) -> ExitCode {
    ended(all(args).await, FAILED)
}

async fn all(args: &Renew) -> anyhow::Result<ExitCode> {
    let connection = args.target.connect().await?;
    let mut requested = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for name in &args.names {
        let credential = connection.credential(name).await?;
        if credential.spec.suspend {
            eprintln!("{name}: not renewed, because spec.suspend is set: set it to false first");
            code = ExitCode::FAILURE;
            continue;
        }
        let before = credential.status.and_then(|status| status.failure);
        requested.push((name, (request(&connection, name).await?, before)));
        if !args.wait {
            print(&format!("{name}: renewal requested\n"))?;
        }
    }
    if args.wait {
        let timeout = args.timeout;
        for (name, value) in requested {
            let done = tokio::time::timeout(timeout, finished(&connection, name, &value)).await;
            match done {
                Ok(outcome) => match outcome? {
                    Outcome::Renewed(text) => print(&format!("{name}: {text}\n"))?,
                    Outcome::Failed(text) => {
                        eprintln!("{name}: {text}");
                        code = ExitCode::FAILURE;
                    }
                    Outcome::Pending => bail!("the watch of {name} ended early"),
                },
                Err(_) => {
                    eprintln!(
                        "{name}: not renewed within {timeout:?}: check with `tempcred status {name}`, and that the operator runs and serves this namespace"
                    );
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    Ok(code)
}

/// Sets the annotation, and returns its value.
async fn request(connection: &Connection, name: &str) -> anyhow::Result<String> {
    let value = Timestamp::now().to_string();
    let patch = json!({"metadata": {"annotations": {RENEW_REQUESTED_AT: value}}});
    let api = connection.api::<Credential>(false);
    let patched = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched.map_err(|error| cannot("annotate", &error))?;
    Ok(value)
}

/// Watches a resource until the request with this value has an outcome.
async fn finished(
    connection: &Connection,
    name: &str,
    (value, before): &(String, Option<FailureStatus>),
) -> anyhow::Result<Outcome> {
    let api = connection.api::<Credential>(false);
    let mut changes = std::pin::pin!(watch_object(api, name));
    while let Some(change) = changes.try_next().await? {
        let credential = change.with_context(|| format!("{name} was deleted"))?;
        if credential.spec.suspend {
            let text = "not renewed, because spec.suspend was set meanwhile".to_owned();
            return Ok(Outcome::Failed(text));
        }
        match outcome(credential.status.as_ref(), value, before.as_ref()) {
            Outcome::Pending => {}
            done => return Ok(done),
        }
    }
    Ok(Outcome::Pending)
}

/// What became of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    Pending,
    Renewed(String),
    Failed(String),
}

/// What a status says about the request with this value. `before` is the failure when the request was made.
fn outcome(
    status: Option<&CredentialStatus>,
    value: &str,
    before: Option<&FailureStatus>,
) -> Outcome {
    let Some(status) = status else {
        return Outcome::Pending;
    };
    if status.last_renew_request.as_deref() == Some(value) {
        let until = status.expiration.as_ref().map(|at| format!(", valid until {}", at.0));
        return Outcome::Renewed(format!("renewed{}", until.unwrap_or_default()));
    }
    match &status.failure {
        // Each attempt changes the failure. A denied request is not attempted, so its failure stays the same.
        Some(failure) if Some(failure) != before || status.is_denied() => {
            Outcome::Failed(format!("renewal failed ({}): {}", failure.reason, failure.message))
        }
        _ => Outcome::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "2026-01-01T12:00:00.5Z";

    fn seen(status: serde_json::Value, before: Option<&FailureStatus>) -> Outcome {
        let status: CredentialStatus = serde_json::from_value(status).unwrap();
        outcome(Some(&status), REQUEST, before)
    }

    #[test]
    fn an_outcome_is_of_this_request_and_no_earlier_one() {
        let failure = |count: u32| {
            json!({
                "class": "Refused", "reason": "AccessDenied", "message": "no", "count": count,
                "since": "2026-01-01T11:00:00Z", "nextAttempt": "2026-01-01T13:00:00Z",
            })
        };
        let before: FailureStatus = serde_json::from_value(failure(1)).unwrap();
        assert_eq!(outcome(None, REQUEST, None), Outcome::Pending);
        assert_eq!(seen(json!({"lastRenewRequest": "2025"}), None), Outcome::Pending);
        assert_eq!(
            seen(json!({"lastRenewRequest": REQUEST, "expiration": "2026-01-01T13:00:00Z"}), None),
            Outcome::Renewed("renewed, valid until 2026-01-01T13:00:00Z".to_owned())
        );
        let failed = Outcome::Failed("renewal failed (AccessDenied): no".to_owned());
        assert_eq!(seen(json!({"failure": failure(1)}), None), failed);
        assert_eq!(seen(json!({"failure": failure(1)}), Some(&before)), Outcome::Pending);
        assert_eq!(seen(json!({"failure": failure(2)}), Some(&before)), failed);
        let denied = json!({
            "type": "Ready", "status": "False", "reason": "NotGranted", "message": "",
            "lastTransitionTime": "2026-01-01T11:00:00Z",
        });
        let status = json!({"failure": failure(1), "conditions": [denied]});
        assert_eq!(seen(status, Some(&before)), failed);
    }
}
