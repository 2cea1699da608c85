//! `tags`, which several requests have in common.

use std::collections::BTreeMap;

use aws_sdk_sts::types::Tag;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Tags of a session or a token.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
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
    /// As the AWS SDK takes them: an empty list would be sent as an empty parameter.
    pub fn for_sdk(&self) -> Option<Vec<Tag>> {
        let tag = |(key, value)| Tag::builder().key(key).value(value).build().ok();
        let all: Vec<_> = self.tags.iter().filter_map(tag).collect();
        Some(all).filter(|all| !all.is_empty())
    }
}
