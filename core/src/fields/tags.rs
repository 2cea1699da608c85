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
    /// have 1 to 128 characters, values 0 to 256. Keys must differ in more than case. No key may begin with
    /// `tempcred.dev/`. If a role is assumed, its trust policy must allow `sts:TagSession`. If the operator signs the
    /// request with its own identity, the RoleGrants must allow each key in `session.tenantMaySet`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new(schema::TAG_KEYS).message(schema::TAG_KEYS_MESSAGE),
        validation = Rule::new(schema::TAG_PREFIX).message(schema::TAG_PREFIX_MESSAGE),
        validation = Rule::new(schema::TAG_RESERVED).message(schema::TAG_RESERVED_MESSAGE),
        validation = Rule::new(schema::TAG_CASE).message(schema::TAG_CASE_MESSAGE)
    )]
    pub tags: BTreeMap<String, String>,
}

/// Prefix of the keys of the tags that only the operator sets.
pub const RESERVED_PREFIX: &str = "tempcred.dev/";

/// Whether only the operator may set a tag with this key.
pub fn is_reserved(key: &str) -> bool {
    folded(key).starts_with(RESERVED_PREFIX)
}

/// A tag key in the form in which STS compares keys: STS ignores their case.
pub fn folded(key: &str) -> String {
    // Folds to upper case and then to lower case, because some letters share only the upper case: ſ and s have S.
    key.to_uppercase().to_lowercase()
}

impl SessionTags {
    /// The keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_and_reserved_in_any_case() {
        for (one, other, same) in [
            ("team", "TEAM", true),
            ("team", "te\u{17f}m", false),
            ("stage", "\u{17f}tage", true),
            ("key", "\u{212a}ey", true),
            ("id", "\u{131}d", true),
            ("a", "b", false),
        ] {
            assert_eq!(folded(one) == folded(other), same, "{one} {other}");
        }
        for (key, reserved) in [
            ("tempcred.dev/namespace", true),
            ("TEMPCRED.dev/x", true),
            ("tempcred.dev/", true),
            ("tempcred.dev", false),
            ("x-tempcred.dev/namespace", false),
            ("namespace", false),
        ] {
            assert_eq!(is_reserved(key), reserved, "{key}");
        }
    }
}
