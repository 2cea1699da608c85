//! GetSessionToken: a session of an IAM user.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform};
use crate::api::{Duration, schema};
use crate::failure::Problem;
use crate::minted::Minted;
use crate::source::Materials;
use crate::sts::{Session, checked};

/// A session of the IAM user whose long-lived key signs the request, by [GetSessionToken]: what the
/// user may do, but for the hours that the session lives. It cannot call IAM, and of STS only
/// AssumeRole and GetCallerIdentity.
///
/// [GetSessionToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    #[serde(flatten)]
    spec: GetSessionToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetSessionToken, _: &str) -> Result<Self, Invalid> {
        Ok(Self { spec: spec.clone() })
    }
}

impl Perform for Request {
    const ACTION: &'static str = "GetSessionToken";

    fn target(&self) -> &str {
        "the IAM user of the access key"
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    async fn call(&self, session: &Session, _: &Materials) -> Result<Minted, Problem> {
        let asked_at = Timestamp::now();
        let request = |client: aws_sdk_sts::Client| {
            client.get_session_token().duration_seconds(self.spec.duration.as_i32()).send()
        };
        let output = session.call(Self::ACTION, self.target(), request).await?;
        checked(Self::ACTION, self.target(), asked_at, output.credentials, None, None)
    }
}
