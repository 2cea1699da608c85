//! `tags`, which several requests share.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Tags of a session or a token.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SessionTags {
    /// Tags for attribute-based access control: session tags, or claims of a web identity token. At most 50 tags. Keys
    /// have 1 to 128 characters, values 0 to 256. Keys must differ in more than case. If a role is assumed, its trust
    /// policy must allow `sts:TagSession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new(schema::TAG_KEYS).message(schema::TAG_KEYS_MESSAGE),
        validation = Rule::new(schema::TAG_PREFIX).message(schema::TAG_PREFIX_MESSAGE),
        validation = Rule::new(schema::TAG_CASE).message(schema::TAG_CASE_MESSAGE)
    )]
    pub tags: BTreeMap<String, String>,
}

impl SessionTags {
    /// The keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
