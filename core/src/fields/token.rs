//! Where a web identity token comes from.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::reference::SecretKeyRef;

/// Where a web identity token comes from: exactly one of `serviceAccountName` and `tokenSecretRef`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct TokenFrom {
    /// ServiceAccount in the namespace of this resource for which a token is requested, for this one
    /// call; it is not stored. Either this or `tokenSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,

    /// Key of a Secret, in the namespace of this resource, that holds a token (a JWT) of an identity
    /// provider that IAM knows. Either this or `serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeyRef>,

    /// NamespaceMatcher of the ServiceAccount's token, as the identity provider in IAM lists it.
    /// Default: `sts.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub audience: Option<String>,
}
