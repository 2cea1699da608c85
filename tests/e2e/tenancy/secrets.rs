//! Attacks on Secrets: foreign ones, types with a meaning, and tempcred's annotations.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::attack::{Attack, Refused, attack};
use super::scene::{OWN, Scene};
use crate::world::{World, condition};

fn writes(secret: Value) -> Value {
    json!({"assumeRole": {"roleArn": OWN}, "secret": secret})
}

/// In the attacker's namespace are Secrets that others created.
pub fn rows() -> Vec<Attack> {
    let conflict = |says| Refused::ByOperator("SecretConflict", says);
    let meaning =
        || Refused::ByApiServer("are reserved, because Kubernetes defines their contents");
    let typed = |name, type_: &str| attack(name, writes(json!({"type": type_})), meaning());
    let reserved = || Refused::ByApiServer("with the prefix tempcred.dev/: remove them");
    let annotated = |name, key: &str| {
        attack(name, writes(json!({"annotations": {key: "2099-01-01T00:00:00Z"}})), reserved())
    };
    let labelled =
        |name, key: &str| attack(name, writes(json!({"labels": {key: "x"}})), reserved());
    vec![
        attack(
            "a Secret made by hand",
            writes(json!({"name": "by-hand"})),
            conflict("it was not written by tempcred"),
        ),
        attack(
            "a Secret of another controller",
            writes(json!({"name": "by-another"})),
            conflict("it is controlled by Namespace default"),
        ),
        attack(
            "a Secret of another credential",
            writes(json!({"name": "retained"})),
            conflict("it was written for TemporaryCredential somebody"),
        ),
        attack(
            "a Secret with a name that fills a page",
            writes(json!({"name": "verbose"})),
            conflict("it was written for TemporaryCredential nnnn"),
        ),
        attack(
            "a Secret that outlives its owner",
            writes(json!({"name": "by-hand", "deletionPolicy": "Retain"})),
            conflict("it was not written by tempcred"),
        ),
        typed("the token of an account", "kubernetes.io/service-account-token"),
        typed("the token of a node", "bootstrap.kubernetes.io/token"),
        typed("the login of a registry", "kubernetes.io/dockerconfigjson"),
        typed("a certificate", "kubernetes.io/tls"),
        annotated("an expiry of its own", "tempcred.dev/expiration"),
        annotated("a hash of its own", "tempcred.dev/request-hash"),
        annotated("a fingerprint of its own", "tempcred.dev/fingerprint"),
        annotated("an unknown annotation", "tempcred.dev/anything"),
        labelled("the UID of another", "tempcred.dev/credential-uid"),
        labelled("a manager of its own", "app.kubernetes.io/managed-by"),
        attack(
            "a profile that holds another",
            writes(json!({"profile": "x]\naws_access_key_id = AKIA\n[y"})),
            Refused::ByApiServer("spec.secret.profile"),
        ),
        attack(
            "a name that is a path",
            writes(json!({"name": "by-hand/../verbose"})),
            Refused::ByApiServer("spec.secret.name"),
        ),
    ]
}

/// Creates Secrets that others own.
pub async fn create_foreign(world: &World) -> Vec<Secret> {
    let uid = world.kubectl(&["get", "namespace", "default", "-o", "jsonpath={.metadata.uid}"]);
    // The owner has to exist, or the garbage collector deletes the Secret.
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": uid, "controller": true});
    let label = json!({"tempcred.dev/credential-uid": "11111111-1111-1111-1111-111111111111"});
    let written_for = |name: &str| json!({"tempcred.dev/credential-name": name});
    let metadata = [
        json!({"name": "by-hand"}),
        json!({"name": "by-another", "ownerReferences": [owner]}),
        json!({"name": "retained", "labels": label, "annotations": written_for("somebody")}),
        json!({"name": "verbose", "labels": label, "annotations": written_for(&"n\n".repeat(100_000).replacen('\n', "n", 9))}),
    ];
    let mut made = Vec::new();
    for metadata in metadata {
        let object = json!({"metadata": metadata, "stringData": {"password": "theirs"}});
        let object = serde_json::from_value(object).unwrap();
        made.push(world.secrets().create(&Default::default(), &object).await.unwrap());
    }
    made
}

/// Asserts that the foreign Secrets are what they were, and that no message repeats a long name.
pub async fn assert_untouched(scene: &Scene, foreign: &[Secret]) {
    for theirs in foreign {
        let name = theirs.metadata.name.as_deref().unwrap();
        assert_eq!(scene.attacker.secrets().get(name).await.unwrap(), *theirs);
    }
    let all = scene.attacker.credentials().list(&Default::default()).await.unwrap();
    for resource in all {
        let failure = resource.status.and_then(|status| status.failure);
        let failure = failure.filter(|failure| failure.reason == "SecretConflict");
        let message = failure.map(|failure| failure.message).unwrap_or_default();
        assert!(message.len() < 600 && !message.contains('\n'), "{}", message.len());
    }
}

/// Asserts that the API server rejects changes that lead to a foreign Secret.
pub async fn assert_immutable(scene: &Scene) {
    scene.attacker.issue("mine", writes(json!({}))).await;
    for (patch, says) in [
        (json!({"name": "by-hand"}), "spec.secret.name cannot be changed"),
        (json!({"type": "example.com/x"}), "spec.secret.type cannot be changed"),
        (
            json!({"type": "kubernetes.io/tls"}),
            "are reserved, because Kubernetes defines their contents",
        ),
        (
            json!({"annotations": {"tempcred.dev/expiration": "x"}}),
            "with the prefix tempcred.dev/: remove them",
        ),
    ] {
        let patch = kube::api::Patch::Merge(json!({"spec": {"secret": patch}}));
        let patched = scene.api().patch("mine", &Default::default(), &patch).await;
        let error = patched.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn keys_without_an_allowed_prefix_are_refused() {
    let mut world = World::new().await;
    world.start_operator(&["--secret-key-prefixes", "example.com/,team"]).await;
    let copied =
        json!({"annotations": {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true"}});
    world.create("copied", writes(copied)).await;
    let refused = |s: &_| condition(s, "Ready") == Some((false, "InvalidSpec"));
    let status = world.wait("copied", "refused", refused).await.status.unwrap();
    let message = status.failure.unwrap().message;
    assert!(
        message.contains("reflection-allowed") && message.contains("example.com/, team"),
        "{message}"
    );
    assert_eq!(world.sts.calls_total(), 0);
    assert!(world.secrets().get_opt("copied").await.unwrap().is_none());
    let allowed = json!({"labels": {"team": "a"}, "annotations": {"example.com/a": "b"}});
    world.issue("allowed", writes(allowed)).await;
}
