//! Errors of the SDK, turned into problems that a person can act on.
//!
//! Nothing of an [`SdkError`] passes but the code and the message that AWS sent: its `Debug` prints
//! the raw reply, secret key included.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use crate::failure::Problem;
use crate::reason::Reason;

/// Longest message of AWS that is passed on, in characters.
const LONGEST_MESSAGE: usize = 400;

/// Codes that STS answers with, and what they mean here. From the STS API reference: its common
/// errors and those of each action.
const CODES: &[(&str, Reason)] = &[
    ("AccessDenied", Reason::AccessDenied),
    ("AccessDeniedException", Reason::AccessDenied),
    ("NotAuthorized", Reason::AccessDenied),
    ("OptInRequired", Reason::AccessDenied),
    ("InvalidClientTokenId", Reason::IdentityRefused),
    ("UnrecognizedClientException", Reason::IdentityRefused),
    ("SignatureDoesNotMatch", Reason::IdentityRefused),
    ("IncompleteSignature", Reason::IdentityRefused),
    ("MissingAuthenticationToken", Reason::IdentityRefused),
    ("ExpiredToken", Reason::IdentityExpired),
    ("ExpiredTokenException", Reason::IdentityExpired),
    ("RequestExpired", Reason::IdentityExpired),
    ("ValidationError", Reason::RequestInvalid),
    ("InvalidParameterValue", Reason::RequestInvalid),
    ("InvalidParameterCombination", Reason::RequestInvalid),
    ("MissingParameter", Reason::RequestInvalid),
    ("MalformedPolicyDocument", Reason::PolicyInvalid),
    ("PackedPolicyTooLarge", Reason::PolicyTooLarge),
    ("RegionDisabledException", Reason::RegionDisabled),
    ("Throttling", Reason::Throttled),
    ("ThrottlingException", Reason::Throttled),
    ("RequestLimitExceeded", Reason::Throttled),
    ("TooManyRequestsException", Reason::Throttled),
    ("InternalFailure", Reason::StsUnavailable),
    ("InternalError", Reason::StsUnavailable),
    ("ServiceUnavailable", Reason::StsUnavailable),
];

/// What an error of the SDK means.
pub(super) fn problem<E>(action: &str, target: &str, error: &SdkError<E>) -> Problem
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (reason, what) = match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code();
            let reason = reason_of(code, status);
            // About signatures AWS may quote the request, with the caller's own session token in it.
            let message = context.err().message().filter(|_| reason != Reason::IdentityRefused);
            (reason, said(code, status, message))
        }
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            (reason_of(None, status), said(None, status, None))
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

fn reason_of(code: Option<&str>, status: u16) -> Reason {
    let known = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
    match (known, status) {
        (Some((_, reason)), _) => *reason,
        (None, 500..) => Reason::StsUnavailable,
        (None, 429) => Reason::Throttled,
        (None, 403) => Reason::AccessDenied,
        (None, 400..) => Reason::Refused,
        (None, _) => Reason::InvalidReply,
    }
}

/// What AWS said, in one line.
fn said(code: Option<&str>, status: u16, message: Option<&str>) -> String {
    let code = code.map(one_line).filter(|code| !code.is_empty());
    let message = message.map(one_line).filter(|message| !message.is_empty());
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

fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned()
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
