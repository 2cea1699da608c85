//! GetFederationToken: a session for a federated user.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionPolicies, SessionTags, schema};

/// Get a session for a federated user, by [GetFederationToken]. The long-lived key of an IAM user must sign the
/// request. The session has the permissions that both the IAM user and the session policies allow. Without session
/// policies it has no permissions.
///
/// [GetFederationToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(schema::USER_DURATION).message(schema::USER_DURATION_MESSAGE))]
pub struct GetFederationToken {
    /// Name of the federated user, as CloudTrail shows it. 2 to 32 characters: letters, digits and `_+=,.@-`.
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub name: String,

    /// Requested lifetime of the credentials: `15m` to `36h`. Default: `12h`.
    #[serde(default = "schema::twelve_hours")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,

    /// Session tags.
    #[serde(flatten)]
    pub tags: SessionTags,
}

/// Only the tags are left to check: the spec is the request.
pub type Request = GetFederationToken;

impl StsRequest for GetFederationToken {
    type Spec = Self;

    const ACTION: &'static str = "GetFederationToken";

    fn new(spec: &Self, _: &str) -> Result<Self, InvalidRequest> {
        InvalidRequest::check_tags(&spec.tags)?;
        Ok(spec.clone())
    }

    fn target(&self) -> &str {
        &self.name
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}
