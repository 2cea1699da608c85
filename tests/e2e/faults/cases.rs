//! Everything that can go wrong with a call to STS, and how it must be reported. `codes` has every error
//! code of STS; here are a few of each class.

use std::time::Duration;

use rig::sts::{Fault, Field};
use tempcred_core::problem::Class::{self, Refused, Throttled, Transient};

use super::role;

/// A fault, and how the status must report it.
pub struct Case {
    pub name: &'static str,
    /// Limited to the role of this case.
    pub fault: Fault,
    pub class: Class,
    pub reason: &'static str,
    /// A part of the message.
    pub says: &'static str,
}

/// Longer than the operator waits for a reply.
const TOO_LATE: Duration = Duration::from_secs(12);

/// Every case.
pub fn cases() -> Vec<Case> {
    let error = Fault::error;
    let row = |name, fault: Fault, class, reason, says| Case {
        name,
        fault: fault.for_role(&role(name)),
        class,
        reason,
        says,
    };
    let refused = |name, status, code, message, reason, says| {
        row(name, error(status, code, message), Refused, reason, says)
    };
    let unusable = |name, fault, says| row(name, fault, Transient, "InvalidReply", says);
    vec![
        row(
            "throttling",
            Fault::throttling(),
            Throttled,
            "Throttled",
            "STS returned Throttling (HTTP 400): Rate exceeded. ",
        ),
        row(
            "too-many",
            error(429, "SlowDown", ""),
            Throttled,
            "Throttled",
            "STS returned SlowDown (HTTP 429). ",
        ),
        row(
            "access-denied",
            Fault::access_denied(),
            Refused,
            "AccessDenied",
            "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/access-denied/reports. Check that the role exists",
        ),
        refused(
            "unknown-403",
            403,
            "Forbidden",
            "A proxy says no",
            "Refused",
            "STS returned Forbidden (HTTP 403): A proxy says no. Look up the error code in the STS API reference; if it is not there, the reply may come from a proxy instead of AWS",
        ),
        refused(
            "silent-403",
            403,
            "",
            "",
            "Refused",
            "STS returned HTTP 403 without an error code. Look up the error code",
        ),
        refused(
            "key-wrong",
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
            "IdentityRefused",
            "STS returned SignatureDoesNotMatch (HTTP 403). Correct the secret access key",
        ),
        row(
            "token-expired",
            error(403, "ExpiredToken", "The security token included in the request is expired"),
            Transient,
            "IdentityExpired",
            "is expired. The operator retries",
        ),
        refused(
            "unknown-400",
            400,
            "NeverHeardOf",
            "Something new\nin two lines",
            "Refused",
            "STS returned NeverHeardOf (HTTP 400): Something new in two lines. Look up the error code",
        ),
        row(
            "failure-500",
            Fault::internal_failure(),
            Transient,
            "StsUnavailable",
            "STS returned InternalFailure (HTTP 500)",
        ),
        row(
            "gateway-502",
            error(502, "", ""),
            Transient,
            "StsUnavailable",
            "STS returned HTTP 502 without an error code",
        ),
        row("reset", Fault::reset(), Transient, "StsUnavailable", "the connection broke"),
        row("slow", Fault::delay(TOO_LATE), Transient, "StsTimeout", "STS did not reply in time"),
        unusable("truncated", Fault::truncated(), "could not be parsed; it was not used"),
        unusable("cut-xml", Fault::cut_xml(), "could not be parsed; it was not used"),
        unusable("garbage", Fault::garbage(), "could not be parsed; it was not used"),
        unusable("no-key-id", Fault::empty(Field::AccessKeyId), "contains no access key ID"),
        unusable(
            "no-secret-key",
            Fault::empty(Field::SecretAccessKey),
            "contains no secret access key",
        ),
        unusable("no-token", Fault::empty(Field::SessionToken), "contains no session token"),
        unusable(
            "no-expiry",
            Fault::empty(Field::Expiration),
            "could not be parsed; it was not used",
        ),
        unusable("born-expired", Fault::expired(), "and the clock of the operator's node"),
    ]
}
