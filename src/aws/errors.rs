//! Converts errors of the AWS SDK to problems with advice.
//!
//! Of an [`SdkError`], only the code and the message of AWS are passed on: its `Debug` prints the raw reply, which can
//! contain secret values.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::codes;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::text::one_line;

/// Longest message of AWS that is passed on, in characters. Longer ones are truncated.
const LONGEST_MESSAGE: usize = 400;

/// Converts an error of the SDK.
pub(super) fn problem<E>(action: &str, target: &str, error: &SdkError<E>) -> Problem
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (reason, what) = match error {
        SdkError::ServiceError(context) => {
            let (status, error) = (context.raw().status().as_u16(), context.err());
            return of_reply(action, target, status, error.code(), error.message());
        }
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            return of_reply(action, target, status, None, None);
        }
        SdkError::TimeoutError(_) => (Reason::StsTimeout, "STS did not reply in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (Reason::StsTimeout, "STS did not reply in time".to_owned())
        }
        other if let Some(cause) = identity_error(other) => cause,
        SdkError::DispatchFailure(_) => {
            (Reason::StsUnavailable, "STS could not be reached, or the connection broke".to_owned())
        }
        _ => (Reason::StsUnavailable, "the request to STS could not be built".to_owned()),
    };
    Problem::of_call(reason, action, target, &what)
}

/// Converts an error reply.
fn of_reply(
    action: &str,
    target: &str,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
) -> Problem {
    let row = codes::find(code.unwrap_or_default(), message.unwrap_or_default());
    let (reason, advice) = row.map_or_else(
        || {
            let reason = of_status(status);
            (reason, reason.advice())
        },
        |row| (row.reason, row.advice),
    );
    let message = message.filter(|message| !may_quote_a_secret(reason, message));
    Problem::advised(reason, action, target, &description(code, status, message), advice)
}

/// The reason for a reply with an unknown error code, from its HTTP status. The status says nothing about roles and
/// policies, and the reply may come from a proxy instead of AWS.
fn of_status(status: u16) -> Reason {
    match status {
        500.. => Reason::StsUnavailable,
        429 => Reason::Throttled,
        400.. => Reason::Refused,
        _ => Reason::InvalidReply,
    }
}

/// Whether this message of AWS may quote a secret. Messages about signatures may quote the request, which contains the
/// session token of the caller. Messages about invalid parameters may quote their values.
fn may_quote_a_secret(reason: Reason, message: &str) -> bool {
    let message = message.to_lowercase();
    matches!(reason, Reason::IdentityRefused | Reason::ClockSkewed)
        || ["'webidentitytoken'", "'samlassertion'"].iter().any(|name| message.contains(name))
}

/// The error reply as one line.
fn description(code: Option<&str>, status: u16, message: Option<&str>) -> String {
    let line = |text: &str| one_line(text, LONGEST_MESSAGE);
    let code = code.map(line).filter(|code| !code.is_empty());
    let message = message.map(line).filter(|message| !message.is_empty());
    match (code, message) {
        (Some(code), Some(message)) => {
            format!("STS returned {code} (HTTP {status}): {}", message.trim_end_matches('.'))
        }
        (Some(code), None) => format!("STS returned {code} (HTTP {status})"),
        (None, _) if status < 300 => {
            "the reply of STS could not be parsed; it was not used".to_owned()
        }
        (None, _) => format!("STS returned HTTP {status} without an error code"),
    }
}

/// The reason and a description, if the SDK could not get the operator's own credentials. Then no request was sent.
fn identity_error<E: Error + 'static>(error: &SdkError<E>) -> Option<(Reason, String)> {
    let mut source = error.source();
    while let Some(error) = source {
        match error.downcast_ref::<CredentialsError>() {
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_),
            ) => {
                let what = "the operator has no AWS identity";
                return Some((Reason::IdentityMissing, what.to_owned()));
            }
            Some(_) => {
                let what = "the operator's own AWS identity could not be fetched";
                return Some((Reason::IdentityUnavailable, what.to_owned()));
            }
            None => source = error.source(),
        }
    }
    None
}
