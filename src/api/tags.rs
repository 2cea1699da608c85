//! `tags`, which several requests have in common.

use std::collections::BTreeMap;

use aws_sdk_sts::types::Tag;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Tags of a session or a token.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct SessionTags {
    /// Session tags, for access control by attribute (in a token: claims). At most 50; keys 1 to 128
    /// and values 0 to 256 characters; no two keys may be equal when case is ignored. For a role, its
    /// trust policy must allow `sts:TagSession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "map_of_tags")]
    #[x_kube(
        validation = ("self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[\\\\pL\\\\pZ\\\\pN_.:/=+@-]+$'))", "tag keys must have 1 to 128 characters: letters, digits, spaces and _.:/=+-@"),
        validation = ("self.all(k, !k.lowerAscii().startsWith('aws:'))", "tag keys must not begin with aws: as AWS keeps that prefix for itself; rename the tag"),
        validation = ("self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))", "no two tag keys may be equal when case is ignored: STS treats them as one; remove or rename one of them")
    )]
    pub tags: BTreeMap<String, String>,
}

fn map_of_tags(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 256},
        "maxProperties": 50,
    })
}

impl SessionTags {
    /// As the AWS SDK takes them: an empty list would be sent as an empty parameter.
    pub fn for_sdk(&self) -> Option<Vec<Tag>> {
        let tag = |(key, value)| Tag::builder().key(key).value(value).build().ok();
        let all: Vec<_> = self.tags.iter().filter_map(tag).collect();
        Some(all).filter(|all| !all.is_empty())
    }
}
