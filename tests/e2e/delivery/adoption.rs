//! `secret.adopt`: a Secret is taken over only if the resource and the writer of the Secret agree.

use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{World, assume, failure_reason, is_ready};

fn adopting(name: &str) -> Value {
    let mut spec = assume(name);
    spec["secret"] = json!({"adopt": true});
    spec
}

fn conflict(status: &CredentialStatus) -> bool {
    failure_reason(status) == Some("SecretConflict")
}

#[tokio::test]
async fn a_secret_is_adopted_once_its_writer_agrees() {
    let world = World::start().await;
    let values = json!({"password": "theirs", "AWS_ACCESS_KEY_ID": "AKIASTATIC0000000001"});
    let theirs = world.create_secret("legacy", values).await;
    world.create("legacy", adopting("legacy")).await;
    let status = world.wait("legacy", "refused", conflict).await.status.unwrap();
    let message = status.failure.unwrap().message;
    assert!(message.contains("annotate it with tempcred.dev/adopt-by: legacy"), "{message}");
    assert_eq!(world.secrets().get("legacy").await.unwrap(), theirs);

    // Another name, and then the right one.
    for name in ["other", "legacy"] {
        let annotations = json!({"metadata": {"annotations": {"tempcred.dev/adopt-by": name}}});
        world.edit_secret("legacy", annotations).await;
    }
    world.wait("legacy", "ready by itself", is_ready).await;
    let key = world.complete_key("legacy").await;
    let data = world.data("legacy").await;
    assert_eq!((&*data["password"], &data["AWS_ACCESS_KEY_ID"]), ("theirs", &key));
    assert_eq!(world.sts.calls_total(), 1);
    let adopted = world.secrets().get("legacy").await.unwrap();
    assert_eq!(adopted.metadata.uid, theirs.metadata.uid);
    let owners = adopted.metadata.owner_references.unwrap();
    assert_eq!((owners.len(), &*owners[0].kind), (1, "TemporaryCredential"));

    // From now on it is like any other: deleted by a user, it is restored.
    world.secrets().delete("legacy", &Default::default()).await.unwrap();
    world.wait("legacy", "ready", is_ready).await;
    crate::world::wait_until("the Secret is restored", crate::world::SOON, || async {
        world.secrets().get_opt("legacy").await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn neither_the_resource_nor_the_secret_alone_is_enough() {
    let world = World::start().await;
    let annotated = json!({"annotations": {"tempcred.dev/adopt-by": "unwilling"}});
    for (name, extra) in [
        ("unwilling", json!({"metadata": annotated})),
        ("immutable", json!({"immutable": true})),
        ("typed", json!({"type": "example.com/other"})),
    ] {
        let mut secret = json!({
            "metadata": {"name": name, "annotations": {"tempcred.dev/adopt-by": name}},
            "stringData": {"password": "theirs"},
        });
        secret.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        secret["metadata"]["name"] = name.into();
        let secret = serde_json::from_value(secret).unwrap();
        let theirs = world.secrets().create(&Default::default(), &secret).await.unwrap();
        let spec = if name == "unwilling" { assume(name) } else { adopting(name) };
        world.create(name, spec).await;
        let status = world.wait(name, "refused", conflict).await.status.unwrap();
        let message = status.failure.unwrap().message;
        let says = match name {
            "unwilling" => "set spec.secret.adopt: true",
            "immutable" => "it is immutable",
            _ => "its type is example.com/other instead of Opaque",
        };
        assert!(message.contains(says), "{message}");
        assert_eq!(world.secrets().get(name).await.unwrap(), theirs);
    }
    assert_eq!(world.sts.calls_total(), 0);
}
