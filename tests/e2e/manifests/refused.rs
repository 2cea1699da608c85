//! What `tempcred check` says the operator would not serve, and what a running operator does with it.

use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use super::{check, resource, yaml};
use crate::world::{World, assume, failure};

#[tokio::test]
async fn what_the_operator_does_not_serve_is_reported_before_it_is_applied() {
    let world = World::start().await;
    let keys = |secret: &str| {
        let mut spec = assume("reports");
        let keys = json!({"name": secret, "sessionTokenKey": "AWS_SESSION_TOKEN"});
        spec["identity"] = json!({"accessKeySecretRef": keys});
        spec
    };
    let secret = |fields: Value| {
        let mut spec = assume("reports");
        spec["secret"] = fields;
        spec
    };
    world.issue("first", secret(json!({"name": "shared"}))).await;
    let rows = [
        ("dots", assume("../reports"), "invalid-spec", "InvalidSpec"),
        (
            "template",
            secret(json!({"template": {"a": "{{ secretKey }}"}})),
            "invalid-spec",
            "InvalidSpec",
        ),
        ("loop-a", keys("loop-b"), "reference-loop", "ReferenceLoop"),
        ("loop-b", keys("loop-a"), "reference-loop", "ReferenceLoop"),
        ("second", secret(json!({"name": "shared"})), "secret-conflict", "SecretConflict"),
    ];
    let first = resource(&world.namespace, "first", secret(json!({"name": "shared"})));
    let rest = rows.iter().map(|(name, spec, ..)| resource(&world.namespace, name, spec.clone()));
    let manifests: Vec<_> = [first].into_iter().chain(rest).collect();
    let checked = check(&["-o", "json", "-"], &yaml(&manifests));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let found = checked.findings();
    let errors: Vec<_> = found.iter().filter(|one| one["level"] == "error").collect();
    assert_eq!(errors.len(), rows.len(), "{checked:?}");
    for (name, spec, ..) in &rows {
        world.create(name, spec.clone()).await;
    }
    for (name, _, rule, reason) in rows {
        let failed = |status: &CredentialStatus| {
            status.failure.as_ref().is_some_and(|failure| failure.reason == reason)
        };
        let status = world.wait(name, reason, failed).await.status.unwrap();
        let title = format!("TemporaryCredential {}/{name}", world.namespace);
        let said = errors.iter().find(|one| one["object"] == title.as_str()).unwrap();
        assert_eq!(said["rule"], rule, "{name}");
        // Check knows the resource that writes the Secret, and the operator only the Secret.
        let message = said["message"].as_str().unwrap();
        let same = failure(&status).message.contains(message);
        assert!(same || reason == "SecretConflict", "{name}: {message} {:?}", failure(&status));
    }
}
