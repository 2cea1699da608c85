//! What a resource claims, and what a grant adds to it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::Duration;
use crate::arn::RoleArn;

/// One role that a resource wants to have assumed.
pub struct Claim<'a> {
    /// The role.
    pub role: &'a RoleArn,
    /// The external ID that the resource sets.
    pub external_id: Option<&'a str>,
    /// What it wishes for the session; `None` for a role on the way, whose session stays in memory.
    pub wishes: Option<Wishes<'a>>,
}

/// What a resource wishes for the session that ends in its Secret.
pub struct Wishes<'a> {
    /// How long it shall live.
    pub duration: Duration,
    /// The source identity that the resource sets.
    pub source_identity: Option<&'a str>,
    /// The tags that it sets.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether it sets an inline policy.
    pub has_policy: bool,
    /// The managed policies that it sets.
    pub policy_arns: &'a [String],
}

/// What a grant adds to one call. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
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

impl Terms {
    /// Whether they add nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
