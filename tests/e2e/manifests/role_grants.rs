//! Manifests of grants: a base with one change each.

use serde_json::{Value, json};

use super::grant;

fn base() -> Value {
    json!({"namespaces": {"names": ["nobody"]}, "roleArns": ["arn:aws:iam::123456789012:role/x"]})
}

fn with(key: &str, value: Value) -> Value {
    let mut spec = base();
    spec[key] = value;
    spec
}

fn session(key: &str, value: Value) -> Value {
    with("session", json!({key: value}))
}

fn selector(value: Value) -> Value {
    with("namespaces", json!({"selector": value}))
}

fn expression(key: &str, operator: &str, values: Value) -> Value {
    let expression = json!({"key": key, "operator": operator, "values": values});
    selector(json!({"matchExpressions": [expression]}))
}

/// Specs, each with one change.
pub fn specs() -> Vec<(&'static str, Value)> {
    vec![
        ("a plain grant", base()),
        ("a constraint for all roles", {
            let mut spec = with("mode", json!("Constrain"));
            spec["roleArns"] = json!(["*"]);
            spec
        }),
        ("another mode", with("mode", json!("Deny"))),
        ("a null mode", with("mode", json!(null))),
        ("a grant without roles", with("roleArns", json!(null))),
        ("a role twice", with("roleArns", json!(vec!["arn:aws:iam::123456789012:role/x"; 2]))),
        ("a path of roles", with("roleArns", json!(["arn:aws:iam::123456789012:role/team/*"]))),
        ("a path with dots", with("roleArns", json!(["arn:aws:iam::123456789012:role/../x"]))),
        ("a maximum", with("maxDuration", json!("30m"))),
        ("a short maximum", with("maxDuration", json!("5m"))),
        ("a maximum as number", with("maxDuration", json!(1800))),
        ("all namespaces", with("namespaces", json!({"names": ["*"]}))),
        ("no namespaces", with("namespaces", json!(null))),
        ("a namespace twice", with("namespaces", json!({"names": ["a", "a"]}))),
        ("a namespace in upper case", with("namespaces", json!({"names": ["A"]}))),
        ("labels of namespaces", selector(json!({"matchLabels": {"team": "data"}}))),
        ("null labels of namespaces", selector(json!({"matchLabels": {"team": null}}))),
        (
            "a namespace by names and labels",
            with(
                "namespaces",
                json!({
                    "names": ["a*"], "selector": {"matchLabels": {"team": "data"}},
                }),
            ),
        ),
        ("an expression", expression("team", "In", json!(["a", "b"]))),
        ("an expression without values", expression("team", "Exists", json!([]))),
        ("an expression with a bad operator", expression("team", "Is", json!(["a"]))),
        ("an unknown field of the selector", selector(json!({"matchFields": []}))),
        ("a template", session("externalId", json!("{{ cluster }}/{{namespace}}/{{ name }}"))),
        ("an unknown variable", session("externalId", json!("{{ secretAccessKey }}"))),
        ("a template with one brace", session("externalId", json!("{namespace}"))),
        ("tags of the session", session("tags", json!({"team": "{{ namespace }}"}))),
        ("a reserved tag of the session", session("tags", json!({"tempcred.dev/x": "y"}))),
        ("tags that differ in case", session("tags", json!({"a": "x", "A": "y"}))),
        ("attribution", session("attribution", json!(true))),
        ("attribution as text", session("attribution", json!("true"))),
        ("not transitive", session("transitive", json!(false))),
        ("a source identity", session("sourceIdentity", json!("{{ namespace }}"))),
        ("a source identity with a slash", session("sourceIdentity", json!("a/b"))),
        ("a boundary", session("policyArns", json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]))),
        ("choices", session("tenantMaySet", json!(["externalId", "tags/team"]))),
        ("no choices", session("tenantMaySet", json!([]))),
        ("a choice twice", session("tenantMaySet", json!(["tags", "tags"]))),
        ("an unknown choice", session("tenantMaySet", json!(["policy"]))),
        ("an unknown field of a grant", with("maxSessions", json!(3))),
        ("an unknown field of the session", session("mfa", json!(true))),
    ]
}

/// Whole objects, each with one change.
pub fn objects(name: &str) -> Vec<(&'static str, Value)> {
    let named = |name: &str| grant(name, base());
    let mut without_spec = named(name);
    without_spec.as_object_mut().unwrap().remove("spec");
    let mut with_namespace = named(name);
    with_namespace["metadata"]["namespace"] = json!("other");
    vec![
        ("a grant without a spec", without_spec),
        ("a grant with a namespace", with_namespace),
        ("a grant with a bad name", named("A")),
        ("a grant with a colon in its name", named("team:a")),
    ]
}
