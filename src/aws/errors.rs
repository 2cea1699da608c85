//! Errors of the SDK, turned into problems that a person can act on.
//!
//! Nothing of an [`SdkError`] passes but the code and the message that AWS sent: its `Debug` prints
//! the raw reply, secret key included.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::codes;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::text::one_line;

/// Longest message of AWS that is passed on, in characters.
const LONGEST_MESSAGE: usize = 400;

/// What an error of the SDK means.
pub(super) fn problem<E>(action: &str, target: &str, error: &SdkError<E>) -> Problem
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (reason, what) = match error {
        SdkError::ServiceError(context) => {
            let (status, error) = (context.raw().status().as_u16(), context.err());
            return answered(action, target, status, error.code(), error.message());
        }
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            return answered(action, target, status, None, None);
        }
        SdkError::TimeoutError(_) => (Reason::StsTimeout, "STS did not answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (Reason::StsTimeout, "STS did not answer in time".to_owned())
        }
        other if let Some(cause) = identity_trouble(other) => cause,
        SdkError::DispatchFailure(_) => {
            (Reason::StsUnavailable, "STS could not be reached, or the connection broke".to_owned())
        }
        _ => (Reason::StsUnavailable, "the request to STS could not be made".to_owned()),
    };
    Problem::of_call(reason, action, target, &what)
}

/// What a reply means that holds no credentials.
fn answered(
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
    Problem::advised(reason, action, target, &said(code, status, message), advice)
}

/// What a reply means whose code nobody knows: by the status alone, nothing can be said of roles and
/// policies, and it may not even be AWS that answers.
fn of_status(status: u16) -> Reason {
    match status {
        500.. => Reason::StsUnavailable,
        429 => Reason::Throttled,
        400.. => Reason::Refused,
        _ => Reason::InvalidReply,
    }
}

/// Whether AWS may quote a secret in this message: about signatures the request, with the caller's
/// own session token in it; about parameters that are not valid their value.
fn may_quote_a_secret(reason: Reason, message: &str) -> bool {
    let message = message.to_lowercase();
    matches!(reason, Reason::IdentityRefused | Reason::ClockSkewed)
        || ["'webidentitytoken'", "'samlassertion'"].iter().any(|name| message.contains(name))
}

/// What AWS said, in one line.
fn said(code: Option<&str>, status: u16, message: Option<&str>) -> String {
    let line = |text: &str| one_line(text, LONGEST_MESSAGE);
    let code = code.map(line).filter(|code| !code.is_empty());
    let message = message.map(line).filter(|message| !message.is_empty());
    match (code, message) {
        (Some(code), Some(message)) => {
            format!("STS says {code} (HTTP {status}): {}", message.trim_end_matches('.'))
        }
        (Some(code), None) => format!("STS says {code} (HTTP {status})"),
        (None, _) if status < 300 => {
            "the reply of STS could not be read; it was not used".to_owned()
        }
        (None, _) => format!("STS answered HTTP {status} without saying why"),
    }
}

/// What kept the SDK from finding the operator's own credentials, if that is what failed: then the
/// request never reached the network.
fn identity_trouble<E: Error + 'static>(error: &SdkError<E>) -> Option<(Reason, String)> {
    let mut source = error.source();
    while let Some(error) = source {
        match error.downcast_ref::<CredentialsError>() {
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_),
            ) => {
                let what = "the operator found no AWS identity of its own";
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
