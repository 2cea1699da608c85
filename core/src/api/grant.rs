//! `RoleGrant`: who may have the operator assume which roles in its own name.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube_derive::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::fields::{Duration, schema};

/// Which namespaces may use which roles with the operator's own AWS identity, and on what terms.
///
/// Grants add up: a role is granted if at least one grant allows it, whatever the others say.
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
    doc = "A RoleGrant lets namespaces use AWS roles with the operator's own identity. Without one, a TemporaryCredential that the operator would sign is refused. Grants add up: a role is granted if at least one grant allows it; of several, the first by name sets the session.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "True if the grant holds"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why it holds or not"),
    printcolumn(name = "Credentials", type_ = "integer", json_path = ".status.credentials", description = "How many TemporaryCredentials it serves"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = ("!has(self.spec.maxDuration) || (duration(self.spec.maxDuration) >= duration('15m') && duration(self.spec.maxDuration) <= duration('12h'))", "maxDuration must be between 15m and 12h: STS issues nothing shorter or longer for a role"),
)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrantSpec {
    /// Which namespaces.
    pub namespaces: GrantedNamespaces,

    /// Which roles: ARNs with partition and account written out, in which `*` stands for any
    /// characters (also `/`, as in IAM policies) and `?` for one, after `role/`. For example
    /// `arn:aws:iam::123456789012:role/team-a/*`. 1 to 64.
    #[schemars(schema_with = "role_patterns")]
    #[x_kube(validation = ("self.all(arn, arn.matches('^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[!-~]+$'))", "each of roleArns must be the ARN of a role with partition and account written out, such as arn:aws:iam::123456789012:role/team-a-*: * and ? may stand only after role/"))]
    pub role_arns: Vec<String>,

    /// The longest `duration` that may be asked for: `15m` to `12h`. A resource that asks for more is
    /// refused. Default: what STS and the role allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<Duration>,

    /// What every session is made with; the resource cannot choose otherwise. In templates, `{{ cluster }}`,
    /// `{{ namespace }}` and `{{ name }}` stand for the operator's `--cluster-name`, and for namespace and
    /// name of the resource.
    #[serde(default, skip_serializing_if = "GrantedSession::is_empty")]
    pub session: GrantedSession,
}

/// Which namespaces: those whose name matches one of `names`, and whose labels match `selector`. What
/// is left out matches all; one of them must be set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.names) || has(self.selector)", "set namespaces.names or namespaces.selector: a grant for every namespace is names: ['*']"),
    validation = ("!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0))", "each of selector.matchExpressions needs an operator, which is In or NotIn with values, or Exists or DoesNotExist without")
)]
pub struct GrantedNamespaces {
    /// Names, in which `*` stands for any characters and `?` for one. 1 to 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "name_patterns")]
    #[x_kube(validation = ("self.all(name, name.matches('^[a-z0-9*?-]+$'))", "each of namespaces.names must be made of what names of namespaces are made of (lower-case letters, digits and -), and * and ?"))]
    pub names: Option<Vec<String>>,

    /// Labels of the namespace. Mind who may set them: whoever can label a namespace can give it this
    /// grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub selector: Option<LabelSelector>,
}

/// What a session is made with.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.attribution) || !self.attribution || !has(self.tags) || self.tags.all(k, !(k.lowerAscii() in ['kubernetes-cluster-name', 'kubernetes-namespace', 'kubernetes-credential-name']))", "attribution sets the tags kubernetes-cluster-name, kubernetes-namespace and kubernetes-credential-name itself: remove them from tags")
)]
pub struct GrantedSession {
    /// External ID, a template. 2 to 1224 characters once filled in. A resource that sets another one
    /// is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1224))]
    #[x_kube(validation = ("self.matches('^([a-zA-Z0-9_+=,.@:/-]|[{][{] *(cluster|namespace|name) *[}][}])+$')", "session.externalId may hold letters, digits and _+=,.@:/- and the variables {{ cluster }}, {{ namespace }} and {{ name }}"))]
    pub external_id: Option<String>,

    /// Session tags; values are templates. A resource that sets another value for one of them is
    /// refused. At most 50, with those of `attribution` and of the resource; keys 1 to 128 characters,
    /// values 0 to 256 once filled in. The trust policy of the role must allow `sts:TagSession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new(schema::TAG_KEYS).message(schema::TAG_KEYS_MESSAGE),
        validation = Rule::new(schema::TAG_PREFIX).message(schema::TAG_PREFIX_MESSAGE),
        validation = Rule::new(schema::TAG_CASE).message(schema::TAG_CASE_MESSAGE),
        validation = ("self.all(k, self[k].matches('^([\\\\pL\\\\pZ\\\\pN_.:/=+@-]|[{][{] *(cluster|namespace|name) *[}][}])*$'))", "tag values may hold letters, digits, spaces and _.:/=+-@ and the variables {{ cluster }}, {{ namespace }} and {{ name }}")
    )]
    pub tags: BTreeMap<String, String>,

    /// Set the session tags `kubernetes-cluster-name`, `kubernetes-namespace` and
    /// `kubernetes-credential-name`, so that CloudTrail and policies tell whose session it is. The
    /// operator needs its `--cluster-name` then. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attribution: bool,

    /// Source identity, a template. 2 to 64 characters once filled in. A resource that sets another
    /// one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = ("self.matches('^([a-zA-Z0-9_+=,.@-]|[{][{] *(cluster|namespace|name) *[}][}])+$')", "session.sourceIdentity may hold letters, digits and _+=,.@- and the variables {{ cluster }}, {{ namespace }} and {{ name }}"))]
    pub source_identity: Option<String>,

    /// ARNs of managed policies that bound the session: it may do what both these and the role's own
    /// policies allow. A resource that sets `policy` or other `policyArns` is refused, as the session
    /// policies of one session add up. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::policy_arns")]
    pub policy_arns: Vec<String>,
}

impl GrantedSession {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The observed state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GrantStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`: the grant holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// How many resources have their session from this grant, for at least one of their roles: of
    /// those that the operator serves which wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub credentials: Option<u32>,
}

fn count(_: &mut SchemaGenerator) -> Schema {
    // By hand: the derived schema of a u32 carries `format: uint32`, which Kubernetes does not know.
    json_schema!({"type": "integer", "format": "int32", "minimum": 0})
}

fn role_patterns(_: &mut SchemaGenerator) -> Schema {
    patterns(2048)
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
                "description": "Labels that the namespace has, with these values.",
                "type": "object", "additionalProperties": text(63), "maxProperties": 64,
            },
            "matchExpressions": {
                "description": "Conditions that the labels of the namespace meet.",
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
                "items": {
                    "description": "A condition.",
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
