//! Grants: with any pattern, template, name or override, nothing is allowed beyond the grant, and STS accepts
//! every constraint.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tempcred_core::api::RoleGrantSpec;
use tempcred_core::fields::Duration;
use tempcred_core::grant::{Grant, NamespaceMatcher};
use tempcred_core::request::arn::RoleArn;
use tempcred_core::request::{RequestedRole, SessionConstraints, SessionOverrides};
use tempcred_core::template::Context;

use crate::budget;
use crate::input::{changed, changes, is_one_line, nasty};

/// The head of the ARNs of all roles in an account.
const ACCOUNT: &str = "arn:aws:iam::123456789012:role/";

#[derive(Debug)]
struct Case {
    spec: RoleGrantSpec,
    namespace: String,
    name: String,
    role: String,
    external_id: Option<String>,
    tags: BTreeMap<String, String>,
}

fn pattern() -> impl Strategy<Value = String> {
    let valid = "[ab*?/]{0,8}".prop_map(|rest| format!("{ACCOUNT}{rest}"));
    let head =
        select(vec!["arn:aws:iam::*:role/*", "arn:*", "*", "arn:aws:iam::12345678901?:role/a"]);
    let broken = (valid.clone(), changes()).prop_map(|(arn, changes)| changed(&arn, &changes));
    prop_oneof![6 => valid, 1 => head.prop_map(str::to_owned), 2 => broken]
}

fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => select(vec!["{{ cluster }}", "{{namespace}}", "{{ name }}", "{{ uid }}", "{{", "}}", "{", "-"])
            .prop_map(str::to_owned),
        3 => "[a-zA-Z0-9_=,.@/-]{0,5}",
        1 => nasty(),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = Case> {
    let names = vec("[a-c*?-]{0,4}", 1..4);
    let patterns = vec(pattern(), 1..4);
    let session = (
        proptest::option::of(template()),
        proptest::option::of(template()),
        btree_map("[A-Ca-c]{1,2}", template(), 0..3),
        any::<bool>(),
    );
    let valid = "[ab/]{0,6}[ab]".prop_map(|name| format!("{ACCOUNT}{name}"));
    let broken = (valid.clone(), changes()).prop_map(|(arn, changes)| changed(&arn, &changes));
    let role = prop_oneof![3 => valid, 1 => broken];
    let who = ("[a-c-]{1,4}", "[a-c.-]{1,100}");
    let wish = (proptest::option::of("[a-c]{2,4}"), btree_map("[A-Ca-c]{1,2}", "[a-c]{0,2}", 0..3));
    (names, patterns, session, role, who, wish).prop_map(
        |(names, patterns, (external, source, tags, attribution), role, who, wish)| {
            let spec = json!({
                "namespaces": {"names": names}, "roleArns": patterns,
                "session": {
                    "externalId": external, "sourceIdentity": source, "tags": tags, "attribution": attribution,
                },
            });
            Case {
                spec: serde_json::from_value(spec).unwrap(),
                namespace: who.0,
                name: who.1,
                role,
                external_id: wish.0,
                tags: wish.1,
            }
        },
    )
}

/// Whether a pattern matches, by brute force.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text) || (!text.is_empty() && matches(pattern, &text[1..]))
        }
        ([b'?', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([one, rest @ ..], [other, text @ ..]) => one == other && matches(rest, text),
        _ => false,
    }
}

fn check(case: Case) -> Result<(), TestCaseError> {
    let matcher = NamespaceMatcher::compile(&case.spec.namespaces).unwrap();
    let names = case.spec.namespaces.names.as_ref().unwrap();
    let named = names.iter().any(|name| matches(name.as_bytes(), case.namespace.as_bytes()));
    prop_assert_eq!(matcher.matches(&case.namespace, &BTreeMap::new()), named);

    let grant = match Grant::compile(&case.spec, "prod") {
        Ok(grant) => grant,
        Err(flaw) => {
            let text = flaw.to_string();
            prop_assert!(is_one_line(&text), "{text:?}");
            return Ok(());
        }
    };
    for pattern in &case.spec.role_arns {
        let account = pattern.split(':').nth(4).unwrap_or_default();
        prop_assert!(
            account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()),
            "{pattern}"
        );
    }
    let Ok(role) = RoleArn::try_from(case.role.as_str()) else { return Ok(()) };
    let mut patterns = case.spec.role_arns.iter();
    let covered = patterns.any(|p| matches(p.as_bytes(), case.role.as_bytes()));
    prop_assert_eq!(grant.covers(&role), covered);

    let overrides = SessionOverrides {
        duration: Duration::from_secs(3600),
        source_identity: None,
        tags: &case.tags,
        has_policy: false,
        policy_arns: &[],
    };
    let external_id = case.external_id.as_deref();
    let requested = RequestedRole { role: &role, external_id, overrides: Some(overrides) };
    let context = Context { cluster: "prod", namespace: &case.namespace, name: &case.name };
    match grant.constrain(&requested, context) {
        Ok(constraints) => check_constraints(&case, &constraints),
        Err(conflicts) => {
            prop_assert!(conflicts.iter().all(|text| !text.is_empty() && is_one_line(text)));
            Ok(())
        }
    }
}

/// The constraints are valid for STS, and those of the grant, whatever the resource sets.
fn check_constraints(case: &Case, constraints: &SessionConstraints) -> Result<(), TestCaseError> {
    let fits = |value: &Option<String>, (least, most): (usize, usize), more: &str| {
        value.as_ref().is_none_or(|value| {
            (least..=most).contains(&value.len())
                && value.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        })
    };
    prop_assert!(fits(&constraints.external_id, (2, 1224), "_+=,.@:/-"), "{constraints:?}");
    prop_assert!(fits(&constraints.source_identity, (2, 64), "_+=,.@-"), "{constraints:?}");
    prop_assert!(constraints.tags.values().all(|value| value.chars().count() <= 256));
    let session = &case.spec.session;
    prop_assert_eq!(constraints.external_id.is_some(), session.external_id.is_some());
    prop_assert_eq!(constraints.source_identity.is_some(), session.source_identity.is_some());
    let tags = session.tags.len() + if session.attribution { 3 } else { 0 };
    prop_assert_eq!(constraints.tags.len(), tags);
    if let (Some(set), Some(wished)) = (&constraints.external_id, &case.external_id) {
        prop_assert_eq!(set, wished);
    }
    for (key, value) in &case.tags {
        for (ours, set) in &constraints.tags {
            let same = ours.eq_ignore_ascii_case(key);
            prop_assert!(!same || (ours, set) == (key, value), "{key} beside {ours}");
        }
    }
    if session.attribution {
        prop_assert_eq!(&constraints.tags["kubernetes-namespace"], &case.namespace);
    }
    Ok(())
}

#[test]
fn a_grant_allows_what_it_says_and_nothing_else() {
    budget::run("grants", case(), check);
}
