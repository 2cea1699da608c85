//! Tests of one grant.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn grant(more: Value) -> Result<Grant, InvalidGrant> {
    let mut spec = json!({
        "namespaces": {"names": ["analytics"]},
        "roleArns": ["arn:aws:iam::123456789012:role/reports-*"],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    Grant::compile(&serde_json::from_value(spec).unwrap(), "prod")
}

fn role(name: &str) -> RoleArn {
    RoleArn::try_from(format!("arn:aws:iam::123456789012:role/{name}").as_str()).unwrap()
}

#[test]
fn matches_namespaces_by_names_and_selector() {
    let labels = BTreeMap::from([("team".to_owned(), "data".to_owned())]);
    let selector = json!({"matchLabels": {"team": "data"}});
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
        ("nothing is special but * and ?", json!({"names": ["[a-z]*"]}), "abc", false),
        ("the label", json!({"selector": selector}), "any", true),
        ("every label", json!({"selector": {}}), "any", true),
        ("another label", json!({"selector": {"matchLabels": {"team": "web"}}}), "any", false),
        (
            "an expression",
            json!({"selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["data"]}]}}),
            "any",
            false,
        ),
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
        assert_eq!(matcher.matches(namespace, &labels), matches, "{row}");
    }
}

#[test]
fn covers_the_roles_that_match_its_patterns_in_one_account_only() {
    let at = "arn:aws:iam::123456789012:role/";
    for (row, pattern, arn, covers) in [
        ("the role", "reports", format!("{at}reports"), true),
        ("in upper case", "reports", format!("{at}Reports"), false),
        ("a longer one", "reports", format!("{at}reports-admin"), false),
        ("a beginning", "reports-*", format!("{at}reports-x"), true),
        ("through a path, as in IAM", "reports-*", format!("{at}reports-x/y"), true),
        ("a path before it", "reports-*", format!("{at}a/reports-x"), false),
        ("an end", "*-reader", format!("{at}a/b-reader"), true),
        ("more after the end", "*-reader", format!("{at}b-reader-admin"), false),
        ("any", "*", format!("{at}admin"), true),
        ("another account", "*", "arn:aws:iam::210987654321:role/x".into(), false),
        ("another partition", "*", "arn:aws-cn:iam::123456789012:role/x".into(), false),
        ("a wildcard in the role is a character", "a/a", format!("{at}*/a"), false),
    ] {
        let grant = grant(json!({"roleArns": [format!("{at}{pattern}")]})).unwrap();
        assert_eq!(grant.covers(&RoleArn::try_from(arn.as_str()).unwrap()), covers, "{row}");
    }
}

#[test]
fn an_invalid_grant_does_not_compile() {
    for (row, more) in [
        ("a wildcard account", json!({"roleArns": ["arn:aws:iam::*:role/x"]})),
        ("part of an account", json!({"roleArns": ["arn:aws:iam::12345678901?:role/x"]})),
        ("a wildcard partition", json!({"roleArns": ["arn:aws*:iam::123456789012:role/x"]})),
        ("everything", json!({"roleArns": ["*"]})),
        ("any resource", json!({"roleArns": ["arn:aws:iam::123456789012:*"]})),
        ("a user", json!({"roleArns": ["arn:aws:iam::123456789012:user/*"]})),
        ("a newline", json!({"roleArns": ["arn:aws:iam::123456789012:role/a\nb"]})),
        ("a .. segment", json!({"roleArns": ["arn:aws:iam::123456789012:role/a/../*"]})),
        ("an unknown variable", json!({"session": {"externalId": "{{ uid }}"}})),
    ] {
        assert!(grant(more).is_err(), "{row}");
    }
    for (row, namespaces) in [
        ("no namespaces", json!({})),
        (
            "an unknown operator",
            json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
        ),
    ] {
        let compiled = NamespaceMatcher::compile(&serde_json::from_value(namespaces).unwrap());
        assert!(compiled.is_err(), "{row}");
    }
    let spec = json!({
        "namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/x"],
        "session": {"attribution": true},
    });
    let without_cluster_name = Grant::compile(&serde_json::from_value(spec).unwrap(), "");
    assert_eq!(without_cluster_name.unwrap_err(), InvalidGrant::NoClusterName);
}

fn constrain(
    session: Value,
    overrides: Value,
    name: &str,
) -> Result<SessionConstraints, Vec<String>> {
    let max = session["maxDuration"].clone();
    let grant = grant(json!({"session": session, "maxDuration": max})).unwrap();
    let tags = serde_json::from_value(overrides["tags"].clone()).unwrap_or_default();
    let arns: Vec<String> =
        serde_json::from_value(overrides["policyArns"].clone()).unwrap_or_default();
    let requested = RequestedRole {
        role: &role("reports-x"),
        external_id: overrides["externalId"].as_str(),
        overrides: Some(SessionOverrides {
            duration: Duration::from_secs(overrides["duration"].as_u64().unwrap_or(3600)),
            source_identity: overrides["sourceIdentity"].as_str(),
            tags: &tags,
            has_policy: overrides["policy"].is_string(),
            policy_arns: &arns,
        }),
    };
    let values = Context { cluster: "prod", namespace: "analytics", name };
    grant.constrain(&requested, values)
}

#[test]
fn rejects_a_resource_that_contradicts_its_constraints() {
    let fixed = json!({"externalId": "{{ cluster }}/{{ namespace }}"});
    let tagged = json!({"tags": {"team": "{{ namespace }}"}});
    let attributed = json!({"attribution": true});
    let bound = json!({"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]});
    let sourced = json!({"sourceIdentity": "{{ namespace }}.{{ name }}"});
    let tags = |key: &str, value: &str| json!({"tags": {key: value}});
    let many: BTreeMap<_, _> = (0..48).map(|n| (format!("t{n}"), "x")).collect();
    for (row, session, overrides, accepted) in [
        ("no overrides", json!({}), json!({}), true),
        ("its own external id", json!({}), json!({"externalId": "mine"}), true),
        ("the enforced external id", fixed.clone(), json!({}), true),
        ("the same one", fixed.clone(), json!({"externalId": "prod/analytics"}), true),
        ("another one", fixed.clone(), json!({"externalId": "prod/other"}), false),
        ("in another case", fixed, json!({"externalId": "Prod/analytics"}), false),
        ("another tag", tagged.clone(), tags("app", "x"), true),
        ("the same tag", tagged.clone(), tags("team", "analytics"), true),
        ("another value", tagged.clone(), tags("team", "web"), false),
        ("the key in another case", tagged.clone(), tags("TEAM", "analytics"), false),
        ("a key that is equal only when folded", tagged, tags("TeaM", "web"), false),
        (
            "a long s for an s",
            attributed.clone(),
            tags("kubernete\u{17f}-namespace", "other"),
            false,
        ),
        (
            "an i without a dot",
            attributed.clone(),
            tags("kubernetes-credent\u{131}al-name", "other"),
            false,
        ),
        ("attribution", attributed.clone(), json!({}), true),
        (
            "another namespace in attribution",
            attributed.clone(),
            tags("kubernetes-namespace", "other"),
            false,
        ),
        (
            "its own name in another case",
            attributed.clone(),
            tags("Kubernetes-Namespace", "analytics"),
            false,
        ),
        ("too many tags", attributed, json!({"tags": many}), false),
        ("a boundary", bound.clone(), json!({}), true),
        (
            "a boundary, and the same policy",
            bound.clone(),
            json!({"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}),
            true,
        ),
        ("a boundary, and an inline policy", bound.clone(), json!({"policy": "{}"}), false),
        (
            "a boundary, and another policy",
            bound,
            json!({"policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
            false,
        ),
        ("a source identity", sourced.clone(), json!({}), true),
        ("another source identity", sourced, json!({"sourceIdentity": "admin"}), false),
        ("short enough", json!({"maxDuration": "1h"}), json!({"duration": 3600}), true),
        ("too long", json!({"maxDuration": "1h"}), json!({"duration": 3601}), false),
    ] {
        let got = constrain(session, overrides, "reports");
        assert_eq!(got.is_ok(), accepted, "{row}: {got:?}");
    }
}

#[test]
fn renders_the_constraints_and_checks_them_against_the_limits_of_sts() {
    let session = json!({
        "externalId": "{{ cluster }}/{{ namespace }}/{{ name }}",
        "sourceIdentity": "{{ namespace }}.{{ name }}",
        "tags": {"team": "{{ namespace }}"}, "attribution": true,
        "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    });
    let constraints = constrain(session.clone(), json!({}), "reports").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&constraints).unwrap());
    let long = constrain(session, json!({}), &"x".repeat(60)).unwrap_err();
    assert_eq!(long.len(), 1, "{long:?}");
    assert!(
        long[0].starts_with("the source identity that the grant sets would have 70 characters")
    );
}

#[test]
fn tags_of_the_grant_and_of_the_resource_count_together() {
    let tags = |prefix: &str, count: usize| -> Value {
        (0..count)
            .map(|n| (format!("{prefix}{n}"), json!("x")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    for (own, accepted) in [(10, true), (44, true), (45, false)] {
        let session = json!({"tags": tags("grant", 6)});
        let constrained = constrain(session, json!({"tags": tags("own", own)}), "reports");
        assert_eq!(constrained.is_ok(), accepted, "{own}");
    }
}

#[test]
fn tag_values_may_contain_letters_spaces_and_some_punctuation() {
    for (value, accepted) in [("Équipe 1_.:/=+@-", true), ("a;b", false), ("a\u{7}b", false)] {
        let constrained = constrain(json!({"tags": {"team": value}}), json!({}), "reports");
        assert_eq!(constrained.is_ok(), accepted, "{value:?}: {constrained:?}");
    }
}

#[test]
fn a_hop_gets_no_boundary() {
    let grant = grant(json!({
        "maxDuration": "15m",
        "session": {"externalId": "fixed", "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]},
    }))
    .unwrap();
    let requested =
        RequestedRole { role: &role("reports-hub"), external_id: None, overrides: None };
    let values = Context { cluster: "", namespace: "n", name: "n" };
    let constraints = grant.constrain(&requested, values).unwrap();
    assert_eq!(
        constraints,
        SessionConstraints { external_id: Some("fixed".into()), ..SessionConstraints::default() }
    );
    let other = RequestedRole { external_id: Some("mine"), ..requested };
    assert!(grant.constrain(&other, values).is_err());
}

proptest! {
    #[test]
    fn a_pattern_never_covers_another_account(pattern in "(arn:aws:iam::(123456789012|[0-9*?]{1,12}):(role/)?)?[a-z*?/:.-]{0,12}", name in "([a-z:.-]{1,4}/)?[a-z.-]{1,8}") {
        let spec = json!({"namespaces": {"names": ["*"]}, "roleArns": [pattern]});
        if let Ok(grant) = Grant::compile(&serde_json::from_value(spec).unwrap(), "") {
            let (account, _) = pattern["arn:aws:iam::".len()..].split_once(':').unwrap();
            prop_assert!(account.bytes().all(|b| b.is_ascii_digit()), "{pattern}");
            let foreign = format!("arn:aws:iam::999999999999:role/{name}");
            prop_assume!(account != "999999999999");
            let foreign = RoleArn::try_from(foreign.as_str());
            prop_assert!(!foreign.is_ok_and(|foreign| grant.covers(&foreign)), "{pattern} matches {name}");
        }
    }

    #[test]
    fn every_matching_role_has_a_prefix_of_the_grant(pattern in "[ab*?/]{0,6}", name in "[ab]{1,3}(/[ab]{1,3}){0,2}") {
        let arn = format!("arn:aws:iam::123456789012:role/{pattern}");
        if let Ok(grant) = grant(json!({"roleArns": [arn]})) {
            let role = role(&name);
            if grant.covers(&role) {
                prop_assert!(grant.prefixes().all(|b| role.as_str().starts_with(&b)));
            }
        }
    }
}
