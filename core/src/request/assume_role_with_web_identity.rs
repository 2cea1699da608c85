//! AssumeRoleWithWebIdentity, with a token of a ServiceAccount or of another identity provider.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::arn::RoleArn;
use super::inputs::Input;
use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionPolicies, TokenFrom, schema};

/// Assume an IAM role with a web identity token, by [AssumeRoleWithWebIdentity]. The call is not signed: the
/// issuer of the token must be an identity provider in IAM, and the trust policy of the role must allow the token.
///
/// [AssumeRoleWithWebIdentity]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(schema::ROLE_DURATION).message(schema::ROLE_DURATION_MESSAGE),
    validation = Rule::new(schema::TOKEN_FROM_ONE).message(schema::TOKEN_FROM_ONE_MESSAGE),
    validation = Rule::new(schema::TOKEN_AUDIENCE).message(schema::TOKEN_AUDIENCE_MESSAGE)
)]
pub struct AssumeRoleWithWebIdentity {
    /// ARN of the role to assume, for example `arn:aws:iam::123456789012:role/reports-reader`.
    /// 20 to 2048 characters.
    #[schemars(schema_with = "schema::role_arn")]
    pub role_arn: String,

    /// The source of the token: `serviceAccountName` or `tokenSecretRef`.
    #[serde(flatten)]
    pub token: TokenFrom,

    /// Name of the role session, as CloudTrail shows it. 2 to 64 characters: letters, digits and `_+=,.@-`.
    /// Default: `tempcred-NAMESPACE.NAME`. A default of more than 64 characters is replaced by its first 47
    /// characters, `+` and 16 hexadecimal digits of its SHA-256 hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,

    /// Requested lifetime of the credentials: `15m` to `12h`, and at most the maximum session duration of the
    /// role. Default: `1h`.
    #[serde(default = "schema::one_hour")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,
}

/// A validated request. The serialised form is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    /// ARN of the role.
    #[serde(skip)]
    pub role: RoleArn,
    /// The input that contains the token.
    #[serde(skip)]
    pub token: Input,
    /// Name of the session.
    pub session: String,
    /// The request as the spec contains it.
    #[serde(flatten)]
    pub spec: AssumeRoleWithWebIdentity,
}

impl StsRequest for Request {
    type Spec = AssumeRoleWithWebIdentity;

    const ACTION: &'static str = "AssumeRoleWithWebIdentity";

    fn new(spec: &AssumeRoleWithWebIdentity, session: &str) -> Result<Self, InvalidRequest> {
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            token: Input::token(&spec.token)?,
            session: spec.session_name.as_deref().unwrap_or(session).to_owned(),
            spec: spec.clone(),
        })
    }

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn arns(&self) -> Vec<&str> {
        let policies = self.spec.policies.policy_arns.iter().map(String::as_str);
        [self.role.as_str()].into_iter().chain(policies).collect()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.token.clone()]
    }
}
