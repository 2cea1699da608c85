//! GetWebIdentityToken: AWS as an identity provider for another cloud.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform};
use crate::api::{Duration, SessionTags, schema};
use crate::failure::Problem;
use crate::minted::{Minted, Reply, Values};
use crate::source::Materials;
use crate::sts::{Session, usable};

/// A token (a JWT) that tells another cloud or service who the caller is to AWS, by
/// [GetWebIdentityToken]. It is written to the keys `token` and `expiration` of the Secret;
/// `secret.formats` and `secret.profile` have no part in it. Outbound identity federation must be
/// enabled for the account.
///
/// [GetWebIdentityToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('1h')", "duration must be between 1m and 1h: STS gives tokens for no other time"))]
pub struct GetWebIdentityToken {
    /// Who the token is for, as the other side expects it. 1 to 10 of at most 1000 characters.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 1000)))]
    pub audiences: Vec<String>,

    /// How the token is signed: `RS256` is understood by most, `ES384` is shorter.
    pub signing_algorithm: SigningAlgorithm,

    /// How long the token shall live: `1m` to `1h`. Default: `5m`.
    #[serde(default = "schema::five_minutes")]
    pub duration: Duration,

    /// Tags.
    #[serde(flatten)]
    pub tags: SessionTags,
}

#[allow(missing_docs)] // With descriptions of their own the schema would not be structural.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    RS256,
    ES384,
}

impl SigningAlgorithm {
    fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES384 => "ES384",
        }
    }
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(flatten)]
    spec: GetWebIdentityToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetWebIdentityToken, _: &str) -> Result<Self, Invalid> {
        Ok(Self { spec: spec.clone() })
    }
}

impl Perform for Request {
    const ACTION: &'static str = "GetWebIdentityToken";

    fn target(&self) -> &str {
        self.spec.audiences.first().map_or("nobody", String::as_str)
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    async fn call(&self, session: &Session, _: &Materials) -> Result<Minted, Problem> {
        let asked_at = Timestamp::now();
        let request = |client: aws_sdk_sts::Client| {
            client
                .get_web_identity_token()
                .set_audience(Some(self.spec.audiences.clone()))
                .signing_algorithm(self.spec.signing_algorithm.as_str())
                .duration_seconds(self.spec.duration.as_i32())
                .set_tags(self.spec.tags.for_sdk())
                .send()
        };
        let output = session.call(Self::ACTION, self.target(), request).await?;
        let expiration = output.expiration.and_then(|at| Timestamp::from_second(at.secs()).ok());
        let reply = Reply {
            values: Values::Token(output.web_identity_token.unwrap_or_default().into()),
            // As the SDK fills in what other replies lack: the check takes it for missing.
            expiration: expiration.unwrap_or(Timestamp::UNIX_EPOCH),
            principal_arn: None,
            packed_policy_size: None,
        };
        usable(Self::ACTION, self.target(), asked_at, reply)
    }
}
