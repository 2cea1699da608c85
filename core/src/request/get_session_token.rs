//! GetSessionToken: a session of an IAM user.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::{Issues, StsRequest};
use crate::fields::{Duration, schema};

/// Get a session of an IAM user, by [GetSessionToken]. The long-lived key of that user must sign the request. The
/// session has the permissions of the user, with two exceptions: it cannot call IAM, and it can call only AssumeRole
/// and GetCallerIdentity of STS.
///
/// [GetSessionToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(schema::USER_DURATION).message(schema::USER_DURATION_MESSAGE))]
pub struct GetSessionToken {
    /// Requested lifetime of the credentials: `15m` to `36h`. Default: `12h`.
    #[serde(default = "schema::twelve_hours")]
    pub duration: Duration,
}

/// Nothing is left to check: the spec is the request.
pub type Request = GetSessionToken;

impl StsRequest for GetSessionToken {
    type Spec = Self;

    const ACTION: &'static str = "GetSessionToken";

    const ISSUES: Issues = Issues::Key;

    fn new(spec: &Self, _: &str) -> Result<Self, InvalidRequest> {
        Ok(spec.clone())
    }

    fn target(&self) -> &str {
        "the IAM user of the access key"
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}
