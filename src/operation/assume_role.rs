//! AssumeRole, directly or through other roles.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleInputBuilder;
use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform, session_name};
use crate::api::{Duration, SessionPolicies, SessionTags, schema};
use crate::arn::RoleArn;
use crate::failure::Problem;
use crate::grant::{Claim, Terms, Wishes};
use crate::minted::Minted;
use crate::source::Materials;
use crate::sts::{Session, checked};

/// Assume an IAM role with [AssumeRole], directly or through other roles.
///
/// Limits come from the STS API reference; the packed size of policies and tags has a limit of its
/// own, which STS reports in percent as `status.packedPolicySize`.
///
/// [AssumeRole]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    #[serde(default = "schema::one_hour")]
    pub duration: Duration,

    /// Session policies.
    #[serde(flatten)]
    pub policies: SessionPolicies,

    /// Tags.
    #[serde(flatten)]
    pub tags: SessionTags,

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
    #[schemars(schema_with = "schema::role_arn")]
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

/// A validated AssumeRole request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(skip)]
    role: RoleArn,
    #[serde(skip)]
    hops: Vec<(RoleArn, Hop)>,
    session: String,
    #[serde(flatten)]
    spec: AssumeRole,
    /// What grants add to each call, in their order.
    #[serde(skip_serializing_if = "nothing")]
    terms: Vec<Terms>,
}

fn nothing(terms: &[Terms]) -> bool {
    terms.iter().all(Terms::is_empty)
}

impl Request {
    /// Checks the ARNs and fills in the name of the session.
    pub(super) fn new(spec: &AssumeRole, session: &str) -> Result<Self, Invalid> {
        let hops =
            spec.via.iter().map(|hop| Ok((RoleArn::try_from(hop.role_arn.as_str())?, hop.clone())));
        Ok(Self {
            role: RoleArn::try_from(spec.role_arn.as_str())?,
            hops: hops.collect::<Result<_, _>>()?,
            session: session_name(spec.session_name.as_deref(), session),
            spec: spec.clone(),
            terms: Vec::new(),
        })
    }

    /// The roles that it assumes, in this order.
    pub(super) fn claims(&self) -> Vec<Claim<'_>> {
        let spec = &self.spec;
        let target = Claim {
            role: &self.role,
            external_id: spec.external_id.as_deref(),
            wishes: Some(Wishes {
                duration: spec.duration,
                source_identity: spec.source_identity.as_deref(),
                tags: &spec.tags.tags,
                has_policy: spec.policies.policy.is_some(),
                policy_arns: &spec.policies.policy_arns,
            }),
        };
        let mut claims = Vec::new();
        for (role, hop) in &self.hops {
            let external_id = hop.external_id.as_deref();
            claims.push(Claim { role, external_id, wishes: None });
        }
        claims.push(target);
        claims
    }

    /// Adds to each call what the grant for its role demands.
    pub(super) fn on(self, terms: Vec<Terms>) -> Self {
        Self { terms, ..self }
    }

    /// What is added to the call of this number.
    fn terms(&self, call: usize) -> Terms {
        self.terms.get(call).cloned().unwrap_or_default()
    }

    fn input(&self) -> AssumeRoleInputBuilder {
        let spec = &self.spec;
        let terms = self.terms(self.hops.len());
        let mut tags = spec.tags.clone();
        tags.tags.extend(terms.tags);
        let mut policies = spec.policies.clone();
        let further = terms.policy_arns.into_iter();
        let further: Vec<_> =
            further.filter(|arn| !spec.policies.policy_arns.contains(arn)).collect();
        policies.policy_arns.extend(further);
        let mut input = AssumeRoleInputBuilder::default()
            .role_arn(self.role.as_str())
            .role_session_name(&self.session)
            .duration_seconds(spec.duration.as_i32())
            .set_external_id(terms.external_id.or_else(|| spec.external_id.clone()))
            .set_source_identity(terms.source_identity.or_else(|| spec.source_identity.clone()))
            .set_policy_arns(policies.descriptors())
            .set_policy(policies.policy)
            .set_tags(tags.for_sdk());
        for key in &spec.transitive_tag_keys {
            input = input.transitive_tag_keys(key);
        }
        input
    }
}

impl Perform for Request {
    const ACTION: &'static str = "AssumeRole";

    fn calls(&self) -> u32 {
        u32::try_from(self.hops.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn target(&self) -> &str {
        self.role.as_str()
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    async fn call(&self, session: &Session, _: &Materials) -> Result<Minted, Problem> {
        let mut session = session.clone();
        for (call, (role, hop)) in self.hops.iter().enumerate() {
            let terms = self.terms(call);
            let tags = SessionTags { tags: terms.tags };
            let input = AssumeRoleInputBuilder::default()
                .role_arn(role.as_str())
                .role_session_name(hop.session_name.as_deref().unwrap_or(&self.session))
                .set_external_id(terms.external_id.or_else(|| hop.external_id.clone()))
                .set_source_identity(terms.source_identity)
                .set_tags(tags.for_sdk());
            session = session.signed_by(&assume(&session, input, role).await?)?;
        }
        assume(&session, self.input(), &self.role).await
    }
}

async fn assume(
    session: &Session,
    input: AssumeRoleInputBuilder,
    role: &RoleArn,
) -> Result<Minted, Problem> {
    let asked_at = Timestamp::now();
    let output = session
        .call(Request::ACTION, role.as_str(), |client| async move { input.send_with(&client).await })
        .await?;
    #[expect(deprecated, reason = "STS in older partitions still answers with this field alone")]
    let packed = output.session_token_utilization.or(output.packed_policy_size);
    let principal = output.assumed_role_user.map(|user| user.arn);
    checked(Request::ACTION, role.as_str(), asked_at, output.credentials, principal, packed)
}
