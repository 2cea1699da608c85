//! `session.tenantMaySet`: what a resource may choose for its session.

use std::collections::BTreeSet;

use super::invalid::InvalidGrant;
use crate::fields::{folded, is_reserved};

/// What a grant lets a resource choose where no grant sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) external_id: bool,
    pub(super) source_identity: bool,
    pub(super) session_name: bool,
    all_tags: bool,
    /// Folded keys of single tags.
    tags: BTreeSet<String>,
}

impl Choices {
    /// Compiles `session.tenantMaySet`.
    ///
    /// # Errors
    /// [`InvalidGrant::TenantMaySet`] with the first entry that is unknown, or that is the key of a reserved tag.
    pub(super) fn compile(entries: &[String]) -> Result<Self, InvalidGrant> {
        let mut choices = Self::default();
        for entry in entries {
            match (entry.as_str(), entry.strip_prefix("tags/")) {
                ("externalId", _) => choices.external_id = true,
                ("sourceIdentity", _) => choices.source_identity = true,
                ("sessionName", _) => choices.session_name = true,
                ("tags", _) => choices.all_tags = true,
                (_, Some(key)) if !key.is_empty() && !is_reserved(key) => {
                    choices.tags.insert(folded(key));
                }
                _ => return Err(InvalidGrant::TenantMaySet(entry.chars().take(133).collect())),
            }
        }
        Ok(choices)
    }

    /// Whether a resource may choose the value of a tag.
    pub(super) fn tag(&self, key: &str) -> bool {
        self.all_tags || self.tags.contains(&folded(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_single_tags_and_rejects_what_it_does_not_know() {
        let compile = |entries: &[&str]| {
            Choices::compile(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>())
        };
        let some = compile(&["externalId", "tags/App"]).unwrap();
        assert_eq!(
            (some.external_id, some.source_identity, some.session_name),
            (true, false, false)
        );
        assert_eq!((some.tag("app"), some.tag("APP"), some.tag("apps")), (true, true, false));
        let all = compile(&["tags", "sourceIdentity", "sessionName"]).unwrap();
        assert_eq!((all.tag("any"), all.source_identity, all.session_name), (true, true, true));
        assert!(!compile(&[]).unwrap().tag("app"));
        for unknown in ["policy", "tags/", "", "Tags", "tags/TEMPCRED.dev/name"] {
            let error = compile(&["tags", unknown]).unwrap_err();
            assert_eq!(error, InvalidGrant::TenantMaySet(unknown.to_owned()));
        }
    }
}
