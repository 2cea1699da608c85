//! The values of the chart for admission policies.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

/// ValidatingAdmissionPolicies and their bindings.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdmissionPolicies {
    /// Create the policies. This needs permission to create cluster-scoped objects.
    enabled: bool,
    /// Actions for a request that violates a policy. `Warn` and `Audit` allow the request, and
    /// inform the client or the audit log. `Deny` and `Warn` exclude each other.
    #[schemars(length(min = 1))]
    actions: BTreeSet<Action>,
    /// Audiences of the ServiceAccount tokens that the operator may request. Never add an audience
    /// of the API server: with such a token, the operator could impersonate the ServiceAccount.
    #[schemars(length(min = 1), inner(regex(pattern = "^[^\r\n]+$")))]
    token_audiences: Vec<String>,
    /// Additional users that may write labels and annotations with the prefix `tempcred.dev/` on
    /// Secrets, such as `system:serviceaccount:NAMESPACE:NAME`. Examples are another release that
    /// serves the same namespaces, and a tool that restores backups.
    #[schemars(inner(regex(pattern = "^[^\r\n]+$")))]
    secret_writers: Vec<String>,
    /// Users who may create resources that the operator signs with its own AWS identity:
    /// `assumeRole` without `identity`.
    signed_by_operator: SignedByOperator,
}

impl Default for AdmissionPolicies {
    fn default() -> Self {
        Self {
            enabled: true,
            actions: BTreeSet::from([Action::Deny]),
            token_audiences: vec!["sts.amazonaws.com".to_owned()],
            secret_writers: vec![],
            signed_by_operator: SignedByOperator::default(),
        }
    }
}

#[derive(JsonSchema, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[expect(dead_code, reason = "the schema names them all, the default is one of them")]
enum Action {
    Deny,
    Warn,
    Audit,
}

/// Users who may create resources that the operator signs.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct SignedByOperator {
    /// Groups whose members may create such resources and change their spec. Default: every user
    /// who may write resources. A GitOps tool writes with its own identity, so add its group, such
    /// as `system:serviceaccounts:flux-system`.
    #[schemars(inner(regex(pattern = "^[^\r\n]+$")))]
    groups: Vec<String>,
}
