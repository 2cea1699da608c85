//! The roles that a resource requests, and how grants constrain their sessions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arn::RoleArn;
use crate::fields::Duration;

/// One role that a resource asks the operator to assume.
pub struct RequestedRole<'a> {
    /// The role.
    pub role: &'a RoleArn,
    /// The external ID that the resource sets.
    pub external_id: Option<&'a str>,
    /// What the resource sets for the session; `None` for a hop, whose session stays in memory.
    pub overrides: Option<SessionOverrides<'a>>,
}

/// What a resource sets for the session that ends in its Secret.
pub struct SessionOverrides<'a> {
    /// Requested lifetime.
    pub duration: Duration,
    /// Source identity.
    pub source_identity: Option<&'a str>,
    /// Session tags.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether it sets an inline session policy.
    pub has_policy: bool,
    /// ARNs of session policies.
    pub policy_arns: &'a [String],
}

/// What a grant sets for one call. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionConstraints {
    /// External ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Source identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Session tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// ARNs of session policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
}

impl SessionConstraints {
    /// Whether they set nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
