//! The roles that a resource requests, and the parameters of their sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::arn::RoleArn;
use crate::fields::Duration;

/// A role that the operator assumes for a resource, and what the resource chooses for its session.
#[derive(Clone, Debug)]
pub struct RequestedRole<'a> {
    /// ARN of the role.
    pub role: &'a RoleArn,
    /// The external ID that the resource sets.
    pub external_id: Option<&'a str>,
    /// The session name that the resource sets. `None` if it is the default one.
    pub session_name: Option<&'a str>,
    /// The other settings of the resource. `None` for a hop: its session stays in memory.
    pub overrides: Option<SessionOverrides<'a>>,
}

impl<'a> RequestedRole<'a> {
    /// A hop for which the resource sets nothing.
    pub fn hop(role: &'a RoleArn) -> Self {
        Self { role, external_id: None, session_name: None, overrides: None }
    }
}

/// The settings of a resource for the session whose credentials are written to its Secret.
#[derive(Clone, Copy, Debug)]
pub struct SessionOverrides<'a> {
    /// Requested lifetime.
    pub duration: Option<Duration>,
    /// Source identity.
    pub source_identity: Option<&'a str>,
    /// Session tags.
    pub tags: &'a BTreeMap<String, String>,
    /// Keys of the transitive tags.
    pub transitive_tag_keys: &'a [String],
    /// Whether the resource sets an inline session policy.
    pub has_policy: bool,
    /// ARNs of session policies.
    pub policy_arns: &'a [String],
}

/// The parameters of one call, as the grants allow and set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionParameters {
    /// Requested lifetime. `None` for a hop.
    pub duration: Option<Duration>,
    /// External ID.
    pub external_id: Option<String>,
    /// Source identity. `None` if the session inherits it.
    pub source_identity: Option<String>,
    /// Session tags, without those that the session inherits.
    pub tags: BTreeMap<String, String>,
    /// Keys of the transitive ones of these tags.
    pub transitive_tag_keys: BTreeSet<String>,
    /// ARNs of session policies.
    pub policy_arns: Vec<String>,
}
