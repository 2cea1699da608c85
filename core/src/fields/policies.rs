//! `policy` and `policyArns`, which several requests share.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Session policies. The session has only the permissions that both these policies and the policies of the role or
/// user allow.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct SessionPolicies {
    /// Inline session policy, as a JSON document. The session has only the permissions that both the session policies
    /// and the policies of the role or user allow. At most 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = ("self.matches('^\\\\s*[{](.|\\\\s)*[}]\\\\s*$')", "policy must be a JSON document that starts with { and ends with }: write the IAM policy itself, not its name or ARN (use policyArns for ARNs)"))]
    pub policy: Option<String>,

    /// ARNs of managed policies to use as session policies. At most 10 ARNs of 20 to 2048 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::policy_arns")]
    pub policy_arns: Vec<String>,
}
