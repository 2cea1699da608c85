//! AssumeRoleWithSAML: an assertion of an identity provider.

use jiff::Timestamp;
use kube::KubeSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform};
use crate::api::{Duration, SecretKeyRef, SessionPolicies, schema};
use crate::arn::RoleArn;
use crate::failure::Problem;
use crate::minted::Minted;
use crate::source::{Materials, Source};
use crate::sts::{Session, checked};

/// Assume an IAM role with a SAML assertion, by [AssumeRoleWithSAML]. The call is not signed: IAM
/// knows the identity provider, and the trust policy of the role decides. An assertion can be used
/// for some minutes only, so whoever writes its Secret has to keep it fresh.
///
/// [AssumeRoleWithSAML]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(schema::ROLE_DURATION).message(schema::ROLE_DURATION_MESSAGE))]
pub struct AssumeRoleWithSaml {
    /// ARN of the role to assume, for example `arn:aws:iam::123456789012:role/reports-reader`.
    /// 20 to 2048 characters.
    #[schemars(schema_with = "schema::role_arn")]
    pub role_arn: String,

    /// ARN of the SAML provider in IAM, for example
    /// `arn:aws:iam::123456789012:saml-provider/corporate`. 20 to 2048 characters.
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:saml-provider/[!-~]+$")
    )]
    pub principal_arn: String,

    /// Key of a Secret, in the namespace of this resource, that holds the assertion in base64, as the
    /// identity provider issues it.
    pub assertion_secret_ref: SecretKeyRef,

    /// How long the credentials shall live: `15m` to `12h`, and at most the role's own maximum and
    /// what the assertion allows. Default: `1h`.
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
    #[serde(flatten)]
    spec: AssumeRoleWithSaml,
}

impl Request {
    /// Checks the ARN. The assertion names the session, so no name is needed.
    pub(super) fn new(spec: &AssumeRoleWithSaml, _: &str) -> Result<Self, Invalid> {
        Ok(Self { role: RoleArn::try_from(spec.role_arn.as_str())?, spec: spec.clone() })
    }

    fn assertion(&self) -> Source {
        Source::SecretKey(self.spec.assertion_secret_ref.clone())
    }
}

impl Perform for Request {
    const ACTION: &'static str = "AssumeRoleWithSAML";

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn sources(&self) -> Vec<Source> {
        vec![self.assertion()]
    }

    async fn call(&self, session: &Session, materials: &Materials) -> Result<Minted, Problem> {
        let assertion = materials.get(&self.assertion())?.expose_secret().trim();
        let asked_at = Timestamp::now();
        let request = |client: aws_sdk_sts::Client| {
            client
                .assume_role_with_saml()
                .role_arn(self.role.as_str())
                .principal_arn(&self.spec.principal_arn)
                .saml_assertion(assertion)
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
