//! What the checks need to know of the RoleGrants, and their judgement.

use std::collections::BTreeSet;

use kube::ResourceExt;
use serde::Deserialize;
use tempcred_core::api::{RoleGrantSpec, StoredGrant};
use tempcred_core::grant::Grants;
use tempcred_core::request::region::partition_of;

use super::check::{Check, Finding};
use super::list::some_of;

/// What the checks need to know of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantFacts {
    /// Its name.
    pub name: String,
    /// Why it is invalid.
    pub invalid: Option<String>,
    /// Keys of the session tags that it sets.
    pub tags: BTreeSet<String>,
    /// Whether it sets the source identity.
    pub source_identity: bool,
    /// The partitions of its roles.
    pub partitions: BTreeSet<String>,
}

/// What the checks need to know of all grants, in a cluster with this name.
pub fn facts(stored: &[StoredGrant], cluster_name: Option<&str>) -> Vec<GrantFacts> {
    let mut grants = Grants::new(cluster_name.unwrap_or_default().to_owned());
    for grant in stored {
        grants.set(grant);
    }
    let of = |grant: &StoredGrant| {
        let name = grant.name_any();
        let invalid = grants.state(&name).and_then(|(_, invalid)| invalid.map(ToString::to_string));
        let facts = GrantFacts { name, invalid, ..GrantFacts::default() };
        let Ok(spec) = RoleGrantSpec::deserialize(&grant.spec) else { return facts };
        let partition = |arn: &String| arn.split(':').nth(1).map(str::to_owned);
        GrantFacts {
            tags: spec.session.tags.keys().cloned().collect(),
            source_identity: spec.session.source_identity.is_some(),
            partitions: spec.role_arns.iter().filter_map(partition).collect(),
            ..facts
        }
    };
    stored.iter().map(of).collect()
}

/// Judges the grants of an operator in this region.
pub fn judge(grants: &[GrantFacts], region: Option<&str>) -> Vec<Finding> {
    let check = Check::Grants;
    if grants.is_empty() {
        return vec![Finding::ok(
            check,
            "There are none, so no namespace may use the operator's AWS identity.",
        )];
    }
    let invalid = grants.iter().filter_map(|grant| Some((grant, grant.invalid.as_ref()?)));
    let mut findings: Vec<_> = invalid
        .map(|(grant, why)| {
            Finding::warning(
                check,
                format!(
                    "{} is invalid, so it allows nothing and blocks what it matches.",
                    grant.name
                ),
                format!("{why}."),
            )
        })
        .collect();
    let valid = grants.len() - findings.len();
    let expected = region.map(partition_of);
    let foreign: Vec<_> = grants
        .iter()
        .filter(|grant| {
            expected
                .is_some_and(|own| !grant.partitions.is_empty() && !grant.partitions.contains(own))
        })
        .map(|grant| grant.name.as_str())
        .collect();
    if let (Some(own), false) = (expected, foreign.is_empty()) {
        findings.push(Finding::warning(
            check,
            format!("All roles of these grants belong to other partitions than {own}, where the operator's identity does not exist: {}.", some_of(&foreign)),
            "Correct the partition in roleArns, or run an operator in that partition.",
        ));
    }
    let count = if valid == 1 { "1 is valid.".to_owned() } else { format!("{valid} are valid.") };
    findings.insert(0, Finding::ok(check, count));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;
    use serde_json::{Value, json};

    fn stored(name: &str, role: &str, session: Value) -> StoredGrant {
        let spec = json!({"namespaces": {"names": ["a"]}, "roleArns": [role], "session": session});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    #[test]
    fn invalid_and_foreign_grants_are_reported() {
        let role = "arn:aws:iam::123456789012:role/x";
        let grants = [
            stored(
                "tags",
                role,
                json!({"tags": {"team": "a"}, "sourceIdentity": "{{ namespace }}"}),
            ),
            stored("cluster", role, json!({"attribution": true})),
            stored("china", &role.replace("aws", "aws-cn"), json!({})),
        ];
        let named = facts(&grants, Some("prod"));
        assert_eq!(named[0].tags.iter().collect::<Vec<_>>(), ["team"]);
        assert!(named[0].source_identity && named[1].invalid.is_none());
        let found = judge(&named, Some("cn-north-1"));
        assert!(found[1].message.ends_with(": tags, cluster."), "{found:?}");

        let unnamed = facts(&grants, None);
        let found = judge(&unnamed, Some("eu-central-1"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0].message, "2 are valid.");
        assert!(
            found[1].level == Level::Warning && found[1].message.starts_with("cluster is invalid")
        );
        assert!(found[1].advice.as_ref().unwrap().contains("--cluster-name"), "{found:?}");
        assert!(found[2].message.ends_with(": china."), "{found:?}");
        assert_eq!(judge(&unnamed, None).len(), 2, "without a region there is no partition");
        assert_eq!(judge(&[], None)[0].level, Level::Ok);
    }
}
