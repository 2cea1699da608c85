//! The errors of invalid grants.

use crate::template::InvalidTemplate;
use crate::text::one_line;

/// Longest error of the decoder that a message repeats, in characters.
const LONGEST_CAUSE: usize = 300;

/// The error of a grant that cannot be read whole. Such a grant allows nothing and blocks what it matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// The grant cannot be decoded.
    #[error(
        "this version of tempcred cannot decode it ({0}): upgrade the operator, or correct the grant"
    )]
    Undecodable(String),
    /// The grant has a field that this version of tempcred does not know.
    #[error(
        "this version of tempcred does not know the field {0:?}: upgrade the operator, or remove the field"
    )]
    UnknownField(String),
    /// The grant uses the name of the cluster, which is not set.
    #[error(
        "session uses the name of the cluster (in {{{{ cluster }}}} or through attribution), which is not set: start the operator with --cluster-name"
    )]
    NoClusterName,
    /// `roleArns` is empty.
    #[error("roleArns matches no role: write at least one ARN")]
    NoRoles,
    /// An entry of `roleArns` is not a valid pattern.
    #[error(
        "{0:?} in roleArns is not the ARN of a role with a literal partition and account: write it as arn:aws:iam::123456789012:role/PATTERN"
    )]
    RoleArn(String),
    /// `*` is an entry of `roleArns` in mode `Allow`.
    #[error(
        "* in roleArns matches the roles of all accounts, which is possible only in mode Constrain: write ARNs with a literal partition and account"
    )]
    AllRoles,
    /// Neither `names` nor `selector` is set.
    #[error("namespaces matches no namespace: set namespaces.names or namespaces.selector")]
    NoNamespaces,
    /// A name cannot match any namespace.
    #[error(
        "{0:?} in namespaces.names can match no namespace: use only lower-case letters, digits, - and the wildcards * and ?"
    )]
    NamespaceName(String),
    /// The selector is empty.
    #[error(
        "namespaces.selector is empty and would match every namespace: to match every namespace, write names: ['*']"
    )]
    EmptySelector,
    /// The selector is invalid.
    #[error("namespaces.selector is invalid: {0}")]
    Selector(String),
    /// STS does not accept the maximum duration.
    #[error("maxDuration is {0}, but it must be between 15m and 12h")]
    MaxDuration(String),
    /// A template is invalid.
    #[error("the template {text:?} is invalid: {why}")]
    Template {
        /// The template.
        text: String,
        /// The error.
        why: InvalidTemplate,
    },
    /// A tag has a key that only attribution sets.
    #[error(
        "the key {0:?} in session.tags begins with tempcred.dev/, which is reserved: set session.attribution, or rename the tag"
    )]
    ReservedTag(String),
    /// Two tags have keys that differ only in case.
    #[error(
        "the key {0:?} in session.tags differs from another key only in case, which STS ignores: remove or rename one of them"
    )]
    SameTag(String),
    /// An entry of `tenantMaySet` is invalid.
    #[error(
        "{0:?} in session.tenantMaySet is not externalId, sourceIdentity, sessionName, tags or tags/KEY: correct it, or upgrade the operator"
    )]
    TenantMaySet(String),
}

impl InvalidGrant {
    /// A grant that cannot be decoded. `cause` is the error of the decoder.
    pub fn undecodable(cause: &str) -> Self {
        Self::Undecodable(one_line(cause, LONGEST_CAUSE))
    }
}
