//! The errors of a spec that contains no valid request.

use std::collections::BTreeSet;

use crate::fields::{SessionTags, folded, is_reserved};

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
    /// API servers accept tokens for this audience.
    #[error(
        "audience {0} is that of the Kubernetes API server, and everyone who sees the token could then use it there: use sts.amazonaws.com, or another client ID of the OIDC provider in IAM"
    )]
    Audience(String),
    /// `spec.region` is not one of the regions that the operator allows.
    #[error(
        "spec.region {region} is not one of the regions that the operator allows ({allowed}): use one of these, or remove region to use the region of the operator"
    )]
    RegionNotAllowed {
        /// The region.
        region: String,
        /// The regions to choose from.
        allowed: String,
    },
    /// An ARN belongs to another partition of AWS than the region.
    #[error(
        "{arn:?} belongs to the AWS partition {partition}, but {which} {region} belongs to {expected}: change the ARN, or set spec.region to a region of {partition}"
    )]
    Partition {
        /// The first 80 characters of the ARN.
        arn: String,
        /// Its partition.
        partition: String,
        /// The region.
        region: String,
        /// The partition of the region.
        expected: &'static str,
        /// Where the region is set: `spec.region` or `the operator's region`.
        which: &'static str,
    },
    /// Only the operator may set a tag with this key. Contains its first 128 characters.
    #[error(
        "the tag {0:?} must be removed from tags: only session.attribution of a RoleGrant sets tags whose keys begin with tempcred.dev/"
    )]
    ReservedTag(String),
    /// Another tag has the same key except for the case. Contains its first 128 characters.
    #[error(
        "the tag {0:?} must be removed from tags or renamed: STS ignores the case of keys, so another tag has the same key"
    )]
    SameTag(String),
    /// The spec sets none or all of these fields, and must set exactly one.
    #[error("exactly one of {0} must be set")]
    Missing(&'static str),
    /// The operator does not write labels and annotations with this key. Contains the key, and the allowed prefixes.
    #[error(
        "the operator does not set the key {0:?} on Secrets, only keys that begin with {1}: remove it from secret.labels and secret.annotations, or ask the platform team to allow it (--secret-key-prefixes)"
    )]
    KeyNotAllowed(String, String),
    /// A template of the Secret cannot be rendered.
    #[error("spec.secret.template[{key:?}], line {line}: {what}")]
    Template {
        /// The key of the Secret.
        key: String,
        /// The line in the template, beginning with 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The request issues no access key that a template could use. Contains the field of the request.
    #[error("{0} issues no access key, so it cannot be used with secret.template: remove template")]
    TemplateWithoutKey(&'static str),
}

impl InvalidRequest {
    /// Rejects tags that only the operator may set, and keys that STS does not distinguish. CEL rules reject most of
    /// them, but a resource may be older than the rules.
    ///
    /// # Errors
    /// [`Self::ReservedTag`] or [`Self::SameTag`] with the first such key.
    pub(super) fn check_tags(tags: &SessionTags) -> Result<(), Self> {
        let first = |key: &str| key.chars().take(128).collect();
        let mut seen = BTreeSet::new();
        for key in tags.tags.keys() {
            if is_reserved(key) {
                return Err(Self::ReservedTag(first(key)));
            }
            if !seen.insert(folded(key)) {
                return Err(Self::SameTag(first(key)));
            }
        }
        Ok(())
    }
}
