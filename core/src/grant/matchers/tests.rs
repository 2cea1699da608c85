//! Tests of what a grant matches.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const AT: &str = "arn:aws:iam::123456789012:role/";

fn role(name: &str) -> RoleArn {
    RoleArn::try_from(format!("{AT}{name}").as_str()).unwrap()
}

fn roles(pattern: &str, mode: GrantMode) -> Result<RoleMatcher, InvalidGrant> {
    RoleMatcher::compile(&[pattern.to_owned()], mode)
}

fn team() -> BTreeMap<String, String> {
    BTreeMap::from([("team".to_owned(), "data".to_owned())])
}

#[test]
fn matches_namespaces_by_names_and_selector() {
    let selector = json!({"matchLabels": {"team": "data"}});
    let expression = |operator: &str| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": ["data"]}]});
    for (row, namespaces, namespace, matches) in [
        ("the name", json!({"names": ["analytics"]}), "analytics", true),
        ("another name", json!({"names": ["analytics"]}), "analytics2", false),
        ("a beginning", json!({"names": ["team-*"]}), "team-a", true),
        ("the beginning in the middle", json!({"names": ["team-*"]}), "my-team-a", false),
        ("the beginning alone", json!({"names": ["team-*"]}), "team", false),
        ("one character", json!({"names": ["team-?"]}), "team-a", true),
        ("two for one", json!({"names": ["team-?"]}), "team-ab", false),
        ("one of several", json!({"names": ["a", "b"]}), "b", true),
        ("everything", json!({"names": ["*"]}), "kube-system", true),
        ("the label", json!({"selector": selector}), "any", true),
        ("another label", json!({"selector": {"matchLabels": {"team": "web"}}}), "any", false),
        ("an expression", json!({"selector": expression("In")}), "any", true),
        ("an expression that excludes", json!({"selector": expression("NotIn")}), "any", false),
        ("both", json!({"names": ["a*"], "selector": selector}), "any", true),
        (
            "the label but not the name",
            json!({"names": ["b*"], "selector": selector}),
            "any",
            false,
        ),
        (
            "the name but not the label",
            json!({"names": ["a*"], "selector": {"matchLabels": {"team": "web"}}}),
            "any",
            false,
        ),
    ] {
        let matcher =
            NamespaceMatcher::compile(&serde_json::from_value(namespaces).unwrap()).unwrap();
        assert_eq!(matcher.matches(namespace, &team()), matches, "{row}");
    }
}

#[test]
fn an_empty_or_invalid_matcher_does_not_compile() {
    for (row, namespaces) in [
        ("no field", json!({})),
        ("no names", json!({"names": []})),
        ("an empty selector", json!({"selector": {}})),
        ("an empty selector with a name", json!({"names": ["a"], "selector": {}})),
        ("empty requirements", json!({"selector": {"matchLabels": {}, "matchExpressions": []}})),
        ("an empty name", json!({"names": ["a", ""]})),
        ("a set of characters", json!({"names": ["[a-z]*"]})),
        ("an upper-case letter", json!({"names": ["Team"]})),
        ("a letter that is not ASCII", json!({"names": ["t\u{e9}am"]})),
    ] {
        let compiled = NamespaceMatcher::compile(&serde_json::from_value(namespaces).unwrap());
        assert!(compiled.is_err(), "{row}");
    }
}

/// Such a requirement has another meaning than its author expects, or none: an empty `NotIn` would match everything.
#[test]
fn a_requirement_needs_a_known_operator_with_the_values_that_it_takes() {
    for (operator, values, is_valid) in [
        ("In", json!(["data"]), true),
        ("In", json!([]), false),
        ("In", json!(null), false),
        ("NotIn", json!(["data"]), true),
        ("NotIn", json!([]), false),
        ("NotIn", json!(null), false),
        ("Exists", json!(null), true),
        ("Exists", json!([]), true),
        ("Exists", json!(["data"]), false),
        ("DoesNotExist", json!(null), true),
        ("DoesNotExist", json!([]), true),
        ("DoesNotExist", json!(["data"]), false),
        ("Is", json!(["data"]), false),
        ("in", json!(["data"]), false),
    ] {
        let mut requirement = json!({"key": "team", "operator": operator});
        if !values.is_null() {
            requirement["values"] = values.clone();
        }
        let namespaces = json!({"selector": {"matchExpressions": [requirement]}});
        let row = format!("{operator} {values}");
        let compiled =
            NamespaceMatcher::compile(&serde_json::from_value(namespaces.clone()).unwrap());
        assert_eq!(compiled.is_ok(), is_valid, "{row}");
        let Err(invalid) = compiled else { continue };
        assert!(matches!(invalid, InvalidGrant::Selector(_)), "{row}: {invalid}");
        let widest = NamespaceMatcher::widest(Some(&namespaces));
        for labels in [team(), BTreeMap::new()] {
            assert!(widest.matches("any", &labels), "{row}: it blocks everything");
        }
    }
}

#[test]
fn the_readable_part_of_an_invalid_grant_matches_no_less_than_the_whole() {
    for (row, namespaces, a, b) in [
        ("nothing", json!(null), true, true),
        ("text", json!("a"), true, true),
        ("no field", json!({}), true, true),
        ("valid names", json!({"names": ["a"]}), true, false),
        ("a valid selector", json!({"selector": {"matchLabels": {"team": "web"}}}), false, false),
        ("names and an invalid selector", json!({"names": ["a"], "selector": 3}), true, false),
        ("names and an empty selector", json!({"names": ["a"], "selector": {}}), true, false),
        ("an empty selector", json!({"selector": {}}), true, true),
        (
            "a selector with an unknown field",
            json!({"selector": {"matchLabels": {"team": "web"}, "matchFields": []}}),
            true,
            true,
        ),
        ("names and an unknown field", json!({"names": ["a"], "also": ["b"]}), true, true),
        ("a name with other characters", json!({"names": ["a", "[b]"]}), true, true),
        ("names that are no list", json!({"names": "a"}), true, true),
        ("names that are not all text", json!({"names": ["a", 3]}), true, true),
    ] {
        let matcher = NamespaceMatcher::widest(Some(&namespaces));
        let matches = ["a", "b"].map(|name| matcher.matches(name, &team()));
        assert_eq!(matches, [a, b], "{row}");
    }
    for (row, arns, matches) in [
        ("nothing", json!(null), true),
        ("a valid pattern", json!([format!("{AT}a*")]), false),
        ("a valid pattern and another", json!([format!("{AT}a*"), "arn:aws:iam::*:role/a"]), true),
        ("no pattern", json!([]), true),
        ("text", json!(format!("{AT}a*")), true),
        ("all roles", json!(["*"]), true),
    ] {
        let matcher = RoleMatcher::widest(Some(&arns));
        assert!(matcher.matches(&role("abc")), "{row}");
        assert_eq!(matcher.matches(&role("b")), matches, "{row}");
    }
}

#[test]
fn matches_roles_by_pattern_in_one_account_only() {
    for (row, pattern, arn, matches) in [
        ("the role", "reports", format!("{AT}reports"), true),
        ("in upper case", "reports", format!("{AT}Reports"), false),
        ("a longer one", "reports", format!("{AT}reports-admin"), false),
        ("a beginning", "reports-*", format!("{AT}reports-x"), true),
        ("through a path, as in IAM", "reports-*", format!("{AT}reports-x/y"), true),
        ("a path before it", "reports-*", format!("{AT}a/reports-x"), false),
        ("an end", "*-reader", format!("{AT}a/b-reader"), true),
        ("more after the end", "*-reader", format!("{AT}b-reader-admin"), false),
        ("any", "*", format!("{AT}admin"), true),
        ("another account", "*", "arn:aws:iam::210987654321:role/x".into(), false),
        ("another partition", "*", "arn:aws-cn:iam::123456789012:role/x".into(), false),
        ("a wildcard in the role is a character", "a/a", format!("{AT}*/a"), false),
    ] {
        let matcher = roles(&format!("{AT}{pattern}"), GrantMode::Allow).unwrap();
        assert_eq!(matcher.matches(&RoleArn::try_from(arn.as_str()).unwrap()), matches, "{row}");
    }
}

#[test]
fn only_a_constraint_may_match_all_roles() {
    let all = roles("*", GrantMode::Constrain).unwrap();
    for arn in [format!("{AT}a/b"), "arn:aws-cn:iam::210987654321:role/x".to_owned()] {
        assert!(all.matches(&RoleArn::try_from(arn.as_str()).unwrap()), "{arn}");
    }
    assert_eq!(roles("*", GrantMode::Allow).unwrap_err(), InvalidGrant::AllRoles);
    let no_roles = RoleMatcher::compile(&[], GrantMode::Constrain).unwrap_err();
    assert_eq!(no_roles, InvalidGrant::NoRoles);
    for mode in [GrantMode::Allow, GrantMode::Constrain] {
        for (row, pattern) in [
            ("a wildcard account", "arn:aws:iam::*:role/x"),
            ("part of an account", "arn:aws:iam::12345678901?:role/x"),
            ("a wildcard partition", "arn:aws*:iam::123456789012:role/x"),
            ("two wildcards", "**"),
            ("any resource", "arn:aws:iam::123456789012:*"),
            ("a user", "arn:aws:iam::123456789012:user/*"),
            ("a newline", "arn:aws:iam::123456789012:role/a\nb"),
            ("a .. segment", "arn:aws:iam::123456789012:role/a/../*"),
        ] {
            let invalid = roles(pattern, mode).unwrap_err();
            assert_eq!(invalid, InvalidGrant::RoleArn(pattern.to_owned()), "{row}");
        }
    }
}

proptest! {
    #[test]
    fn a_pattern_never_matches_another_account(pattern in "(arn:aws:iam::(123456789012|[0-9*?]{1,12}):(role/)?)?[a-z*?/:.-]{0,12}", name in "([a-z:.-]{1,4}/)?[a-z.-]{1,8}") {
        if let Ok(matcher) = roles(&pattern, GrantMode::Allow) {
            let (account, _) = pattern["arn:aws:iam::".len()..].split_once(':').unwrap();
            prop_assert!(account.bytes().all(|b| b.is_ascii_digit()), "{pattern}");
            let foreign = format!("arn:aws:iam::999999999999:role/{name}");
            prop_assume!(account != "999999999999");
            let foreign = RoleArn::try_from(foreign.as_str());
            prop_assert!(!foreign.is_ok_and(|foreign| matcher.matches(&foreign)), "{pattern} matches {name}");
        }
    }

    #[test]
    fn every_matching_role_has_a_prefix_of_the_grant(pattern in "[ab*?/]{0,6}", name in "[ab]{1,3}(/[ab]{1,3}){0,2}") {
        if let Ok(matcher) = roles(&format!("{AT}{pattern}"), GrantMode::Allow) {
            let role = role(&name);
            if matcher.matches(&role) {
                prop_assert!(matcher.prefixes().all(|b| role.as_str().starts_with(&b)));
            }
        }
    }
}
