//! AssumeRoleWithWebIdentity: a token of a ServiceAccount, or of another identity provider.

use jiff::Timestamp;
use kube::KubeSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform, session_name};
use crate::api::{Duration, SessionPolicies, TokenFrom, schema};
use crate::arn::RoleArn;
use crate::failure::Problem;
use crate::minted::Minted;
use crate::source::{Materials, Source};
use crate::sts::{Session, checked};

/// Assume an IAM role with a token, by [AssumeRoleWithWebIdentity]. The call is not signed: IAM knows
/// the issuer of the token, and the trust policy of the role decides.
///
/// [AssumeRoleWithWebIdentity]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    #[serde(skip)]
    role: RoleArn,
    #[serde(skip)]
    token: Source,
    session: String,
    #[serde(flatten)]
    spec: AssumeRoleWithWebIdentity,
}

impl Request {
    /// Checks the ARN, and where the token comes from.
    pub(crate) fn new(spec: &AssumeRoleWithWebIdentity, session: &str) -> Result<Self, Invalid> {
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            token: spec.token.source()?,
            session: session_name(spec.session_name.as_deref(), session),
            spec: spec.clone(),
        })
    }
}

impl Perform for Request {
    const ACTION: &'static str = "AssumeRoleWithWebIdentity";

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn sources(&self) -> Vec<Source> {
        vec![self.token.clone()]
    }

    async fn call(&self, session: &Session, materials: &Materials) -> Result<Minted, Problem> {
        let token = materials.get(&self.token)?.expose_secret().trim();
        let asked_at = Timestamp::now();
        let request = |client: aws_sdk_sts::Client| {
            client
                .assume_role_with_web_identity()
                .role_arn(self.role.as_str())
                .role_session_name(&self.session)
                .web_identity_token(token)
                .duration_seconds(self.spec.duration.as_i32())
                .set_policy(self.spec.policies.policy.clone())
                .set_policy_arns(self.spec.policies.descriptors())
                .send()
        };
        let output = session.call(Self::ACTION, self.target(), request).await?;
        let principal = output.assumed_role_user.map(|user| user.arn);
        #[expect(deprecated, reason = "the only field that this action has for it everywhere")]
        let packed = output.packed_policy_size;
        checked(Self::ACTION, self.target(), asked_at, output.credentials, principal, packed)
    }
}
