//! `RoleGrant`: the namespaces that may use roles with the operator's own identity.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube_derive::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::fields::{Duration, schema};

/// The namespaces and the roles that the grant matches, and how it constrains sessions.
///
/// A role may be used if at least one grant of mode `Allow` matches it. Every grant that matches the namespace and the
/// role constrains the session.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "tempcred.dev",
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = r#"x_kube(crates(kube_core = "::kube_core"))"#,
    version = "v1alpha1",
    kind = "RoleGrant",
    shortname = "rg",
    category = "aws",
    status = "GrantStatus",
    derive = "PartialEq",
    doc = "A RoleGrant allows namespaces to use AWS roles with the operator's own identity. A TemporaryCredential that the operator signs is rejected unless a RoleGrant allows it. A role may be used if at least one grant of mode Allow matches it. Every grant that matches the namespace and the role constrains the session.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Allow: the namespaces may use the roles. Constrain: limits what other grants allow"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "True while the grant is valid and in effect. An invalid grant allows nothing and blocks what it matches"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "The reason of the Ready condition"),
    printcolumn(name = "Credentials", type_ = "integer", json_path = ".status.credentials", description = "Number of TemporaryCredentials that the grant allows or constrains"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("!has(self.spec.maxDuration) || (duration(self.spec.maxDuration) >= duration('15m') && duration(self.spec.maxDuration) <= duration('12h'))", "maxDuration must be between 15m and 12h: STS accepts no other duration for a role"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.roleArns.all(arn, arn.matches('^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[!-~]+$') || (arn == '*' && has(self.mode) && self.mode == 'Constrain'))", "each of roleArns must be the ARN of a role with a literal partition and account, such as arn:aws:iam::123456789012:role/team-a-*: use * and ? only after role/. Only in mode Constrain, a single * matches all roles"))]
pub struct RoleGrantSpec {
    /// `Allow`: the namespaces may use the roles. `Constrain`: allows nothing by itself, but limits what other grants
    /// allow, for example as a baseline for all namespaces. Default: `Allow`.
    #[serde(default)]
    pub mode: GrantMode,

    /// The namespaces that the grant matches.
    pub namespaces: GrantedNamespaces,

    /// The roles that the grant matches: 1 to 64 ARNs with a literal partition and account, for example
    /// `arn:aws:iam::123456789012:role/team-a/*`. After `role/`, `*` matches any number of characters (also `/`, as in
    /// IAM policies) and `?` matches one character. In mode `Constrain`, `*` alone matches all roles.
    #[schemars(schema_with = "role_patterns")]
    pub role_arns: Vec<String>,

    /// The longest `duration` that a resource may request for `roleArn`: `15m` to `12h`. A resource with a longer one is
    /// rejected. A resource that sets none gets `1h`, or this limit if it is shorter. The shortest limit of all grants
    /// that match applies. Default: no limit other than those of STS and of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<Duration>,

    /// Parameters of every session of these roles. A resource cannot set other values for them. In templates,
    /// `{{ cluster }}` is the operator's `--cluster-name`, and `{{ namespace }}` and `{{ name }}` are the namespace and
    /// the name of the resource. If two grants that match demand different values, the resource is rejected with the
    /// reason `GrantConflict`.
    #[serde(default, skip_serializing_if = "GrantedSession::is_empty")]
    pub session: GrantedSession,
}

#[allow(missing_docs)] // Doc comments on the variants would make the schema non-structural.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum GrantMode {
    #[default]
    Allow,
    Constrain,
}

/// A namespace matches if its name matches one of `names` and its labels match `selector`. An absent field matches
/// every namespace. At least one of the two fields must be set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.names) || has(self.selector)", "set namespaces.names or namespaces.selector: to match every namespace, write names: ['*']"),
    validation = ("!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)", "namespaces.selector must not be empty, because an empty selector matches every namespace: to match every namespace, write names: ['*']"),
    validation = ("!has(self.selector) || !has(self.selector.matchLabels) || self.selector.matchLabels.all(k, size(k) <= 317)", "keys of selector.matchLabels must have at most 317 characters: no label of a namespace has a longer key"),
    validation = ("!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0))", "each of selector.matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without values")
)]
pub struct GrantedNamespaces {
    /// 1 to 64 names of namespaces. `*` matches any number of characters and `?` matches one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "name_patterns")]
    #[x_kube(validation = ("self.all(name, name.matches('^[a-z0-9*?-]+$'))", "each of namespaces.names may contain only lower-case letters, digits, - and the wildcards * and ?"))]
    pub names: Option<Vec<String>>,

    /// Selector for the labels of the namespace, with at least one requirement. Every user who may label a namespace can
    /// make this grant match it, or no longer match it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub selector: Option<LabelSelector>,
}

/// Parameters of the sessions of the roles that a grant matches.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct GrantedSession {
    /// External ID, as a template. The rendered value must have 2 to 1224 characters: letters, digits and
    /// `_+=,.@:/-`. A resource that sets another external ID is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1224))]
    #[x_kube(validation = ("self.matches('^([a-zA-Z0-9_+=,.@:/-]|[{][{] *(cluster|namespace|name) *[}][}])+$')", "session.externalId may contain letters, digits, _+=,.@:/- and the variables {{ cluster }}, {{ namespace }} and {{ name }}"))]
    pub external_id: Option<String>,

    /// Session tags. Their values are templates. A resource that sets another value for one of the keys is rejected.
    /// At most 50 tags, including those of `attribution`, of other grants and of the resource. Keys have 1 to 128
    /// characters, rendered values 0 to 256. The trust policy of the role must allow `sts:TagSession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new(schema::TAG_KEYS).message(schema::TAG_KEYS_MESSAGE),
        validation = Rule::new(schema::TAG_PREFIX).message(schema::TAG_PREFIX_MESSAGE),
        validation = Rule::new(schema::TAG_RESERVED).message(schema::TAG_RESERVED_MESSAGE),
        validation = Rule::new(schema::TAG_CASE).message(schema::TAG_CASE_MESSAGE),
        validation = ("self.all(k, self[k].matches('^([\\\\pL\\\\pZ\\\\pN_.:/=+@-]|[{][{] *(cluster|namespace|name) *[}][}])*$'))", "tag values may contain letters, digits, spaces, _.:/=+-@ and the variables {{ cluster }}, {{ namespace }} and {{ name }}")
    )]
    pub tags: BTreeMap<String, String>,

    /// Set the session tags `tempcred.dev/cluster`, `tempcred.dev/namespace` and `tempcred.dev/name`. With them,
    /// CloudTrail and IAM policies can identify the resource that a session belongs to. No resource can set these tags.
    /// Requires the operator setting `--cluster-name`. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attribution: bool,

    /// Whether the tags of this grant (`tags` and `attribution`) are transitive: sessions of roles that are assumed from
    /// the session keep them, so the trust policies of these roles must allow `sts:TagSession`, too. In a chain, a
    /// transitive tag is sent once, at the first role that demands it. Default: `true`.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub transitive: bool,

    /// Source identity, as a template. The rendered value must have 2 to 64 characters: letters, digits and
    /// `_+=,.@-`. A resource that sets another source identity is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = ("self.matches('^([a-zA-Z0-9_+=,.@-]|[{][{] *(cluster|namespace|name) *[}][}])+$')", "session.sourceIdentity may contain letters, digits, _+=,.@- and the variables {{ cluster }}, {{ namespace }} and {{ name }}"))]
    pub source_identity: Option<String>,

    /// ARNs of managed policies that are attached to the session as a boundary. The session has only the permissions
    /// that both these policies and the policies of the role allow. A resource that sets `policy`, or other `policyArns`
    /// than exactly these, is rejected: AWS allows what any session policy of a session allows. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::policy_arns")]
    pub policy_arns: Vec<String>,

    /// What a resource may choose where no grant sets it: `externalId`, `sourceIdentity`, `sessionName`, `tags`, or the
    /// tag of one key, as `tags/KEY`. `tags` includes all keys. A resource may choose only what every grant that matches
    /// allows. A grant of mode `Constrain` that does not set this field has no say in it. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "choices")]
    #[x_kube(
        validation = ("self.all(c, c in ['externalId', 'sourceIdentity', 'sessionName', 'tags'] || c.matches('^tags/[\\\\pL\\\\pZ\\\\pN_.:/=+@-]{1,128}$'))", "each of session.tenantMaySet must be externalId, sourceIdentity, sessionName, tags or tags/KEY"),
        validation = ("self.all(c, !c.lowerAscii().startsWith('tags/tempcred.dev/'))", "session.tenantMaySet must not contain keys that begin with tempcred.dev/, because no resource can set these tags: remove them")
    )]
    pub tenant_may_set: Option<Vec<String>>,
}

impl Default for GrantedSession {
    fn default() -> Self {
        Self {
            external_id: None,
            tags: BTreeMap::new(),
            attribution: false,
            transitive: true,
            source_identity: None,
            policy_arns: Vec::new(),
            tenant_may_set: None,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl GrantedSession {
    /// Whether no parameter is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The observed state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GrantStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`: the grant is valid and in effect. An invalid grant has the reason `GrantInvalid` and a message that says
    /// what to change. It allows nothing and blocks what it matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Number of resources that this grant allows or constrains for at least one of their roles. The operator counts
    /// only the resources that it serves. If several operators divide the resources, this is the number of the operator
    /// whose number changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub credentials: Option<u32>,
}

fn count(_: &mut SchemaGenerator) -> Schema {
    // The derived schema of a u32 has `format: uint32`, which Kubernetes does not know.
    json_schema!({"type": "integer", "format": "int32", "minimum": 0})
}

fn role_patterns(_: &mut SchemaGenerator) -> Schema {
    patterns(2048)
}

fn choices(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 64, "x-kubernetes-list-type": "set",
        "items": {"type": "string", "minLength": 1, "maxLength": 133},
    })
}

fn name_patterns(_: &mut SchemaGenerator) -> Schema {
    patterns(63)
}

fn patterns(longest: u32) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "x-kubernetes-list-type": "set",
        "items": {"type": "string", "minLength": 1, "maxLength": longest},
    })
}

fn selector(_: &mut SchemaGenerator) -> Schema {
    let text = |longest: u32| json_schema!({"type": "string", "maxLength": longest});
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels and values that the namespace must have.",
                "type": "object", "additionalProperties": text(63), "maxProperties": 64,
            },
            "matchExpressions": {
                "description": "Requirements that the labels of the namespace must meet.",
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
                "items": {
                    "description": "A requirement.",
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"description": "Key of the label.", "type": "string", "maxLength": 317},
                        "operator": {"description": "`In`, `NotIn`, `Exists` or `DoesNotExist`.", "type": "string", "maxLength": 12},
                        "values": {
                            "description": "Values, for `In` and `NotIn`.",
                            "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "items": text(63),
                        },
                    },
                },
            },
        },
    })
}
