//! `spec.identity`: the identity that signs a request instead of the operator.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::assume_role_with_web_identity::{AssumeRoleWithWebIdentity, Request as TokenExchange};
use super::inputs::Input;
use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SecretKeyRef, SessionPolicies, TokenFrom, schema};

/// The identity that signs the request. Set exactly one of the two fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.accessKeySecretRef) != has(self.webIdentity)", "set exactly one of identity.accessKeySecretRef and identity.webIdentity, or leave identity out"))]
pub struct Identity {
    /// An access key in a Secret in the namespace of this resource: the long-lived key of an IAM user, or the key of
    /// a session that another process renews, for example another TemporaryCredential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_secret_ref: Option<AccessKeySecretRef>,

    /// A role that is assumed first, with a token of a ServiceAccount in the namespace of this resource or of another
    /// identity provider. Its credentials sign the request. They stay in memory and are not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentity>,
}

/// An access key in a Secret in the namespace of this resource.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct AccessKeySecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,

    /// Key in the Secret that contains the access key ID. Default: `AWS_ACCESS_KEY_ID`.
    #[serde(default = "access_key_id_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub access_key_id_key: String,

    /// Key in the Secret that contains the secret access key. Default: `AWS_SECRET_ACCESS_KEY`.
    #[serde(default = "secret_access_key_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub secret_access_key_key: String,

    /// Key in the Secret that contains the session token, for example `AWS_SESSION_TOKEN`. Required if the access key
    /// belongs to a session. Default: none, for the long-lived key of an IAM user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub session_token_key: Option<String>,
}

/// A role to assume with a web identity token, whose credentials sign the request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(schema::TOKEN_FROM_ONE).message(schema::TOKEN_FROM_ONE_MESSAGE),
    validation = Rule::new(schema::TOKEN_AUDIENCE).message(schema::TOKEN_AUDIENCE_MESSAGE)
)]
pub struct WebIdentity {
    /// ARN of the role to assume first, for example `arn:aws:iam::123456789012:role/tenant`.
    /// 20 to 2048 characters.
    #[schemars(schema_with = "schema::role_arn")]
    pub role_arn: String,

    /// The source of the token: `serviceAccountName` or `tokenSecretRef`.
    #[serde(flatten)]
    pub token: TokenFrom,
}

fn access_key_id_key() -> String {
    "AWS_ACCESS_KEY_ID".to_owned()
}

fn secret_access_key_key() -> String {
    "AWS_SECRET_ACCESS_KEY".to_owned()
}

/// A validated identity: the caller of a request, in the terms of AWS.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// The operator, with its own AWS identity.
    Operator,
    /// An access key from a Secret.
    AccessKey {
        /// The access key ID.
        id: Input,
        /// The secret access key.
        secret: Input,
        /// The session token, if the key belongs to a session.
        token: Option<Input>,
    },
    /// A role that is assumed with a web identity token.
    WebIdentity(TokenExchange),
}

impl Caller {
    /// Validates an identity. If it assumes a role, `session` is the session name and `lifetime` the requested
    /// lifetime of that session.
    ///
    /// # Errors
    /// [`InvalidRequest`] if the identity is incomplete. Its message names what to change.
    pub fn of(
        identity: Option<&Identity>,
        session: &str,
        lifetime: Duration,
    ) -> Result<Self, InvalidRequest> {
        let Some(identity) = identity else { return Ok(Self::Operator) };
        match (&identity.access_key_secret_ref, &identity.web_identity) {
            (Some(keys), None) => {
                let input = |key: &String| {
                    Input::SecretKey(SecretKeyRef { name: keys.name.clone(), key: key.clone() })
                };
                Ok(Self::AccessKey {
                    id: input(&keys.access_key_id_key),
                    secret: input(&keys.secret_access_key_key),
                    token: keys.session_token_key.as_ref().map(input),
                })
            }
            (None, Some(web)) => {
                TokenExchange::new(&web.as_request(lifetime), session).map(Self::WebIdentity)
            }
            _ => {
                Err(InvalidRequest::Missing("identity.accessKeySecretRef and identity.webIdentity"))
            }
        }
    }

    /// Number of STS calls that are needed to sign as this caller.
    pub fn calls(&self) -> u32 {
        match self {
            Self::Operator | Self::AccessKey { .. } => 0,
            Self::WebIdentity(_) => 1,
        }
    }

    /// The ARNs that are needed to sign as this caller.
    pub fn arns(&self) -> Vec<&str> {
        match self {
            Self::Operator | Self::AccessKey { .. } => Vec::new(),
            Self::WebIdentity(exchange) => exchange.arns(),
        }
    }

    /// The inputs that this caller needs.
    pub fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Operator => Vec::new(),
            Self::AccessKey { id, secret, token } => {
                [Some(id), Some(secret), token.as_ref()].into_iter().flatten().cloned().collect()
            }
            Self::WebIdentity(exchange) => exchange.inputs(),
        }
    }
}

impl WebIdentity {
    /// The request that assumes this role.
    fn as_request(&self, lifetime: Duration) -> AssumeRoleWithWebIdentity {
        AssumeRoleWithWebIdentity {
            role_arn: self.role_arn.clone(),
            token: self.token.clone(),
            session_name: None,
            duration: lifetime,
            policies: SessionPolicies::default(),
        }
    }
}
