//! The roles that a resource requests, and how grants constrain their sessions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arn::RoleArn;
use crate::fields::Duration;

/// A role that the operator assumes for a resource.
pub struct RequestedRole<'a> {
    /// ARN of the role.
    pub role: &'a RoleArn,
    /// The external ID that the resource sets.
    pub external_id: Option<&'a str>,
    /// The session settings of the resource. `None` for a hop: its session stays in memory.
    pub overrides: Option<SessionOverrides<'a>>,
}

/// The settings of a resource for the session whose credentials are written to its Secret.
pub struct SessionOverrides<'a> {
    /// Requested lifetime.
    pub duration: Duration,
    /// Source identity.
    pub source_identity: Option<&'a str>,
    /// Session tags.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether the resource sets an inline session policy.
    pub has_policy: bool,
    /// ARNs of session policies.
    pub policy_arns: &'a [String],
}

/// The parameters that a grant sets for one call. The serialised form is part of the request hash.
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
    /// Whether no parameter is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
