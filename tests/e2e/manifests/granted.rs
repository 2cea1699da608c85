//! What `tempcred check --grants` says about a resource, and what a running operator does with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tempcred_core::api::CredentialStatus;

use super::{check, folder, grant, resource, write, yaml};
use crate::grants::{HUB, ROLE};
use crate::world::{World, failure, is_ready};

const OTHER: &str = "arn:aws:iam::123456789012:role/other";
const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Grants for the namespace of a world, by the end of their names.
fn grants(namespace: &str) -> Vec<(&'static str, Value)> {
    let names = json!({"names": [namespace]});
    let by_label = json!({"selector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}});
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let allow = |roles: Value, session: Value| json!({"namespaces": names, "roleArns": roles, "session": session});
    let capped =
        json!({"namespaces": by_label, "roleArns": [role("capped*")], "maxDuration": "30m"});
    let tags = json!({"tags": {"stage": "{{ cluster }}"}, "attribution": true});
    vec![
        ("reports", allow(json!([ROLE]), json!({"externalId": "{{ cluster }}/{{ namespace }}"}))),
        ("hub", allow(json!([HUB]), tags)),
        ("capped", capped),
        ("bounded", allow(json!([role("bounded")]), json!({"policyArns": [POLICY]}))),
        ("one", allow(json!([role("both")]), json!({"tags": {"team": "one"}}))),
        ("two", allow(json!([role("both")]), json!({"tags": {"team": "two"}}))),
        ("named", allow(json!([role("named")]), json!({"sourceIdentity": "{{ name }}"}))),
        ("chosen", allow(json!([role("chosen")]), json!({"tenantMaySet": ["tags/team"]}))),
        // The name of this session is too long for a source identity.
        ("long", allow(json!([role("long")]), json!({"sourceIdentity": "{{ name }}".repeat(8)}))),
    ]
}

/// Resources, with their names.
fn resources() -> Vec<(&'static str, Value)> {
    let role = |name: &str, more: Value| {
        let mut request = json!({"roleArn": format!("arn:aws:iam::123456789012:role/{name}")});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"assumeRole": request})
    };
    vec![
        ("plain", role("reports", json!({}))),
        ("own-id", role("reports", json!({"externalId": "mine"}))),
        ("none", role("other", json!({}))),
        ("chain", role("reports", json!({"via": [{"roleArn": HUB}]}))),
        ("half-chain", role("reports", json!({"via": [{"roleArn": OTHER}]}))),
        ("capped", role("capped", json!({}))),
        ("capped-long", role("capped-2", json!({"duration": "1h"}))),
        ("bounded", role("bounded", json!({}))),
        ("bounded-policy", role("bounded", json!({"policy": "{}"}))),
        ("conflict", role("both", json!({}))),
        ("named", role("named", json!({}))),
        ("chosen", role("chosen", json!({"tags": {"team": "x"}}))),
        ("chosen-other", role("chosen", json!({"tags": {"app": "x"}}))),
        ("long-name-of-a-resource", role("long", json!({}))),
    ]
}

/// What check says about each resource, by name.
fn said(
    world: &World,
    args: &[&str],
    grants: &[Value],
    resources: &[Value],
) -> (Option<i32>, BTreeMap<String, Value>) {
    let folder = folder(world, "granted");
    let grants = write(&folder, "grants.yaml", &yaml(grants));
    let manifests = write(&folder, "manifests.yaml", &yaml(resources));
    let args = [&["-o", "json", "--grants", &grants, &manifests], args].concat();
    let checked = check(&args, "");
    let verdicts = checked.json()["grants"].as_array().unwrap().clone();
    let named = verdicts.into_iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one));
    (checked.code, named.collect())
}

/// The parameters of a call for a role and a session, as STS received them, in the form of check.
fn received(world: &World, role: &str, session: &str) -> Map<String, Value> {
    let requests = world.sts.requests();
    let form = requests.iter().map(|request| &request.form);
    let is_call = |form: &&BTreeMap<String, String>| {
        form.get("RoleArn").is_some_and(|arn| arn == role)
            && form.get("RoleSessionName").is_some_and(|name| name == session)
    };
    let form = form.rev().find(is_call).unwrap_or_else(|| panic!("no call for {role}"));
    let text = |key: &str| form.get(key).map(|value| json!(value)).unwrap_or_default();
    let list = |prefix: &str, suffix: &str| -> Vec<String> {
        (1..).map_while(|n| form.get(&format!("{prefix}.member.{n}{suffix}")).cloned()).collect()
    };
    let tags: Map<_, _> = list("Tags", ".Key")
        .into_iter()
        .zip(list("Tags", ".Value").into_iter().map(Value::from))
        .collect();
    let mut transitive = list("TransitiveTagKeys", "");
    transitive.sort();
    let policies = list("PolicyArns", ".arn");
    let all = [
        ("roleArn", json!(role)),
        ("sessionName", text("RoleSessionName")),
        ("externalId", text("ExternalId")),
        ("sourceIdentity", text("SourceIdentity")),
        ("tags", tags.into()),
        ("transitiveTagKeys", json!(transitive)),
        ("policyArns", json!(policies)),
        ("seconds", text("DurationSeconds")),
    ];
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn seconds(duration: &Value) -> Value {
    match duration.as_str() {
        Some("1h") => json!("3600"),
        Some("30m") => json!("1800"),
        Some(other) => panic!("{other}"),
        None => Value::Null,
    }
}

#[tokio::test]
async fn the_answer_about_grants_is_what_the_operator_then_does() {
    let mut world = World::new().await;
    let namespace = world.namespace.clone();
    world.withdraw(&namespace).await;
    let grants: Vec<_> = grants(&namespace)
        .into_iter()
        .map(|(name, spec)| (format!("{namespace}-{name}"), spec))
        .collect();
    for (name, spec) in &grants {
        world.grant(name, spec.clone()).await;
    }
    world.start_operator(&["--cluster-name", "prod"]).await;
    for (name, spec) in resources() {
        world.create(name, spec).await;
    }
    let grants: Vec<_> = grants.iter().map(|(name, spec)| grant(name, spec.clone())).collect();
    let manifests: Vec<_> =
        resources().into_iter().map(|(name, spec)| resource(&namespace, name, spec)).collect();
    let (code, said) = said(&world, &["--cluster-name", "prod"], &grants, &manifests);
    assert_eq!((code, said.len()), (Some(1), manifests.len()));

    let settled = |status: &CredentialStatus| is_ready(status) || status.failure.is_some();
    let mut outcomes = BTreeMap::new();
    for (name, _) in resources() {
        let status = world.wait(name, "decided", settled).await.status.unwrap();
        let said = &said[name];
        assert_eq!(said["allowed"], is_ready(&status), "{name}: {said}");
        let outcome = if is_ready(&status) {
            for call in said["calls"].as_array().unwrap() {
                let text = |key: &str| call[key].as_str().unwrap();
                let mut expected = call.as_object().unwrap().clone();
                let duration = expected.remove("duration").unwrap();
                expected.insert("seconds".to_owned(), seconds(&duration));
                let sent = received(&world, text("roleArn"), text("sessionName"));
                assert_eq!(sent, expected, "{name}");
            }
            "Ready".to_owned()
        } else {
            let failure = failure(&status);
            assert_eq!(said["message"], failure.message, "{name}");
            assert_eq!(said["reason"], failure.reason, "{name}");
            failure.reason.clone()
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(outcomes["Ready"], 6, "{outcomes:?}");
    assert!(outcomes["NotGranted"] >= 6 && outcomes["GrantConflict"] == 1, "{outcomes:?}");
}

#[tokio::test]
async fn a_grant_that_the_operator_cannot_use_is_reported_like_there() {
    let mut world = World::new().await;
    let spec = json!({
        "namespaces": {"names": [world.namespace]}, "roleArns": [ROLE], "session": {"attribution": true},
    });
    world.grant(&world.namespace, spec.clone()).await;
    world.start_operator(&[]).await;
    world.create("reports", json!({"assumeRole": {"roleArn": ROLE}})).await;
    let failed = |status: &CredentialStatus| status.failure.is_some();
    let status = world.wait("reports", "denied", failed).await.status.unwrap();
    let grants = [grant(&world.namespace, spec)];
    let manifests =
        [resource(&world.namespace, "reports", json!({"assumeRole": {"roleArn": ROLE}}))];
    let (code, without) = said(&world, &[], &grants, &manifests);
    assert_eq!(code, Some(1));
    assert_eq!(without["reports"]["reason"], failure(&status).reason);
    assert_eq!(without["reports"]["message"], failure(&status).message);
    let (code, with) = said(&world, &["--cluster-name", "prod"], &grants, &manifests);
    assert_eq!((code, &with["reports"]["allowed"]), (Some(0), &json!(true)));
}

#[test]
fn labels_of_namespaces_come_from_the_input() {
    let selected = json!({
        "namespaces": {"selector": {"matchLabels": {"team": "data"}}}, "roleArns": [ROLE],
    });
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data", "labels": {"team": "data"}},
    });
    let own = resource("data", "reports", json!({"assumeRole": {"roleArn": ROLE}}));
    let folder = std::env::temp_dir().join(format!("tempcred-labels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let grants = write(&folder, "grants.yaml", &yaml(&[grant("g", selected)]));
    let args = ["-o", "json", "--grants", &grants, "-"];
    let known = check(&args, &yaml(&[namespace, own.clone()]));
    assert_eq!((known.code, known.findings().len()), (Some(0), 0), "{known:?}");
    let unknown = check(&args, &yaml(&[own]));
    let rules: Vec<_> = unknown.findings().iter().map(|one| one["rule"].clone()).collect();
    assert!(rules.contains(&json!("namespace-unknown")), "{unknown:?}");
    assert!(rules.contains(&json!("not-granted")), "{unknown:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_the_grants_make_of_a_renewal_and_of_the_cluster_is_advised() {
    let folder = std::env::temp_dir().join(format!("tempcred-advice-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own = json!({"assumeRole": {"roleArn": ROLE}, "renewal": {"before": "30m"}});
    let own = resource("data", "reports", own);
    let spec = |more: Value| {
        let mut spec = json!({"namespaces": {"names": ["data"]}, "roleArns": [ROLE]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let attribution = json!({"session": {"attribution": true}});
    for (row, more, args, expected) in [
        ("no limit", json!({}), &[][..], &[][..]),
        ("a limit", json!({"maxDuration": "30m"}), &[], &["renewal-clamped"]),
        ("no cluster", attribution.clone(), &[], &["cluster-name-unknown", "grant-invalid"]),
        ("a cluster", attribution, &["--cluster-name", "prod"], &[]),
    ] {
        let grants = write(&folder, "grants.yaml", &yaml(&[grant("g", spec(more))]));
        let args = [&["-o", "json", "--grants", &grants, "-"], args].concat();
        let checked = check(&args, &yaml(std::slice::from_ref(&own)));
        let mut rules: Vec<_> =
            checked.findings().iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect();
        rules.sort();
        assert_eq!(rules, expected, "{row}: {checked:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
