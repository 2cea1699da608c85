//! GetWebIdentityToken: AWS as the identity provider of another cloud or service.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::{Issues, StsRequest};
use crate::fields::{Duration, SessionTags, schema};

/// Get a token (a JWT) that proves the AWS identity of the caller to another cloud or service, by
/// [GetWebIdentityToken]. The token is written to the keys `token` and `expiration` of the Secret. `secret.formats`
/// and `secret.profile` have no effect. Outbound identity federation must be enabled for the AWS account.
///
/// [GetWebIdentityToken]: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('1h')", "duration must be between 1m and 1h: STS issues tokens only with these lifetimes"))]
pub struct GetWebIdentityToken {
    /// Audiences of the token, as the other cloud or service expects them. 1 to 10 entries of 1 to 1000 characters.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 1000)))]
    pub audiences: Vec<String>,

    /// Signing algorithm of the token. Most services accept `RS256`; `ES384` signatures are shorter.
    pub signing_algorithm: SigningAlgorithm,

    /// Requested lifetime of the token: `1m` to `1h`. Default: `45m`. Tokens with a much shorter lifetime are renewed
    /// more often than a kubelet updates a mounted Secret.
    #[serde(default = "schema::forty_five_minutes")]
    pub duration: Duration,

    /// Tags of the token.
    #[serde(flatten)]
    pub tags: SessionTags,
}

#[allow(missing_docs)] // Doc comments on the variants would make the schema non-structural.
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

/// Only the tags are left to check: the spec is the request.
pub type Request = GetWebIdentityToken;

impl StsRequest for GetWebIdentityToken {
    type Spec = Self;

    const ACTION: &'static str = "GetWebIdentityToken";

    const ISSUES: Issues = Issues::Token;

    // A token does not outlive the session that requested it.
    const SIGNING_SESSION: Duration = Duration::from_secs(3600);

    fn new(spec: &Self, _: &str) -> Result<Self, InvalidRequest> {
        InvalidRequest::check_tags(&spec.tags)?;
        Ok(spec.clone())
    }

    fn target(&self) -> &str {
        self.audiences.first().map_or("no audience", String::as_str)
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}
