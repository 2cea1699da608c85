//! Tests of one compiled grant.

use super::*;
use crate::testing::merge;
use serde_json::json;

fn compile(patch: Value, cluster: &str) -> CompiledGrant {
    let mut spec = json!({
        "namespaces": {"names": ["analytics"]},
        "roleArns": ["arn:aws:iam::123456789012:role/reports-*"],
    });
    merge(&mut spec, patch);
    CompiledGrant::compile(&spec, cluster)
}

#[test]
fn an_invalid_grant_has_no_rules_and_says_what_to_change() {
    let tags = |tags: Value| json!({"session": {"tags": tags}});
    for (row, patch, says) in [
        ("no namespaces", json!({"namespaces": {"names": null}}), "set namespaces.names"),
        ("an empty selector", json!({"namespaces": {"selector": {}}}), "selector is empty"),
        ("no roles", json!({"roleArns": []}), "at least one ARN"),
        ("a wildcard account", json!({"roleArns": ["arn:aws:iam::*:role/x"]}), "literal partition"),
        ("all roles", json!({"roleArns": ["*"]}), "only in mode Constrain"),
        ("an unknown variable", json!({"session": {"externalId": "{{ uid }}"}}), "no variable"),
        ("a broken template", json!({"session": {"sourceIdentity": "{{ name"}}), "braces"),
        ("a template in a tag", tags(json!({"a": "{"})), "braces"),
        ("a reserved tag", tags(json!({"Tempcred.dev/name": "x"})), "is reserved"),
        ("the same tag twice", tags(json!({"\u{17f}": "x", "S": "y"})), "only in case"),
        ("a short duration", json!({"maxDuration": "14m"}), "between 15m and 12h"),
        ("a long duration", json!({"maxDuration": "13h"}), "between 15m and 12h"),
        (
            "an unknown choice",
            json!({"session": {"tenantMaySet": ["mfa"]}}),
            "upgrade the operator",
        ),
        ("an unknown mode", json!({"mode": "Audit"}), "upgrade the operator"),
        ("an unknown field", json!({"session": {"mfa": true}}), "the field \"session.mfa\""),
        ("another type", json!({"roleArns": "x"}), "upgrade the operator"),
    ] {
        let Err(invalid) = compile(patch, "prod").rules else { panic!("{row}: is valid") };
        let message = invalid.to_string();
        assert!(message.contains(says), "{row}: {message}");
    }
    let all = json!({"mode": "Constrain", "roleArns": ["*"]});
    assert!(compile(all, "").rules.is_ok());
}

#[test]
fn a_grant_that_uses_the_name_of_the_cluster_needs_one() {
    for session in [json!({"attribution": true}), json!({"tags": {"a": "{{ cluster }}"}})] {
        let patch = json!({"session": session});
        assert!(compile(patch.clone(), "prod").rules.is_ok());
        assert_eq!(compile(patch, "").rules.unwrap_err(), InvalidGrant::NoClusterName);
    }
}

#[test]
fn an_invalid_grant_keeps_its_matchers() {
    let role =
        |name: &str| format!("arn:aws:iam::123456789012:role/{name}").as_str().try_into().unwrap();
    let labels = BTreeMap::new();
    let matches = |grant: &CompiledGrant| {
        let namespaces = ["analytics", "web"].map(|name| grant.namespaces.matches(name, &labels));
        (namespaces, ["reports-x", "admin"].map(|name| grant.roles.matches(&role(name))))
    };
    let unknown = compile(json!({"maxSessions": 1}), "");
    assert_eq!(matches(&unknown), ([true, false], [true, false]));
    assert_eq!(matches(&compile(json!({"namespaces": 1}), "")), ([true, true], [true, false]));
    assert_eq!(matches(&compile(json!({"roleArns": 1}), "")), ([true, false], [true, true]));
    for unreadable in [
        CompiledGrant::compile(&json!(null), ""),
        CompiledGrant::compile(&json!([]), ""),
        CompiledGrant::undecodable("no"),
    ] {
        assert_eq!(matches(&unreadable), ([true, true], [true, true]));
        assert!(unreadable.rules.is_err());
    }
}
