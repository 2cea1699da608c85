//! GetFederationToken: a session of a federated user.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform};
use crate::api::{Duration, SessionPolicies, SessionTags, schema};
use crate::failure::Problem;
use crate::minted::Minted;
use crate::source::Materials;
use crate::sts::{Session, checked};

/// A session of a federated user, by [GetFederationToken], on behalf of the IAM user whose long-lived
/// key signs the request. It may do what both that user and the session policies may; without session
/// policies, nothing.
///
/// [GetFederationToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(schema::USER_DURATION).message(schema::USER_DURATION_MESSAGE))]
pub struct GetFederationToken {
    /// Name of the federated user, as CloudTrail shows it. 2 to 32 characters of letters, digits and
    /// `_+=,.@-`.
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub name: String,

    /// How long the credentials shall live: `15m` to `36h`. Default: `12h`.
    #[serde(default = "schema::twelve_hours")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,

    /// Tags.
    #[serde(flatten)]
    pub tags: SessionTags,
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(flatten)]
    spec: GetFederationToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetFederationToken, _: &str) -> Result<Self, Invalid> {
        Ok(Self { spec: spec.clone() })
    }
}

impl Perform for Request {
    const ACTION: &'static str = "GetFederationToken";

    fn target(&self) -> &str {
        &self.spec.name
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    async fn call(&self, session: &Session, _: &Materials) -> Result<Minted, Problem> {
        let asked_at = Timestamp::now();
        let request = |client: aws_sdk_sts::Client| {
            client
                .get_federation_token()
                .name(&self.spec.name)
                .duration_seconds(self.spec.duration.as_i32())
                .set_policy(self.spec.policies.policy.clone())
                .set_policy_arns(self.spec.policies.descriptors())
                .set_tags(self.spec.tags.for_sdk())
                .send()
        };
        let output = session.call(Self::ACTION, self.target(), request).await?;
        let principal = output.federated_user.map(|user| user.arn);
        #[expect(deprecated, reason = "the only field that this action has for it everywhere")]
        let packed = output.packed_policy_size;
        checked(Self::ACTION, self.target(), asked_at, output.credentials, principal, packed)
    }
}
