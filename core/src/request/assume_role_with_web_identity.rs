//! AssumeRoleWithWebIdentity: a token of a ServiceAccount, or of another identity provider.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::arn::RoleArn;
use super::inputs::Input;
use super::invalid::InvalidRequest;
use super::session_name::session_name;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionPolicies, TokenFrom, schema};

/// Assume an IAM role with a token, by [AssumeRoleWithWebIdentity]. The call is not signed: IAM knows
/// the issuer of the token, and the trust policy of the role decides.
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

    /// Where the token comes from.
    #[serde(flatten)]
    pub token: TokenFrom,

    /// Name of the session, as CloudTrail shows it. 2 to 64 characters of letters, digits and
    /// `_+=,.@-`. Default: `tempcred-NAMESPACE-NAME`, shortened with a hash if that is too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,

    /// How long the credentials shall live: `15m` to `12h`, and at most the role's own maximum.
    /// Default: `1h`.
    #[serde(default = "schema::one_hour")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    /// The role.
    #[serde(skip)]
    pub role: RoleArn,
    /// The token.
    #[serde(skip)]
    pub token: Input,
    /// Name of the session.
    pub session: String,
    /// The part of the spec.
    #[serde(flatten)]
    pub spec: AssumeRoleWithWebIdentity,
}

impl Request {
    /// Checks the ARN and where the token comes from.
    pub(super) fn new(spec: &AssumeRoleWithWebIdentity, session: &str) -> Result<Self, InvalidRequest> {
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            token: Input::token(&spec.token)?,
            session: session_name(spec.session_name.as_deref(), session),
            spec: spec.clone(),
        })
    }
}

impl StsRequest for Request {
    const ACTION: &'static str = "AssumeRoleWithWebIdentity";

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.token.clone()]
    }
}
