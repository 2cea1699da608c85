//! GetSessionToken: a session of an IAM user.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, schema};

/// A session of the IAM user whose long-lived key signs the request, by [GetSessionToken]: what the
/// user may do, but for the hours that the session lives. It cannot call IAM, and of STS only
/// AssumeRole and GetCallerIdentity.
///
/// [GetSessionToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(schema::USER_DURATION).message(schema::USER_DURATION_MESSAGE))]
pub struct GetSessionToken {
    /// How long the credentials shall live: `15m` to `36h`. Default: `12h`.
    #[serde(default = "schema::twelve_hours")]
    pub duration: Duration,
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    /// The part of the spec.
    #[serde(flatten)]
    pub spec: GetSessionToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetSessionToken, _: &str) -> Result<Self, InvalidRequest> {
        Ok(Self { spec: spec.clone() })
    }
}

impl StsRequest for Request {
    const ACTION: &'static str = "GetSessionToken";

    fn target(&self) -> &str {
        "the IAM user of the access key"
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }
}
