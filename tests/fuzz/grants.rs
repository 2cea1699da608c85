//! Grants: with any pattern, template, name or override, nothing is allowed beyond the grant, and STS accepts
//! every constraint.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tempcred_core::api::{GrantMode, RoleGrantSpec};
use tempcred_core::fields::folded;
use tempcred_core::grant::{Grants, Permission};
use tempcred_core::request::arn::RoleArn;
use tempcred_core::request::{RequestedRole, SessionOverrides, SessionParameters};

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

fn choices() -> impl Strategy<Value = Option<Vec<String>>> {
    let known = vec!["externalId", "sourceIdentity", "sessionName", "tags", "tags/a", "tags/B"];
    let choice = prop_oneof![20 => select(known).prop_map(str::to_owned), 1 => nasty()];
    proptest::option::of(vec(choice, 0..4))
}

fn case() -> impl Strategy<Value = Case> {
    let names = vec("[a-c*?-]{0,4}", 1..4);
    let patterns = vec(pattern(), 1..4);
    let session = (
        proptest::option::of(template()),
        proptest::option::of(template()),
        btree_map("[A-Ca-c]{1,2}", template(), 0..3),
        any::<bool>(),
        choices(),
    );
    let mode = prop_oneof![4 => Just("Allow"), 1 => Just("Constrain")];
    let valid = "[ab/]{0,6}[ab]".prop_map(|name| format!("{ACCOUNT}{name}"));
    let broken = (valid.clone(), changes()).prop_map(|(arn, changes)| changed(&arn, &changes));
    let role = prop_oneof![3 => valid, 1 => broken];
    let who = ("[a-c-]{1,4}", "[a-c.-]{1,100}");
    let tags = btree_map("[A-Ca-c]{1,2}", "[a-c]{0,2}", 0..3).prop_map(distinct);
    let wish = (proptest::option::of("[a-c]{2,4}"), tags);
    (mode, names, patterns, session, role, who, wish).prop_map(
        |(mode, names, patterns, (external, source, tags, attribution, may), role, who, wish)| {
            let spec = json!({
                "mode": mode, "namespaces": {"names": names}, "roleArns": patterns,
                "session": {
                    "externalId": external, "sourceIdentity": source, "tags": tags, "attribution": attribution,
                    "tenantMaySet": may,
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

/// The tags without those whose keys STS does not distinguish: such a request is refused before the grants are asked.
fn distinct(tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut seen = BTreeSet::new();
    tags.into_iter().filter(|(key, _)| seen.insert(folded(key))).collect()
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
    let mut grants = Grants::new("prod".to_owned());
    grants.set_namespace(&case.namespace, &BTreeMap::new());
    let grant = json!({"metadata": {"name": "only"}, "spec": case.spec});
    grants.set(&serde_json::from_value(grant).unwrap());
    let names = case.spec.namespaces.names.as_ref().unwrap();
    let named = names.iter().any(|name| matches(name.as_bytes(), case.namespace.as_bytes()));

    let invalid = grants.state("only").unwrap().1.map(ToString::to_string);
    let is_valid = invalid.is_none();
    match invalid {
        Some(text) => prop_assert!(is_one_line(&text), "{text:?}"),
        None => {
            prop_assert_eq!(grants.is_for_any("only"), named);
            for pattern in case.spec.role_arns.iter().filter(|pattern| *pattern != "*") {
                let account = pattern.split(':').nth(4).unwrap_or_default();
                let literal = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
                prop_assert!(literal, "{pattern}");
            }
        }
    }
    let Ok(role) = RoleArn::try_from(case.role.as_str()) else { return Ok(()) };
    let mut patterns = case.spec.role_arns.iter();
    let covered = patterns.any(|p| matches(p.as_bytes(), case.role.as_bytes()));

    let overrides = SessionOverrides {
        duration: None,
        source_identity: None,
        tags: &case.tags,
        transitive_tag_keys: &[],
        has_policy: false,
        policy_arns: &[],
    };
    let external_id = case.external_id.as_deref();
    let requested =
        RequestedRole { external_id, overrides: Some(overrides), ..RequestedRole::hop(&role) };
    match grants.decide(&case.namespace, &case.name, &[requested]) {
        Permission::Granted { parameters, .. } => {
            prop_assert!(is_valid && named && covered);
            prop_assert_eq!(case.spec.mode, GrantMode::Allow);
            check_parameters(&case, &parameters[0])
        }
        Permission::Denied(denial) => {
            prop_assert!(denial.problem.reason.is_denial());
            prop_assert!(is_one_line(&denial.problem.message));
            let wishes = case.external_id.is_some() || !case.tags.is_empty();
            let limits = ["characters", "would have"];
            let exceeds = limits.iter().any(|text| denial.problem.message.contains(text));
            let is_allowed = is_valid && named && covered && case.spec.mode == GrantMode::Allow;
            prop_assert!(wishes || exceeds || !is_allowed, "{}", denial.problem.message);
            Ok(())
        }
        other => Err(TestCaseError::fail(format!("{other:?}"))),
    }
}

/// The parameters are valid for STS, and those of the grant, or chosen by the resource where the grant lets it.
fn check_parameters(case: &Case, parameters: &SessionParameters) -> Result<(), TestCaseError> {
    let fits = |value: &Option<String>, (least, most): (usize, usize), more: &str| {
        value.as_ref().is_none_or(|value| {
            (least..=most).contains(&value.len())
                && value.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        })
    };
    prop_assert!(fits(&parameters.external_id, (2, 1224), "_+=,.@:/-"), "{parameters:?}");
    prop_assert!(fits(&parameters.source_identity, (2, 64), "_+=,.@-"), "{parameters:?}");
    prop_assert!(parameters.tags.values().all(|value| value.chars().count() <= 256));
    let session = &case.spec.session;
    let may = |choices: [&str; 2]| {
        let all = session.tenant_may_set.iter().flatten();
        all.map(|choice| folded(choice)).any(|choice| choices.map(folded).contains(&choice))
    };
    match (&session.external_id, &case.external_id) {
        (Some(_), Some(wished)) => prop_assert_eq!(&parameters.external_id, &Some(wished.clone())),
        (Some(_), None) => prop_assert!(parameters.external_id.is_some()),
        (None, wished) => {
            prop_assert_eq!(&parameters.external_id, wished);
            prop_assert!(wished.is_none() || may(["externalId", ""]));
        }
    }
    prop_assert_eq!(parameters.source_identity.is_some(), session.source_identity.is_some());
    let set: Vec<_> = session.tags.keys().map(|key| folded(key)).collect();
    for (key, value) in &case.tags {
        let same = |(other, _): &(&String, &String)| folded(other) == folded(key);
        let sent = parameters.tags.iter().find(same).map(|(_, value)| value);
        prop_assert_eq!(sent, Some(value), "{}", key);
        let is_allowed = set.contains(&folded(key)) || may(["tags", &format!("tags/{key}")]);
        prop_assert!(is_allowed, "{key} was chosen");
    }
    for key in &set {
        prop_assert!(parameters.tags.keys().any(|sent| folded(sent) == *key), "{key} is missing");
    }
    if session.attribution {
        prop_assert_eq!(&parameters.tags["tempcred.dev/namespace"], &case.namespace);
    }
    Ok(())
}

#[test]
fn a_grant_allows_what_it_says_and_nothing_else() {
    budget::run("grants", case(), check);
}
