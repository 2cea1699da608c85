//! `spec.assumeRole`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Assume an IAM role with [AssumeRole], directly or through other roles.
///
/// Limits come from the STS API reference; the packed size of policies and tags has a limit of its
/// own, which STS reports in percent as `status.packedPolicySize`.
///
/// [AssumeRole]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("duration(self.duration) >= duration('15m') && duration(self.duration) <= duration('12h')", "duration must be between 15m and 12h: STS accepts nothing outside, and the role's own maximum session duration may be lower"),
    validation = ("!has(self.via) || size(self.via) == 0 || duration(self.duration) <= duration('1h')", "duration must be at most 1h when via is set: AWS limits sessions of chained roles to one hour; lower duration or remove via"),
    validation = ("!has(self.transitiveTagKeys) || (has(self.tags) && self.transitiveTagKeys.all(k, k in self.tags))", "each of transitiveTagKeys must be a key of tags: add the tag or remove the key")
)]
pub struct AssumeRole {
    /// ARN of the role to assume, for example `arn:aws:iam::123456789012:role/reports-reader`.
    /// 20 to 2048 characters.
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$")
    )]
    pub role_arn: String,

    /// Roles to assume in this order before `roleArn`, each with the session of the one before it.
    /// Their credentials stay in memory and are not stored. AWS then limits `duration` to 1h.
    /// At most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub via: Vec<Hop>,

    /// External ID that the role's trust policy asks for. 2 to 1224 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the session, as CloudTrail shows it. 2 to 64 characters of letters, digits and
    /// `_+=,.@-`. Default: `tempcred-NAMESPACE-NAME`, shortened with a hash if that is too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,

    /// Source identity to set for the session; it stays with every role assumed from it.
    /// 2 to 64 characters of letters, digits and `_+=,.@-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub source_identity: Option<String>,

    /// How long the credentials shall live: `15m` to `12h`, and at most the role's own maximum;
    /// at most `1h` with `via`, and whenever the operator's own identity is a role session.
    /// Default: `1h`.
    #[serde(default = "one_hour")]
    pub duration: Duration,

    /// Inline session policy, as a JSON document: the session may do what both this and the role's
    /// policies allow. At most 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = ("self.matches('^\\\\s*[{](.|\\\\s)*[}]\\\\s*$')", "policy must be a JSON document that starts with { and ends with }: write the IAM policy itself, not its name or ARN (policyArns takes those)"))]
    pub policy: Option<String>,

    /// ARNs of managed policies to use as session policies. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 10),
        inner(
            length(min = 20, max = 2048),
            regex(pattern = r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]+$")
        )
    )]
    pub policy_arns: Vec<String>,

    /// Session tags, for access control by attribute. At most 50; keys 1 to 128 and values 0 to 256
    /// characters; no two keys may be equal when case is ignored. The role's trust policy must
    /// allow `sts:TagSession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50), schema_with = "tag_schema")]
    #[x_kube(
        validation = ("self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[\\\\pL\\\\pZ\\\\pN_.:/=+@-]+$'))", "tag keys must have 1 to 128 characters: letters, digits, spaces and _.:/=+-@"),
        validation = ("self.all(k, !k.lowerAscii().startsWith('aws:'))", "tag keys must not begin with aws: as AWS keeps that prefix for itself; rename the tag"),
        validation = ("self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))", "no two tag keys may be equal when case is ignored: STS treats them as one; remove or rename one of them")
    )]
    pub tags: BTreeMap<String, String>,

    /// Which of `tags` stay with the session when it assumes a further role. At most 50, each a
    /// key of `tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub transitive_tag_keys: Vec<String>,
}

/// A role that is assumed on the way to another.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// ARN of the role. 20 to 2048 characters.
    #[schemars(
        length(min = 20, max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$")
    )]
    pub role_arn: String,

    /// External ID that this role's trust policy asks for. 2 to 1224 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the session. 2 to 64 characters of letters, digits and `_+=,.@-`.
    /// Default: the same as for `roleArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,
}

const fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

fn tag_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 256},
        "maxProperties": 50,
    })
}
