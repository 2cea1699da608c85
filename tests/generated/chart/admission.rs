//! The part of the chart's values that is about what the API server refuses.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

/// ValidatingAdmissionPolicies, and how they are put into force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdmissionPolicies {
    /// Make them. It takes the right to make objects of the whole cluster.
    enabled: bool,
    /// What happens to a request that they find wrong. `Warn` and `Audit` let it pass, and tell the
    /// client or the audit log; `Deny` and `Warn` exclude each other.
    #[schemars(length(min = 1))]
    actions: BTreeSet<Action>,
    /// What the operator may request tokens of ServiceAccounts for. Never an audience of the API
    /// server: with such a token, the operator would be that ServiceAccount.
    #[schemars(length(min = 1), inner(regex(pattern = "^[^\r\n]+$")))]
    token_audiences: Vec<String>,
    /// Users that may write labels and annotations below `tempcred.dev/` on Secrets besides the
    /// operator: another release that serves the same namespaces, a tool that restores backups. Such
    /// as `system:serviceaccount:NAMESPACE:NAME`.
    #[schemars(inner(regex(pattern = "^[^\r\n]+$")))]
    secret_writers: Vec<String>,
    /// Who may have the operator sign with its own AWS identity: `assumeRole` without `identity`.
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

/// Who may have the operator sign.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct SignedByOperator {
    /// Groups whose members may create such resources, and change the spec of them. Default:
    /// everybody who may write them at all. A GitOps tool counts as whoever it is itself, such as
    /// `system:serviceaccounts:flux-system`.
    #[schemars(inner(regex(pattern = "^[^\r\n]+$")))]
    groups: Vec<String>,
}
