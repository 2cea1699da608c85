//! The policies that the chart renders.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{of_kind, template, try_template};

/// The namespaces of each binding, by the name of its policy without the release.
fn limits(args: &[&str]) -> Vec<(String, Value)> {
    let objects = template(args);
    let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding").into_iter();
    let limit = |binding: &Value| {
        let name = binding["spec"]["policyName"].as_str().unwrap();
        assert_eq!(binding["metadata"]["name"], name);
        let name = name.strip_prefix("tempcred-").unwrap().strip_suffix(".release").unwrap();
        (name.to_owned(), binding["spec"]["matchResources"].clone())
    };
    bindings.map(limit).collect()
}

const GROUPS: &str = "--set=admissionPolicies.signedByOperator.groups={platform}";

#[test]
fn policies_for_users_apply_in_the_served_namespaces_and_policies_for_the_operator_everywhere() {
    let everywhere = limits(&[GROUPS]);
    let names: Vec<_> = everywhere.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["token-audience", "secret-notes", "own-secrets", "signed-by-operator"]);
    assert!(everywhere.iter().all(|(_, limit)| limit.is_null()), "{everywhere:?}");
    let served = json!({"namespaceSelector": {"matchExpressions": [{
        "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["team-a", "team-b"],
    }]}});
    for (name, limit) in limits(&[GROUPS, "--set=settings.namespaces={team-a,team-b,team-a}"]) {
        let about_others = ["secret-notes", "signed-by-operator"].contains(&name.as_str());
        assert_eq!(limit, if about_others { served.clone() } else { Value::Null }, "{name}");
    }
}

#[test]
fn only_enabled_policies_are_rendered() {
    let names = |args: &[&str]| -> Vec<String> {
        let objects = template(args);
        assert!(
            of_kind(&objects, "ValidatingAdmissionPolicy")
                .iter()
                .all(|policy| { policy["spec"]["failurePolicy"] == "Fail" })
        );
        limits(args).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&[]), ["token-audience", "secret-notes", "own-secrets"]);
    assert_eq!(
        names(&["--set=features.serviceAccountTokens=false"]),
        ["secret-notes", "own-secrets"]
    );
    assert!(names(&["--set=admissionPolicies.enabled=false", GROUPS]).is_empty());
}

#[test]
fn the_actions_can_be_chosen() {
    let actions = |args: &[&str]| -> BTreeSet<String> {
        let objects = template(args);
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        bindings.iter().map(|binding| binding["spec"]["validationActions"].to_string()).collect()
    };
    let all = |actions: &str| BTreeSet::from([actions.to_owned()]);
    assert_eq!(actions(&[]), all(r#"["Deny"]"#));
    let set = "--set=admissionPolicies.actions={Warn,Audit}";
    assert_eq!(actions(&[set, GROUPS]), all(r#"["Warn","Audit"]"#));
}

#[test]
fn releases_with_the_same_name_have_separate_policies() {
    let names = |namespace: &str| -> BTreeSet<String> {
        let objects = template(&["--namespace", namespace]);
        let mut policies = of_kind(&objects, "ValidatingAdmissionPolicy");
        policies.extend(of_kind(&objects, "ValidatingAdmissionPolicyBinding"));
        policies.iter().map(|policy| policy["metadata"]["name"].to_string()).collect()
    };
    assert_eq!(names("team-a").len(), 3);
    assert!(names("team-a").is_disjoint(&names("team-b")));
}

#[test]
fn the_policies_apply_to_the_service_account_of_the_pods() {
    for (set, account) in [
        ("replicas=1", "system:serviceaccount:release:tempcred"),
        ("serviceAccount.name=other", "system:serviceaccount:release:other"),
        ("serviceAccount.create=false", "system:serviceaccount:release:default"),
    ] {
        let objects = template(&["--set", set]);
        for policy in of_kind(&objects, "ValidatingAdmissionPolicy") {
            let condition = policy["spec"]["matchConditions"][0]["expression"].as_str().unwrap();
            assert!(condition.contains(&format!("\"{account}\"")), "{condition}");
        }
    }
}

#[test]
fn a_list_that_would_deny_everything_or_nothing_is_an_error() {
    for (set, place) in [
        ("admissionPolicies.tokenAudiences=[]", "at '/admissionPolicies/tokenAudiences'"),
        ("admissionPolicies.actions=[]", "at '/admissionPolicies/actions'"),
        (r#"admissionPolicies.actions=["Audit","Audit"]"#, "at '/admissionPolicies/actions'"),
        (
            r#"admissionPolicies.signedByOperator.groups=[""]"#,
            "at '/admissionPolicies/signedByOperator/groups/0'",
        ),
        (r#"admissionPolicies.secretWriters=["a\nb"]"#, "at '/admissionPolicies/secretWriters/0'"),
    ] {
        let error = try_template(&["--set-json", set]).expect_err(set);
        assert!(error.contains(place), "{set}: {error}");
    }
}
