//! `TemporaryCredential`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::ResourceExt;
use kube_derive::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::restart::RestartTarget;
use super::secret::SecretSpec;
use super::status::CredentialStatus;
use crate::fields::Duration;
use crate::request::identity::Identity;
use crate::request::{Requests, region};
use crate::text::bounded;

/// Annotation that requests a renewal: set it to a new value, for example the current time. The operator copies the
/// value to `status.lastRenewRequest` when the renewal is done.
pub const RENEW_REQUESTED_AT: &str = "tempcred.dev/renew-requested-at";

/// Removes the metadata of a resource that is not used.
pub fn prune_credential(metadata: &mut ObjectMeta) {
    let request = metadata.annotations.as_ref().and_then(|all| all.get(RENEW_REQUESTED_AT));
    let annotations = request.map(|request| (RENEW_REQUESTED_AT.to_owned(), bounded(request)));
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        uid: metadata.uid.take(),
        generation: metadata.generation,
        resource_version: metadata.resource_version.take(),
        creation_timestamp: metadata.creation_timestamp.take(),
        deletion_timestamp: metadata.deletion_timestamp.take(),
        annotations: annotations.map(|one| [one].into()),
        ..ObjectMeta::default()
    };
}

/// The credentials to request from AWS STS, the Secret to write them to, and when to renew them.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "tempcred.dev",
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = r#"x_kube(crates(kube_core = "::kube_core"))"#,
    version = "v1alpha1",
    kind = "TemporaryCredential",
    namespaced,
    shortname = "tempcred",
    category = "aws",
    status = "CredentialStatus",
    derive = "PartialEq",
    doc = "A TemporaryCredential describes a Secret that contains short-lived AWS credentials. tempcred requests the credentials from AWS STS, writes them to the Secret, and renews them before they expire.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "True while the Secret contains unexpired credentials that match the spec and the grants"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "The reason of the Ready condition"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secret.name", description = "The Secret that contains the credentials"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiration", description = "When the credentials in the Secret expire (UTC)"),
    printcolumn(name = "Renews", type_ = "string", json_path = ".status.renewalTime", description = "When the credentials are renewed (UTC)"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Principal", type_ = "string", priority = 1, json_path = ".status.principalArn", description = "The principal that the credentials belong to"),
    validation = ("(has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : oldSelf.metadata.name)", "spec.secret.name cannot be changed, because workloads use the Secret by its name: create a second TemporaryCredential with the new name, then delete this one"),
    validation = ("(has(self.spec.secret) && has(self.spec.secret.type) ? self.spec.secret.type : 'Opaque') == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.type) ? oldSelf.spec.secret.type : 'Opaque')", "spec.secret.type cannot be changed, because Kubernetes does not change the type of a Secret: delete this TemporaryCredential and create it again"),
)]
#[x_kube(
    validation = Rule::new(Requests::EXACTLY_ONE).message(Requests::EXACTLY_ONE_MESSAGE),
    validation = Rule::new(Requests::UNSIGNED).message("this request is not signed: remove identity"),
    validation = Rule::new(Requests::KEYS).message("only the long-lived key of an IAM user can make this request: set identity.accessKeySecretRef, without sessionTokenKey"),
    validation = Rule::new(Requests::OWN).message("the operator does not make this request with its own identity: set identity"),
    validation = ("!has(self.identity) || !has(self.assumeRole) || !(has(self.identity.webIdentity) || (has(self.identity.accessKeySecretRef) && has(self.identity.accessKeySecretRef.sessionTokenKey))) || !has(self.assumeRole.duration) || duration(self.assumeRole.duration) <= duration('1h')", "duration must be at most 1h when identity is itself a role session: AWS limits sessions of chained roles to one hour; lower duration"),
    validation = Rule::new(region::partition_rule()).message(region::PARTITION_MESSAGE),
    validation = Rule::new(Requests::TEMPLATE).message("this request issues no access key, so secret.template cannot be used with it: remove template"),
    validation = Rule::new(Requests::BEFORE_FITS).message("renewal.before must be at least 5s shorter than the duration of the credentials, because they would otherwise be renewed continuously: lower before or raise duration")
)]
#[serde(rename_all = "camelCase")]
pub struct TemporaryCredentialSpec {
    /// The request to STS. Set exactly one of its fields.
    #[serde(flatten)]
    pub request: Requests,

    /// The identity that signs the request. Default: the operator's own AWS identity, which a RoleGrant must allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,

    /// AWS region of the STS endpoint, for example `eu-central-1`. Every ARN of the request must belong to its
    /// partition: `aws-cn` for `cn-north-1`. The operator may allow only some regions. The region is also written to the Secret: as `AWS_REGION` in
    /// the format `env`, and as `region` in the credentials file. Default: the operator's region, which is not written
    /// to the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: Option<String>,

    /// When to renew the credentials. Default: when one third of the lifetime that STS returned is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,

    /// The Secret to write.
    #[serde(default)]
    pub secret: SecretSpec,

    /// Workloads of the namespace to restart after each rotation: at most 16. tempcred sets an annotation of their Pod
    /// template, so that Kubernetes replaces their Pods as it does for `kubectl rollout restart`. For programs that read
    /// credentials only when they start. The first issue restarts nothing. The operator must be allowed to do this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub restart: Vec<RestartTarget>,

    /// Stop renewals. The Secret keeps its current credentials, which then expire. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

impl TemporaryCredential {
    /// Whether the operator signs the request with its own identity.
    pub fn is_signed_by_operator(&self) -> bool {
        self.spec.identity.is_none() && self.spec.request.assume_role.is_some()
    }

    /// The value of the annotation [`RENEW_REQUESTED_AT`], bounded as in the status.
    pub fn renew_request(&self) -> Option<String> {
        self.annotations().get(RENEW_REQUESTED_AT).map(|request| bounded(request))
    }

    /// Name of the Secret: that of the spec, or else the name of the resource.
    pub fn secret_name(&self) -> String {
        self.spec.secret.name.clone().unwrap_or_else(|| self.name_any())
    }
}

/// How long before their expiration the credentials are renewed. Set at most one of the two fields. The renewal is
/// moved earlier by up to one tenth of the time between issue and renewal, so that many credentials are not renewed at
/// the same time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!(has(self.before) && has(self.beforePercentage))", "set either renewal.before or renewal.beforePercentage, not both: remove one of them"))]
pub struct Renewal {
    /// Renew the credentials when this much time is left, for example `20m`. It must be at least 5s shorter than the
    /// duration of the credentials. Values below 30s are raised to 30s if the lifetime allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,

    /// Renew the credentials when this share of their lifetime is left, in percent: 1 to 99. Results below 30s are
    /// raised to 30s if the lifetime allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percentage_schema")]
    pub before_percentage: Option<u8>,
}

fn percentage_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // The derived schema of a u8 has `format: uint8`, which Kubernetes does not know.
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 99})
}
