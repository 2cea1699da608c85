//! Converts errors of the Kubernetes API to problems with advice.
//!
//! Messages of the API server are not passed on: validation and admission policies may quote the written object.

use std::time::Duration;

use kube::core::response::Status;
use tracing::Instrument;

use crate::telemetry::traces;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::text::one_line;

/// Timeout for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest list of rejected fields in a message, in characters: a webhook may name any number of fields.
const LONGEST_FIELDS: usize = 400;

/// The error of a failed request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Failed {
    /// The object does not exist, or it is not the object that the request was made for.
    Conflict,
    /// Any other failure.
    Problem(Problem),
}

/// Makes a request with a timeout. `what` describes the request, for messages. `rejected` is the reason if the API
/// server rejects the request.
pub(super) async fn request<T>(
    what: &str,
    rejected: Reason,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failed> {
    let span = traces::kubernetes(what);
    let timed = tokio::time::timeout(REQUEST_TIMEOUT, request).instrument(span.clone());
    let failed = match timed.await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(kube::Error::Api(status))) => of_status(what, rejected, &status),
        Ok(Err(_)) => {
            unavailable(what, "the API server could not be reached, or the connection broke")
        }
        Err(_) => unavailable(what, "the API server did not reply in time"),
    };
    if let Failed::Problem(problem) = &failed {
        traces::failed(&span, problem.reason.as_str());
    }
    Err(failed)
}

fn unavailable(what: &str, why: &str) -> Failed {
    let reason = Reason::ApiServerUnavailable;
    Failed::Problem(Problem::new(reason, format!("{what} failed: {why}. {}", reason.advice())))
}

fn of_status(what: &str, reason: Reason, status: &Status) -> Failed {
    let code = status.code;
    // If an apply contains the UID of another object, the API server returns the error that the UID is immutable.
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    match code {
        // The object or its namespace does not exist.
        404 | 409 => Failed::Conflict,
        422 if causes().any(|cause| cause.field == "metadata.uid") => Failed::Conflict,
        // 401 is temporary: the token of the operator is being replaced.
        401 | 429 | 500.. => unavailable(what, &format!("the API server returned HTTP {code}")),
        _ => {
            let message = format!("{what} failed: {}. {}", rejection(status), reason.advice());
            Failed::Problem(Problem::new(reason, message))
        }
    }
}

/// Describes why the API server rejected a request, without text that may quote the Secret.
fn rejection(status: &Status) -> String {
    let fields: Vec<&str> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| cause.field.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    let fields =
        if fields.is_empty() { String::new() } else { format!("because of {}", fields.join(", ")) };
    let (why, fields) = (one_line(&status.reason, 100), one_line(&fields, LONGEST_FIELDS));
    let space = if fields.is_empty() { "" } else { " " };
    format!("the API server rejected it ({why}, HTTP {}){space}{fields}", status.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn distinguishes_temporary_failures_and_quotes_no_message() {
        let status = |code: u16| -> Status {
            serde_json::from_value(json!({
                "status": "Failure", "code": code, "reason": "Invalid", "message": "data[x]: hush",
                "details": {"causes": [{"field": "data[x]", "message": "hush", "reason": "FieldValueInvalid"}]},
            }))
            .unwrap()
        };
        for (code, reason) in [
            (403, Reason::SecretRejected),
            (422, Reason::SecretRejected),
            (429, Reason::ApiServerUnavailable),
            (503, Reason::ApiServerUnavailable),
        ] {
            let Failed::Problem(problem) =
                of_status("writing", Reason::SecretRejected, &status(code))
            else {
                panic!("{code}")
            };
            assert_eq!(problem.reason, reason, "{code}");
            assert!(!problem.message.contains("hush"), "{code}: {}", problem.message);
        }
        for code in [404, 409] {
            assert_eq!(
                of_status("writing", Reason::SecretRejected, &status(code)),
                Failed::Conflict,
                "{code}"
            );
        }
    }
}
