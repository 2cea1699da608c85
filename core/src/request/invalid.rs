//! The errors of a spec that contains no valid request.

use crate::fields::SessionTags;

/// The error of a spec that contains no valid request. The message names what to change in the spec.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum InvalidRequest {
    /// The spec sets no request, or more than one. Contains the names of the fields to choose from.
    #[error("spec must set exactly one request: one of {0}")]
    NotExactlyOne(String),
    /// This text is not the ARN of an IAM role. Contains its first 80 characters.
    #[error("{0:?} is not the ARN of an IAM role: write it as arn:aws:iam::123456789012:role/NAME")]
    RoleArn(String),
    /// This request needs `spec.identity`: the operator does not sign it with its own identity.
    #[error(
        "spec.{0} needs spec.identity: the operator does not make this request with its own identity"
    )]
    NeedsIdentity(&'static str),
    /// Only the operator may set a tag with this key. Contains its first 128 characters.
    #[error(
        "the tag {0:?} must be removed from tags: only session.attribution of a RoleGrant sets tags whose keys begin with tempcred.dev/"
    )]
    ReservedTag(String),
    /// The spec sets none or all of these fields, and must set exactly one.
    #[error("exactly one of {0} must be set")]
    Missing(&'static str),
}

impl InvalidRequest {
    /// Rejects the tags that only the operator may set.
    ///
    /// # Errors
    /// [`Self::ReservedTag`] with the first such key. A CEL rule rejects most of them, but a resource may be older than
    /// the rule.
    pub(super) fn check_tags(tags: &SessionTags) -> Result<(), Self> {
        tags.reserved()
            .map_or(Ok(()), |key| Err(Self::ReservedTag(key.chars().take(128).collect())))
    }
}
