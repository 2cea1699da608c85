//! The source of a web identity token.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::reference::SecretKeyRef;
use super::schema;

/// The source of a web identity token. Set exactly one of `serviceAccountName` and `tokenSecretRef`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct TokenFrom {
    /// Name of a ServiceAccount in the namespace of this resource, other than the operator's own. A token is requested
    /// for it before each call to STS and is not stored. Set either this field or `tokenSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,

    /// Key of a Secret, in the namespace of this resource, that contains a token (a JWT). Its issuer must be an OIDC
    /// identity provider in IAM. The Secret must not have the type `kubernetes.io/service-account-token`, because its
    /// token is for the Kubernetes API server. Set either this field or `serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeyRef>,

    /// Audience of the token of the ServiceAccount. It must be a client ID of the OIDC identity provider in IAM, and not
    /// an audience that the Kubernetes API server accepts. 1 to 255 characters. Default: `sts.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new(schema::FOREIGN_AUDIENCE).message(schema::FOREIGN_AUDIENCE_MESSAGE))]
    pub audience: Option<String>,
}
