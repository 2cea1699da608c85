//! GetFederationToken: a session of a federated user.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionPolicies, SessionTags, schema};

/// A session of a federated user, by [GetFederationToken], on behalf of the IAM user whose long-lived
/// key signs the request. It may do what both that user and the session policies may; without session
/// policies, nothing.
///
/// [GetFederationToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
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
    /// The part of the spec.
    #[serde(flatten)]
    pub spec: GetFederationToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetFederationToken, _: &str) -> Result<Self, InvalidRequest> {
        Ok(Self { spec: spec.clone() })
    }
}

impl StsRequest for Request {
    const ACTION: &'static str = "GetFederationToken";

    fn target(&self) -> &str {
        &self.spec.name
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }
}
