//! `tags`, which several requests have in common.

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Tags of a session or a token.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
pub struct SessionTags {
    /// Session tags, for access control by attribute (in a token: claims). At most 50; keys 1 to 128
    /// and values 0 to 256 characters; no two keys may be equal when case is ignored. For a role, its
    /// trust policy must allow `sts:TagSession`.
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
    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
