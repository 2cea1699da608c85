//! `spec.secret`: the Secret that tempcred writes.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Secret to write. tempcred owns the keys that it writes, and the labels and annotations with the prefix
/// `tempcred.dev/`. It keeps labels, annotations and keys that other clients add.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(has(self.labels) ? self.labels.map(k, size(bytes(k)) + size(bytes(self.labels[k]))).sum() : 0) + (has(self.annotations) ? self.annotations.map(k, size(bytes(k)) + size(bytes(self.annotations[k]))).sum() : 0) <= 16384", "labels and annotations together must have at most 16 KiB: shorten or remove some of them")
)]
pub struct SecretSpec {
    /// Name of the Secret, in the namespace of this resource. It cannot be changed. Default: the name of this
    /// resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: Option<String>,

    /// Type of the Secret. It cannot be changed, because Kubernetes does not change the type of a Secret. Types with
    /// the prefix `kubernetes.io/` are rejected, because Kubernetes defines their contents. Default: `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("!self.startsWith('kubernetes.io/') && !self.startsWith('bootstrap.kubernetes.io/')", "types with the prefix kubernetes.io/ are reserved, because Kubernetes defines their contents: omit type, or use a type with your own domain as prefix"))]
    pub type_: Option<String>,

    /// Labels to set on the Secret, in addition to those of tempcred. At most 64. Labels and annotations together have
    /// at most 16 KiB.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "label_schema")]
    #[x_kube(
        validation = ("self.all(k, !format.qualifiedName().validate(k).hasValue() && !format.labelValue().validate(self[k]).hasValue())", "labels must have valid keys and values: at most 63 characters (letters, digits and -_.) that begin and end with a letter or digit; keys may have a prefix that is a domain and /"),
        validation = ("self.all(k, !k.startsWith('tempcred.dev/') && k != 'app.kubernetes.io/managed-by')", "tempcred sets app.kubernetes.io/managed-by and the labels with the prefix tempcred.dev/: remove them")
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations to set on the Secret, in addition to those of tempcred. At most 64. Labels and annotations together
    /// have at most 16 KiB.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotation_schema")]
    #[x_kube(
        validation = ("self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())", "annotation keys must be valid: at most 63 characters (letters, digits and -_.) that begin and end with a letter or digit; they may have a prefix that is a domain and /"),
        validation = ("self.all(k, !k.startsWith('tempcred.dev/'))", "tempcred sets the annotations with the prefix tempcred.dev/: remove them")
    )]
    pub annotations: BTreeMap<String, String>,

    /// Formats of the credentials in the Secret. Default: all three. `getWebIdentityToken` ignores this field, because
    /// it writes its own keys.
    ///
    /// `env` writes one key for each environment variable: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN` and `AWS_CREDENTIAL_EXPIRATION`, and also `AWS_REGION` if `spec.region` is set.
    ///
    /// `credentialsFile` writes the key `credentials`, an AWS shared credentials file.
    ///
    /// `credentialProcess` writes the key `credentials.json`, in the JSON format that SDKs read from a
    /// `credential_process`.
    #[serde(default = "Format::all")]
    // Not a set: server-side apply would merge it with the default, which no manager owns, so all formats would stay.
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = ("self.all(x, self.exists_one(y, y == x))", "each format may be listed once: remove the repetition"))]
    pub formats: Vec<Format>,

    /// Name of the profile in the credentials file. 1 to 64 characters: letters, digits and `_.@/+-`. Default:
    /// `default`.
    #[serde(default = "default_profile")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[\w.@/+-]+$"))]
    pub profile: String,

    /// More keys of the Secret, for programs that read another format: each value is a template, in which
    /// `{{ accessKeyId }}` is replaced. The Secret contains them next to its `formats`. At most 16 keys, of at most
    /// 16 KiB each; together they render to at most 256 KiB.
    ///
    /// Variables: `accessKeyId`, `secretAccessKey`, `sessionToken`, `expiration`, `region` (only if `spec.region` is
    /// set), `principalArn`, `namespace` and `name`. An undefined variable is an error. Filters: `b64encode`,
    /// `default("TEXT")`, `escape` (XML), `lower`, `tojson`, `upper` and `urlencode`. `{% if region %}` and
    /// `{% endif %}` are supported, also with `elif`, `else`, `==`, `!=` and `is defined`, for `region`, `namespace` and
    /// `name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "template_schema")]
    #[x_kube(
        validation = ("self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && !k.startsWith('..') && k != '.')", "keys of template must be valid keys of a Secret: at most 253 letters, digits and -_."),
        validation = ("self.all(k, !(k in ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_CREDENTIAL_EXPIRATION', 'AWS_REGION', 'credentials', 'credentials.json', 'token', 'expiration']))", "secret.formats write this key: choose another key for the template")
    )]
    pub template: BTreeMap<String, String>,

    /// Take over an existing Secret of this name that no controller owns, if it has the annotation
    /// `tempcred.dev/adopt-by` with the name of this resource. Its other keys stay. It must have the type of this spec.
    /// Default: `false`: an existing Secret is never changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,

    /// What to do with the Secret when this resource is deleted. `Delete` deletes it, by an owner reference. `Retain`
    /// keeps it, and its credentials are no longer renewed. Default: `Delete`.
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
            template: BTreeMap::new(),
            adopt: false,
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

// Doc comments on the variants would make the schema a `oneOf` of constants, which is not structural. The description
// of the field documents the variants.
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
    string_map(64, 63)
}

fn annotation_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    string_map(64, 4096)
}

fn template_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    string_map(16, 16 << 10)
}

fn string_map(most: u32, longest_value: u32) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": longest_value},
        "maxProperties": most,
    })
}
