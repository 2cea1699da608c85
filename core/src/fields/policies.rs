//! `policy` and `policyArns`, which several requests have in common.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Session policies: the session may do what both these and the role's own policies allow.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct SessionPolicies {
    /// Inline session policy, as a JSON document: the session may do what both this and the role's
    /// policies allow. At most 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = ("self.matches('^\\\\s*[{](.|\\\\s)*[}]\\\\s*$')", "policy must be a JSON document that starts with { and ends with }: write the IAM policy itself, not its name or ARN (policyArns takes those)"))]
    pub policy: Option<String>,

    /// ARNs of managed policies to use as session policies. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::policy_arns")]
    pub policy_arns: Vec<String>,
}
