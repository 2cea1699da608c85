//! `spec.secret`: the shape of the Secret that tempcred writes.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Secret to write. Its contents, its annotations and labels below `tempcred.dev/` belong to
/// tempcred; labels, annotations and keys that others add to it stay.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct SecretSpec {
    /// Name of the Secret, in the namespace of this resource. It cannot be changed later.
    /// Default: the name of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: Option<String>,

    /// Type of the Secret. It cannot be changed later, as Kubernetes does not allow that. The types
    /// below `kubernetes.io/` have a meaning to Kubernetes and are refused. Default: `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("!self.startsWith('kubernetes.io/') && !self.startsWith('bootstrap.kubernetes.io/')", "types below kubernetes.io/ have a meaning of their own to Kubernetes: leave type out, or choose one below a domain of yours"))]
    pub type_: Option<String>,

    /// Labels to put on the Secret, besides tempcred's own. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "label_schema")]
    #[x_kube(
        validation = ("self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())", "labels must have valid keys and values: at most 63 characters of letters, digits and -_. that begin and end with a letter or digit; keys may have a domain and / before them"),
        validation = ("self.all(k, !k.startsWith('tempcred.dev/') && k != 'app.kubernetes.io/managed-by')", "labels below tempcred.dev/ and app.kubernetes.io/managed-by are set by tempcred itself: remove them")
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations to put on the Secret, besides tempcred's own. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotation_schema")]
    #[x_kube(
        validation = ("self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())", "annotation keys must be valid: at most 63 characters of letters, digits and -_. that begin and end with a letter or digit; they may have a domain and / before them"),
        validation = ("self.all(k, !k.startsWith('tempcred.dev/'))", "annotations below tempcred.dev/ are set by tempcred itself: remove them")
    )]
    pub annotations: BTreeMap<String, String>,

    /// How the credentials are written, any of: `env` (one key per environment variable:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_CREDENTIAL_EXPIRATION`, and `AWS_REGION` if `region` is set), `credentialsFile` (key
    /// `credentials`, an AWS shared credentials file) and `credentialProcess` (key
    /// `credentials.json`, what an SDK expects of a `credential_process`). Default: all three. Not for
    /// `getWebIdentityToken`, which has keys of its own.
    #[serde(default = "Format::all")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub formats: Vec<Format>,

    /// Name of the profile in the credentials file. Letters, digits and `_.@/+-`, at most 64.
    /// Default: `default`.
    #[serde(default = "default_profile")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[\w.@/+-]+$"))]
    pub profile: String,

    /// What happens to the Secret when this resource is deleted: `Delete` removes it (by an owner
    /// reference), `Retain` leaves it, without anyone to renew it. Default: `Delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl Default for SecretSpec {
    fn default() -> Self {
        Self {
            name: None,
            type_: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            formats: Format::all(),
            profile: default_profile(),
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

// The variants have no descriptions of their own: with them the schema would become a `oneOf` of
// constants, which is not structural. The field describes them.
#[allow(missing_docs)]
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    Env,
    CredentialsFile,
    CredentialProcess,
}

impl Format {
    /// Every format, in the order in which they are documented.
    pub fn all() -> Vec<Self> {
        vec![Self::Env, Self::CredentialsFile, Self::CredentialProcess]
    }
}

#[allow(missing_docs)] // As with `Format`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    #[default]
    Delete,
    Retain,
}

fn default_profile() -> String {
    "default".to_owned()
}

fn label_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    string_map(63)
}

fn annotation_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    string_map(4096)
}

fn string_map(longest_value: u32) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": longest_value},
        "maxProperties": 64,
    })
}
