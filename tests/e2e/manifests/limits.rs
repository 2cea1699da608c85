//! What `tempcred check` says about the limits of the operator, and what an operator with these settings does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use super::{check, resource, yaml};
use crate::world::{World, failure, is_ready, plain};

/// Settings of the operator that limit all resources.
const LIMITS: [&str; 6] = [
    "--region",
    "eu-central-1",
    "--allowed-regions",
    "us-east-1, eu-west-1,",
    "--secret-key-prefixes",
    "example.com/, team",
];

/// Specs, by the names of their resources.
fn specs() -> BTreeMap<&'static str, Value> {
    let with = |field: &str, value: Value| {
        let mut spec = plain();
        spec[field] = value;
        spec
    };
    let mut chinese = plain();
    chinese["assumeRole"]["roleArn"] = "arn:aws-cn:iam::123456789012:role/reports".into();
    [
        ("own-region", with("region", json!("eu-central-1"))),
        ("allowed-region", with("region", json!("eu-west-1"))),
        ("other-region", with("region", json!("us-east-2"))),
        ("other-partition", chinese),
        ("allowed-label", with("secret", json!({"labels": {"example.com/a": "b", "team": "c"}}))),
        ("other-label", with("secret", json!({"labels": {"replicate": "all"}}))),
        ("other-annotation", with("secret", json!({"annotations": {"example.org/a": "b"}}))),
    ]
    .into()
}

/// The messages about `invalid-spec`, by the names of resources.
fn messages(world: &World, flags: &[&str]) -> BTreeMap<String, String> {
    let manifests: Vec<_> =
        specs().into_iter().map(|(name, spec)| resource(&world.namespace, name, spec)).collect();
    let checked = check(&[&["-o", "json", "-"], flags].concat(), &yaml(&manifests));
    let findings = checked.findings();
    assert_eq!(checked.code, Some(i32::from(!findings.is_empty())), "{checked:?}");
    let found = findings.iter().map(|one| {
        assert_eq!(one["rule"], "invalid-spec", "{one}");
        let name = one["object"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (name, one["message"].as_str().unwrap().to_owned())
    });
    found.collect()
}

#[tokio::test]
async fn the_limits_of_the_operator_are_checked_like_there() {
    let mut world = World::new().await;
    let roles = ["arn:aws:iam::123456789012:role/*", "arn:aws-cn:iam::123456789012:role/*"];
    let grant = json!({"namespaces": {"names": [world.namespace]}, "roleArns": roles});
    world.grant(&world.namespace, grant).await;
    world.start_operator(&LIMITS).await;
    for (name, spec) in specs() {
        world.create(name, spec).await;
    }
    let said = messages(&world, &LIMITS);
    let settled = |status: &CredentialStatus| is_ready(status) || status.failure.is_some();
    for name in specs().keys() {
        let status = world.wait(name, "decided", settled).await.status.unwrap();
        let expected = (!is_ready(&status)).then(|| &failure(&status).message);
        assert_eq!(said.get(*name), expected, "{name}");
    }
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(
        messages(&world, &[]),
        BTreeMap::new(),
        "without these settings, nothing is limited"
    );
}
