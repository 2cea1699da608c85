//! The formats of the report, its rules and its exit codes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempcred::commands::Rule;

use super::{check, resource, yaml};
use crate::world::plain;

/// An object with an error, one with a warning, and one without a finding.
fn input() -> String {
    let mut wrong = plain();
    wrong["region"] = json!("Frankfurt");
    let mut long = plain();
    long["assumeRole"]["duration"] = json!("12h");
    long["identity"] = json!({"accessKeySecretRef": {"name": "keys"}});
    yaml(&[
        resource("data", "good", plain()),
        resource("data", "long", long),
        resource("data", "wrong", wrong),
    ])
}

#[test]
fn the_report_for_people_has_a_line_for_each_finding_and_no_colours_in_a_pipe() {
    let checked = check(&["-"], &input());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    insta::assert_snapshot!(checked.out);
    let good = check(&["-"], &yaml(&[resource("data", "good", plain())]));
    assert_eq!(
        (good.code, good.out.as_str()),
        (Some(0), "1 object checked: 0 errors, 0 warnings, 0 notes.\n")
    );
    // A folder of files, without standard input.
    let examples = check(&["examples"], "");
    assert_eq!(examples.code, Some(0), "{examples:?}");
}

#[test]
fn the_report_is_valid_sarif() {
    let checked = check(&["-o", "sarif", "-"], &input());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let sarif: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "tempcred check");
    let results = run["results"].as_array().unwrap();
    let levels: Vec<_> = results.iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["warning", "error"], "{checked:?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "{result}");
        let object = &result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"];
        assert!(object.as_str().unwrap().starts_with("TemporaryCredential data/"), "{result}");
    }
    let file = std::env::temp_dir().join(format!("tempcred sarif {}.yaml", std::process::id()));
    std::fs::write(&file, input()).unwrap();
    let checked = check(&["-o", "sarif", file.to_str().unwrap()], "");
    std::fs::remove_file(&file).unwrap();
    let value: Value = serde_json::from_str(&checked.out).unwrap();
    let place = &value["runs"][0]["results"][1]["locations"][0]["physicalLocation"];
    assert!(place["artifactLocation"]["uri"].as_str().unwrap().contains("tempcred%20sarif%20"));
    assert!(place["region"]["startLine"].as_u64().unwrap() > 20, "{place}");
}

#[test]
fn the_report_is_valid_junit_with_a_test_case_for_each_object() {
    let checked = check(&["-o", "junit", "-"], &input());
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let report = quick_junit::Report::deserialize_from_str(&checked.out).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (3, 1, 0), "{checked:?}");
    let strict = check(&["-o", "junit", "--warnings-as-errors", "-"], &input());
    let report = quick_junit::Report::deserialize_from_str(&strict.out).unwrap();
    assert_eq!((report.tests, report.failures), (3, 2), "{strict:?}");
    let broken = check(&["-o", "junit", "-"], &format!("{}---\n[", input()));
    assert_eq!(broken.code, Some(2), "{broken:?}");
    let report = quick_junit::Report::deserialize_from_str(&broken.out).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (4, 1, 1), "{broken:?}");
}

#[test]
fn warnings_are_errors_only_on_request() {
    let mut long = plain();
    long["assumeRole"]["duration"] = json!("12h");
    let input = yaml(&[resource("data", "long", long)]);
    assert_eq!(check(&["-"], &input).code, Some(0));
    assert_eq!(check(&["--warnings-as-errors", "-"], &input).code, Some(1));
}

#[test]
fn every_rule_is_documented_and_help_names_the_exit_codes() {
    let page = include_str!("../../../docs/check.md");
    let missing: Vec<_> = Rule::ALL
        .iter()
        .map(|rule| format!("| `{}` | {} | {} |", rule.id(), rule.level().as_str(), rule.about()))
        .filter(|row| !page.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/check.md lacks:\n{}", missing.join("\n"));
    let help = check(&["--help"], "").out;
    assert!(help.contains("Exit codes: 0 if there is no error, 1 if there is one, 2 if"), "{help}");
}

/// Objects, and the rules that find something in them.
fn advised() -> Vec<(&'static str, Vec<Value>, &'static [&'static str])> {
    let role = "arn:aws:iam::123456789012:role/r";
    let own = |name: &str, more: Value| {
        let mut spec = plain();
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        resource("data", name, spec)
    };
    let request = |name: &str, key: &str, value: Value| {
        let mut spec = plain();
        spec["assumeRole"][key] = value;
        resource("data", name, spec)
    };
    let keys = |secret: &str| json!({"identity": {"accessKeySecretRef": {"name": secret, "sessionTokenKey": "AWS_SESSION_TOKEN"}}});
    let chain = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| own(&format!("c{n}"), keys(&format!("c{}", n + 1))))
            .chain([own(&format!("c{count}"), json!({}))])
            .collect()
    };
    let deployment = |container: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "data"},
            "spec": {"template": {"spec": {"containers": [container]}}}})
    };
    let from = json!({"name": "a", "envFrom": [{"secretRef": {"name": "a"}}]});
    let restart = json!({"restart": [{"kind": "Deployment", "name": "web"}]});
    let mut with_status = own("a", json!({}));
    with_status["status"] = json!({"accessKeyId": "AKIA"});
    let mut with_uid = own("a", json!({}));
    with_uid["metadata"]["uid"] = json!("u");
    let secret = |annotations: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "data", "annotations": annotations}});
    let adopting = own("a", json!({"secret": {"adopt": true}}));
    let wide =
        json!({"namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"]});
    vec![
        (
            "a long session of a role",
            vec![request("a", "duration", json!("2h"))],
            &["role-maximum", "chained-session"],
        ),
        (
            "a role with a `..` segment",
            vec![request("a", "roleArn", json!("arn:aws:iam::123456789012:role/../r"))],
            &["invalid-spec"],
        ),
        (
            "a policy that is no JSON",
            vec![request("a", "policy", json!("{\"Statement\": [}"))],
            &["policy-invalid"],
        ),
        (
            "a short margin",
            vec![own("a", json!({"renewal": {"before": "30s"}}))],
            &["short-margin"],
        ),
        (
            "a frequent renewal",
            vec![own("a", json!({"renewal": {"before": "58m"}}))],
            &["frequent-renewal"],
        ),
        ("a good margin", vec![own("a", json!({"renewal": {"before": "20m"}}))], &[]),
        (
            "one Secret for two",
            vec![own("a", json!({})), own("b", json!({"secret": {"name": "a"}}))],
            &["secret-conflict"],
        ),
        (
            "an object twice",
            vec![own("a", json!({})), own("a", json!({}))],
            &["duplicate-resource"],
        ),
        ("a foreign Secret", vec![own("a", json!({})), secret(json!({}))], &["secret-conflict"]),
        (
            "an adopted Secret",
            vec![adopting.clone(), secret(json!({"tempcred.dev/adopt-by": "a"}))],
            &[],
        ),
        (
            "a Secret that is not for it",
            vec![adopting, secret(json!({"tempcred.dev/adopt-by": "b"}))],
            &["secret-conflict"],
        ),
        ("a loop", vec![own("a", keys("b")), own("b", keys("a"))], &["reference-loop"]),
        ("a chain of eight", chain(8), &[]),
        ("a chain of nine", chain(9), &["reference-too-deep"]),
        (
            "a key without its token",
            vec![
                own("a", json!({})),
                own("b", json!({"identity": {"accessKeySecretRef": {"name": "a"}}})),
            ],
            &["session-token-missing"],
        ),
        ("no workload", vec![own("a", restart.clone())], &["restart-target-missing"]),
        (
            "envFrom",
            vec![own("a", json!({})), deployment(from.clone())],
            &["env-not-refreshed", "env-from-files"],
        ),
        (
            "envFrom with a restart",
            vec![
                {
                    let mut one = own("a", restart.clone());
                    one["spec"]["secret"] = json!({"formats": ["env"]});
                    one
                },
                deployment(from),
            ],
            &[],
        ),
        (
            "a variable",
            vec![
                own("a", json!({})),
                deployment(
                    json!({"name": "a", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}),
                ),
            ],
            &["env-not-refreshed"],
        ),
        ("a status", vec![with_status], &["status-set"]),
        ("a UID", vec![with_uid], &["server-field"]),
        (
            "a grant for a path with dots",
            vec![super::grant(
                "g",
                json!({"namespaces": {"names": ["data"]}, "roleArns": ["arn:aws:iam::123456789012:role/../r"]}),
            )],
            &["invalid-grant"],
        ),
        (
            "a grant with the name of a cluster",
            vec![super::grant(
                "g",
                json!({"namespaces": {"names": ["data"]}, "roleArns": [role], "session": {"attribution": true}}),
            )],
            &[],
        ),
        ("a wide grant", vec![super::grant("g", wide)], &["wide-grant"]),
        (
            "a grant in a namespace",
            {
                let mut grant = super::grant(
                    "g",
                    json!({"namespaces": {"names": ["data"]}, "roleArns": [role]}),
                );
                grant["metadata"]["namespace"] = json!("data");
                vec![grant]
            },
            &["namespace-ignored"],
        ),
    ]
}

#[test]
fn what_no_schema_can_express_is_found() {
    for (row, objects, expected) in advised() {
        let checked = check(&["-o", "json", "-"], &yaml(&objects));
        let rules: BTreeSet<_> =
            checked.findings().iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect();
        let expected: BTreeSet<_> = expected.iter().map(|rule| (*rule).to_owned()).collect();
        assert_eq!(rules, expected, "{row}: {checked:?}");
    }
}
