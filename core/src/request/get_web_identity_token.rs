//! GetWebIdentityToken: AWS as an identity provider for another cloud.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionTags, schema};

/// A token (a JWT) that tells another cloud or service who the caller is to AWS, by
/// [GetWebIdentityToken]. It is written to the keys `token` and `expiration` of the Secret;
/// `secret.formats` and `secret.profile` have no part in it. Outbound identity federation must be
/// enabled for the account.
///
/// [GetWebIdentityToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('1h')", "duration must be between 1m and 1h: STS gives tokens for no other time"))]
pub struct GetWebIdentityToken {
    /// Who the token is for, as the other side expects it. 1 to 10 of at most 1000 characters.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 1000)))]
    pub audiences: Vec<String>,

    /// How the token is signed: `RS256` is understood by most, `ES384` is shorter.
    pub signing_algorithm: SigningAlgorithm,

    /// Lifetime of the token: `1m` to `1h`. Default: `45m`, as a shorter token is renewed faster than a
    /// kubelet updates a mount.
    #[serde(default = "schema::forty_five_minutes")]
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
    /// The name that STS expects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES384 => "ES384",
        }
    }
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    /// The part of the spec.
    #[serde(flatten)]
    pub spec: GetWebIdentityToken,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &GetWebIdentityToken, _: &str) -> Result<Self, InvalidRequest> {
        Ok(Self { spec: spec.clone() })
    }
}

impl StsRequest for Request {
    const ACTION: &'static str = "GetWebIdentityToken";

    // A token does not outlive the session that requested it.
    const SIGNING_SESSION: Duration = Duration::from_secs(3600);

    fn target(&self) -> &str {
        self.spec.audiences.first().map_or("nobody", String::as_str)
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }
}
