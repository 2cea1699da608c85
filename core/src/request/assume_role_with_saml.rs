//! AssumeRoleWithSAML, with an assertion of a SAML identity provider.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::arn::RoleArn;
use super::inputs::Input;
use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SecretKeyRef, SessionPolicies, schema};

/// Assume an IAM role with a SAML assertion, by [AssumeRoleWithSAML]. The call is not signed: the identity provider
/// must be a SAML provider in IAM, and the trust policy of the role must allow it. An assertion is valid only for
/// some minutes: the process that writes its Secret must replace it before each renewal.
///
/// [AssumeRoleWithSAML]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
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

    /// Key of a Secret, in the namespace of this resource, that contains the assertion. The assertion is encoded in
    /// base64, as the identity provider issues it.
    pub assertion_secret_ref: SecretKeyRef,

    /// Requested lifetime of the credentials: `15m` to `12h`. It is at most the maximum session duration of the role,
    /// and at most what the assertion allows. Default: `1h`.
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
    /// The request as the spec contains it.
    #[serde(flatten)]
    pub spec: AssumeRoleWithSaml,
}

impl Request {
    /// The input that contains the SAML assertion.
    pub fn assertion(&self) -> Input {
        Input::SecretKey(self.spec.assertion_secret_ref.clone())
    }
}

impl StsRequest for Request {
    type Spec = AssumeRoleWithSaml;

    const ACTION: &'static str = "AssumeRoleWithSAML";

    fn new(spec: &AssumeRoleWithSaml, _: &str) -> Result<Self, InvalidRequest> {
        Ok(Self { role: RoleArn::try_from(spec.role_arn.as_str())?, spec: spec.clone() })
    }

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn arns(&self) -> Vec<&str> {
        let policies = self.spec.policies.policy_arns.iter().map(String::as_str);
        [self.role.as_str(), &self.spec.principal_arn].into_iter().chain(policies).collect()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn inputs(&self) -> Vec<Input> {
        vec![self.assertion()]
    }
}
