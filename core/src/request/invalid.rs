//! Why a spec makes no request.

/// Why a spec makes no request. The message says what to change in the spec.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum InvalidRequest {
    /// No request is set, or more than one; holds the fields to choose from.
    #[error("spec must set exactly one request: one of {0}")]
    NotExactlyOne(String),
    /// This is not the ARN of a role.
    #[error("{0:?} is not the ARN of an IAM role: write it as arn:aws:iam::123456789012:role/NAME")]
    RoleArn(String),
    /// Without `spec.identity`, the operator itself or nobody would have to sign this request.
    #[error(
        "spec.{0} needs spec.identity: the operator does not make this request with its own identity"
    )]
    NeedsIdentity(&'static str),
    /// Exactly one of these fields must be set.
    #[error("exactly one of {0} must be set")]
    Missing(&'static str),
}
