//! AssumeRole, directly or through a chain of roles.

use std::collections::{BTreeMap, BTreeSet};

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::arn::RoleArn;
use super::invalid::InvalidRequest;
use super::requested_role::{RequestedRole, SessionOverrides, SessionParameters};
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
    validation = Rule::new(schema::OPTIONAL_ROLE_DURATION).message(schema::ROLE_DURATION_MESSAGE),
    validation = ("!has(self.via) || size(self.via) == 0 || !has(self.duration) || duration(self.duration) <= duration('1h')", "duration must be at most 1h when via is set: AWS limits sessions of chained roles to one hour; lower duration or remove via"),
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
    /// `_+=,.@:/-`. If the operator signs the request with its own identity, the RoleGrants must allow `externalId` in
    /// `session.tenantMaySet`, or set the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the role session, as CloudTrail shows it. 2 to 64 characters: letters, digits and `_+=,.@-`.
    /// Default: `tempcred-NAMESPACE.NAME`. A default of more than 64 characters is replaced by its first 47
    /// characters, `+` and 16 hexadecimal digits of its SHA-256 hash. If the operator signs the request with its own
    /// identity, the RoleGrants must allow `sessionName` in `session.tenantMaySet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,

    /// Source identity of the session, as CloudTrail shows it. Sessions of roles that are assumed from this
    /// session keep it. 2 to 64 characters: letters, digits and `_+=,.@-`. If the operator signs the request with its
    /// own identity, the RoleGrants must allow `sourceIdentity` in `session.tenantMaySet`, or set the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub source_identity: Option<String>,

    /// Requested lifetime of the credentials: `15m` to `12h`, and at most the maximum session duration of the
    /// role. AWS limits it to `1h` with `via`, and if the identity that signs the request is itself a role
    /// session. If the operator signs the request with its own identity, `maxDuration` of the RoleGrants limits it,
    /// too. Default: `1h`, or the limit of the RoleGrants if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,

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
    /// `_+=,.@:/-`. RoleGrants limit it like `assumeRole.externalId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[\w+=,.@:/-]+$"))]
    pub external_id: Option<String>,

    /// Name of the session of this role. 2 to 64 characters: letters, digits and `_+=,.@-`. Default:
    /// `tempcred-NAMESPACE.NAME`, shortened like the default of `assumeRole.sessionName`. A hop does not use the
    /// `sessionName` of `assumeRole`. RoleGrants limit it like that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[\w+=,.@-]+$"))]
    pub session_name: Option<String>,
}

/// A validated AssumeRole request. The serialised form, which is part of the request hash, contains what is sent.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    /// The calls to make, each signed with the credentials of the one before it. The last one is for `roleArn`.
    calls: Vec<Call>,
    /// Session name of the calls for which the spec sets none.
    #[serde(skip)]
    default_session_name: String,
    #[serde(skip)]
    spec: AssumeRole,
}

/// One AssumeRole call of a request.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Call {
    /// ARN of the role.
    pub role: RoleArn,
    /// Name of the session.
    pub session_name: String,
    /// Requested lifetime. `None` for a hop: STS applies its default, one hour.
    pub duration: Option<Duration>,
    /// External ID.
    pub external_id: Option<String>,
    /// Source identity.
    pub source_identity: Option<String>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
    /// Keys of the transitive tags: sessions that are assumed from this session keep them.
    pub transitive_tag_keys: BTreeSet<String>,
    /// Inline session policy.
    pub policy: Option<String>,
    /// ARNs of session policies.
    pub policy_arns: Vec<String>,
}

impl Request {
    /// The calls to make, each signed with the credentials of the one before it.
    pub fn chain(&self) -> &[Call] {
        &self.calls
    }

    /// A session name of the spec, unless it is the default one.
    fn chosen<'a>(&self, name: &'a Option<String>) -> Option<&'a str> {
        name.as_deref().filter(|name| *name != self.default_session_name)
    }
}

/// The call for a hop, as the spec requests it.
fn hop(hop: &Hop, session: &str) -> Result<Call, InvalidRequest> {
    Ok(Call {
        role: RoleArn::try_from(hop.role_arn.as_str())?,
        session_name: hop.session_name.as_deref().unwrap_or(session).to_owned(),
        duration: None,
        external_id: hop.external_id.clone(),
        source_identity: None,
        tags: BTreeMap::new(),
        transitive_tag_keys: BTreeSet::new(),
        policy: None,
        policy_arns: Vec::new(),
    })
}

/// The call for `roleArn`, as the spec requests it.
fn last(spec: &AssumeRole, session: &str) -> Result<Call, InvalidRequest> {
    InvalidRequest::check_tags(&spec.tags)?;
    Ok(Call {
        role: RoleArn::try_from(spec.role_arn.as_str())?,
        session_name: spec.session_name.as_deref().unwrap_or(session).to_owned(),
        duration: Some(spec.duration.unwrap_or(schema::one_hour())),
        external_id: spec.external_id.clone(),
        source_identity: spec.source_identity.clone(),
        tags: spec.tags.tags.clone(),
        // A CEL rule requires that each is a key of `tags`, but a resource may be older than the rule.
        transitive_tag_keys: spec
            .transitive_tag_keys
            .iter()
            .filter(|key| spec.tags.tags.contains_key(*key))
            .cloned()
            .collect(),
        policy: spec.policies.policy.clone(),
        policy_arns: spec.policies.policy_arns.clone(),
    })
}

impl StsRequest for Request {
    type Spec = AssumeRole;

    const ACTION: &'static str = "AssumeRole";

    fn new(spec: &AssumeRole, session: &str) -> Result<Self, InvalidRequest> {
        let hops = spec.via.iter().map(|via| hop(via, session));
        Ok(Self {
            calls: hops.chain([last(spec, session)]).collect::<Result<_, _>>()?,
            default_session_name: session.to_owned(),
            spec: spec.clone(),
        })
    }

    fn calls(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    fn target(&self) -> &str {
        &self.spec.role_arn
    }

    fn duration(&self) -> Duration {
        let last = self.calls.last().and_then(|call| call.duration);
        last.unwrap_or(schema::one_hour())
    }

    fn requested_roles(&self) -> Vec<RequestedRole<'_>> {
        let spec = &self.spec;
        let overrides = SessionOverrides {
            duration: spec.duration,
            source_identity: spec.source_identity.as_deref(),
            tags: &spec.tags.tags,
            transitive_tag_keys: &spec.transitive_tag_keys,
            has_policy: spec.policies.policy.is_some(),
            policy_arns: &spec.policies.policy_arns,
        };
        let hops = spec.via.iter().map(|via| (&via.external_id, &via.session_name, None));
        let last = (&spec.external_id, &spec.session_name, Some(overrides));
        let roles = self.calls.iter().map(|call| &call.role);
        roles
            .zip(hops.chain([last]))
            .map(|(role, (external_id, session_name, overrides))| RequestedRole {
                role,
                external_id: external_id.as_deref(),
                session_name: self.chosen(session_name),
                overrides,
            })
            .collect()
    }

    fn granted(mut self, parameters: Vec<SessionParameters>) -> Self {
        for (call, granted) in self.calls.iter_mut().zip(parameters) {
            call.duration = granted.duration;
            call.external_id = granted.external_id;
            call.source_identity = granted.source_identity;
            call.tags = granted.tags;
            call.transitive_tag_keys = granted.transitive_tag_keys;
            call.policy_arns = granted.policy_arns;
        }
        self
    }
}
