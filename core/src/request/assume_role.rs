//! AssumeRole, directly or through a chain of roles.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::arn::RoleArn;
use super::invalid::InvalidRequest;
use super::requested_role::{RequestedRole, SessionConstraints, SessionOverrides};
use super::sts_request::StsRequest;
use crate::fields::{Duration, SessionPolicies, SessionTags, schema};

/// Assume an IAM role with [AssumeRole], directly or through a chain of other roles.
///
/// The limits of the fields are those of the STS API reference. STS also limits the packed size of session
/// policies and tags together: `status.packedPolicySize` shows the used share of that limit in percent.
///
/// [AssumeRole]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(schema::ROLE_DURATION).message(schema::ROLE_DURATION_MESSAGE),
    validation = ("!has(self.via) || size(self.via) == 0 || duration(self.duration) <= duration('1h')", "duration must be at most 1h when via is set: AWS limits sessions of chained roles to one hour; lower duration or remove via"),
    validation = ("!has(self.transitiveTagKeys) || (has(self.tags) && self.transitiveTagKeys.all(k, k in self.tags))", "each of transitiveTagKeys must be a key of tags: add the tag or remove the key")
)]
pub struct AssumeRole {
    /// ARN of the role to assume, for example `arn:aws:iam::123456789012:role/reports-reader`.
    /// 20 to 2048 characters.
    #[schemars(schema_with = "schema::role_arn")]
    pub role_arn: String,

    /// Roles to assume before `roleArn`, in this order. The session of each role assumes the next one. Their
    /// credentials stay in memory and are not stored. With `via`, AWS limits `duration` to `1h`. At most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub via: Vec<Hop>,

    /// External ID that the trust policy of the role requires. 2 to 1224 characters: letters, digits and
    /// `_+=,.@:/-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the role session, as CloudTrail shows it. 2 to 64 characters: letters, digits and `_+=,.@-`.
    /// Default: `tempcred-NAMESPACE.NAME`. A default of more than 64 characters is replaced by its first 47
    /// characters, `+` and 16 hexadecimal digits of its SHA-256 hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,

    /// Source identity of the session, as CloudTrail shows it. Sessions of roles that are assumed from this
    /// session keep it. 2 to 64 characters: letters, digits and `_+=,.@-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub source_identity: Option<String>,

    /// Requested lifetime of the credentials: `15m` to `12h`, and at most the maximum session duration of the
    /// role. AWS limits it to `1h` with `via`, and if the identity that signs the request is itself a role
    /// session. Default: `1h`.
    #[serde(default = "schema::one_hour")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,

    /// Session tags.
    #[serde(flatten)]
    pub tags: SessionTags,

    /// Keys of the `tags` that are transitive: sessions of roles that are assumed from this session keep them.
    /// Each entry must be a key of `tags`. At most 50 entries of 1 to 128 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub transitive_tag_keys: Vec<String>,
}

/// A role of a chain, which is assumed before `roleArn`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// ARN of the role. 20 to 2048 characters.
    #[schemars(schema_with = "schema::role_arn")]
    pub role_arn: String,

    /// External ID that the trust policy of this role requires. 2 to 1224 characters: letters, digits and
    /// `_+=,.@:/-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the session of this role. 2 to 64 characters: letters, digits and `_+=,.@-`. Default:
    /// `tempcred-NAMESPACE.NAME`, shortened like the default of `assumeRole.sessionName`. A hop does not use the
    /// `sessionName` of `assumeRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,
}

/// A validated AssumeRole request. The serialised form is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(skip)]
    role: RoleArn,
    #[serde(skip)]
    hops: Vec<(RoleArn, Hop)>,
    session: String,
    #[serde(flatten)]
    spec: AssumeRole,
    /// The parameters that grants set for each call, in the order of the calls.
    #[serde(skip_serializing_if = "none_set")]
    constraints: Vec<SessionConstraints>,
}

/// One AssumeRole call of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// ARN of the role.
    pub role: &'a RoleArn,
    /// Name of the session.
    pub session_name: &'a str,
    /// Requested lifetime. `None` for a hop: STS applies its default, one hour.
    pub duration: Option<Duration>,
    /// External ID.
    pub external_id: Option<&'a str>,
    /// Source identity.
    pub source_identity: Option<&'a str>,
    /// Session tags.
    pub tags: BTreeMap<&'a str, &'a str>,
    /// Keys of the transitive tags: sessions that are assumed from this session keep them.
    pub transitive_tag_keys: &'a [String],
    /// Inline session policy.
    pub policy: Option<&'a str>,
    /// ARNs of session policies.
    pub policy_arns: Vec<&'a str>,
}

fn none_set(constraints: &[SessionConstraints]) -> bool {
    constraints.iter().all(SessionConstraints::is_empty)
}

impl Request {
    /// The calls to make, each signed with the credentials of the one before it.
    pub fn chain(&self) -> Vec<Call<'_>> {
        let hops = self.hops.iter().enumerate().map(|(index, (role, hop))| {
            let call = Call {
                role,
                session_name: hop.session_name.as_deref().unwrap_or(&self.session),
                duration: None,
                external_id: hop.external_id.as_deref(),
                source_identity: None,
                tags: BTreeMap::new(),
                transitive_tag_keys: &[],
                policy: None,
                policy_arns: Vec::new(),
            };
            self.constrain(index, call)
        });
        let spec = &self.spec;
        let last = Call {
            role: &self.role,
            session_name: spec.session_name.as_deref().unwrap_or(&self.session),
            duration: Some(spec.duration),
            external_id: spec.external_id.as_deref(),
            source_identity: spec.source_identity.as_deref(),
            tags: spec.tags.iter().collect(),
            transitive_tag_keys: &spec.transitive_tag_keys,
            policy: spec.policies.policy.as_deref(),
            policy_arns: spec.policies.policy_arns.iter().map(String::as_str).collect(),
        };
        hops.chain([self.constrain(self.hops.len(), last)]).collect()
    }

    fn constrain<'a>(&'a self, index: usize, mut call: Call<'a>) -> Call<'a> {
        let Some(constraints) = self.constraints.get(index) else { return call };
        call.external_id = constraints.external_id.as_deref().or(call.external_id);
        call.source_identity = constraints.source_identity.as_deref().or(call.source_identity);
        call.tags.extend(constraints.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        for arn in constraints.policy_arns.iter().map(String::as_str) {
            if !call.policy_arns.contains(&arn) {
                call.policy_arns.push(arn);
            }
        }
        call
    }
}

impl StsRequest for Request {
    type Spec = AssumeRole;

    const ACTION: &'static str = "AssumeRole";

    fn new(spec: &AssumeRole, session: &str) -> Result<Self, InvalidRequest> {
        let hops = spec.via.iter();
        let hops = hops.map(|hop| Ok((RoleArn::try_from(hop.role_arn.as_str())?, hop.clone())));
        let hops = hops.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            session: session.to_owned(),
            hops,
            spec: spec.clone(),
            constraints: Vec::new(),
        })
    }

    fn calls(&self) -> u32 {
        u32::try_from(self.hops.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn arns(&self) -> Vec<&str> {
        let calls = self.chain();
        let roles = calls.iter().map(|call| call.role.as_str());
        let policies = calls.iter().flat_map(|call| call.policy_arns.iter().copied());
        roles.chain(policies).collect()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    fn requested_roles(&self) -> Vec<RequestedRole<'_>> {
        let spec = &self.spec;
        let overrides = SessionOverrides {
            duration: spec.duration,
            source_identity: spec.source_identity.as_deref(),
            tags: &spec.tags.tags,
            has_policy: spec.policies.policy.is_some(),
            policy_arns: &spec.policies.policy_arns,
        };
        let hops = self.hops.iter().map(|(role, hop)| RequestedRole {
            role,
            external_id: hop.external_id.as_deref(),
            overrides: None,
        });
        let last = RequestedRole {
            role: &self.role,
            external_id: spec.external_id.as_deref(),
            overrides: Some(overrides),
        };
        hops.chain([last]).collect()
    }

    fn constrained(self, constraints: Vec<SessionConstraints>) -> Self {
        Self { constraints, ..self }
    }
}
