//! Ownership of Secrets: the operator never changes a foreign one, and its own go with the resource.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{
    SOON, World, assert_complete, condition, failure_reason, is_ready, plain, wait_until,
};

fn secret(name: &str, more: Value) -> Secret {
    let mut object = json!({"metadata": {"name": name}, "stringData": {"password": "theirs"}});
    object["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn conflict(status: &CredentialStatus) -> bool {
    failure_reason(status) == Some("SecretConflict")
}

#[tokio::test]
async fn a_foreign_secret_stays_untouched_until_it_is_deleted() {
    let world = World::start().await;
    // The owner has to exist, or the garbage collector deletes the Secret.
    let namespaces: kube::Api<Namespace> = kube::Api::all(world.client.clone());
    let uid = namespaces.get("default").await.unwrap().metadata.uid;
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": uid, "controller": true});
    let mut foreign = vec![];
    for (name, more, says) in [
        ("by-hand", json!({}), "it was not written by tempcred"),
        (
            "by-another",
            json!({"ownerReferences": [owner]}),
            "it is controlled by Namespace default",
        ),
    ] {
        let theirs =
            world.secrets().create(&Default::default(), &secret(name, more)).await.unwrap();
        world.create(name, plain()).await;
        let status = world.wait(name, "refused", conflict).await.status.unwrap();
        assert_eq!(condition(&status, "Ready"), Some((false, "SecretConflict")));
        assert_eq!(condition(&status, "Stalled"), Some((true, "SecretConflict")));
        let message = status.failure.unwrap().message;
        assert!(message.contains(says) && message.contains("Delete that Secret"), "{message}");
        foreign.push(theirs);
    }

    // A renewal request is tried once, and not in a loop.
    world.request_renewal("by-hand", "1").await;
    let count = |status: &CredentialStatus| status.failure.as_ref().map(|failure| failure.count);
    world.wait("by-hand", "refused again", |s| count(s) == Some(2)).await;
    world.issue("another", plain()).await;
    let by_hand = world.credentials().get("by-hand").await.unwrap();
    assert_eq!(count(&by_hand.status.unwrap()), Some(2));
    // Suspended, it says so and stops trying.
    let suspended = |s: &CredentialStatus| condition(s, "Ready") == Some((false, "Suspended"));
    world.patch("by-another", json!({"spec": {"suspend": true}})).await;
    world.wait("by-another", "suspended", suspended).await;
    world.issue("one-more", plain()).await;
    assert_eq!(world.writes().statuses, 4 + 2);
    assert_eq!(world.sts.calls_total(), 2, "none for a foreign Secret");
    for theirs in foreign {
        let name = theirs.metadata.name.as_deref().unwrap();
        assert_eq!(world.secrets().get(name).await.unwrap(), theirs);
    }

    world.secrets().delete("by-hand", &Default::default()).await.unwrap();
    world.wait("by-hand", "ready by itself", is_ready).await;
    world.complete_key("by-hand").await;
}

#[tokio::test]
async fn resources_that_race_for_one_secret_end_with_one_owner() {
    let world = World::start().await;
    let mut spec = plain();
    spec["secret"] = json!({"name": "shared"});
    let names: Vec<String> = (0..8).map(|n| format!("racer-{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, spec.clone()))).await;
    for name in &names {
        world.wait(name, "decided", |s| is_ready(s) || conflict(s)).await;
    }
    let all = world.credentials().list(&Default::default()).await.unwrap();
    let ready: Vec<_> = all.iter().filter(|tc| tc.status.as_ref().is_some_and(is_ready)).collect();
    assert_eq!(ready.len(), 1);
    assert_eq!(world.writes().secrets, world.writes().secrets.max(1));
    let shared = world.secrets().get("shared").await.unwrap();
    assert_complete(&shared);

    // One that comes later is refused without a call, by the name of the owner.
    let calls = world.sts.calls_total();
    world.create("later", spec).await;
    let refused = world.wait("later", "refused", conflict).await.status.unwrap();
    let message = refused.failure.unwrap().message;
    let owner = format!("TemporaryCredential {}", ready[0].metadata.name.as_deref().unwrap());
    assert!(message.contains(&owner), "{message}");
    assert_eq!(world.secrets().get("shared").await.unwrap(), shared);
    assert_eq!(world.sts.calls_total(), calls);
}

/// Deletes a resource and waits until it is gone.
async fn delete(world: &World, name: &str) {
    world.credentials().delete(name, &Default::default()).await.unwrap();
    wait_until("the resource is gone", SOON, || async {
        world.credentials().get_opt(name).await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deleted_resource_takes_its_secret_with_it_unless_it_is_retained() {
    let world = World::start().await;
    let mut retain = plain();
    retain["secret"] = json!({"deletionPolicy": "Retain"});
    let old = world.issue("recreated", plain()).await;
    world.issue("deleted", plain()).await;
    world.issue("retained", retain.clone()).await;

    delete(&world, "recreated").await;
    let new = world.issue("recreated", plain()).await;
    let secret = world.secrets().get("recreated").await.unwrap();
    assert_complete(&secret);
    let owner = &secret.metadata.owner_references.unwrap()[0].uid;
    assert_eq!(Some(owner), new.metadata.uid.as_ref());
    assert_ne!(Some(owner), old.metadata.uid.as_ref());
    let (created, issued) =
        (new.metadata.creation_timestamp.unwrap().0, new.status.unwrap().issued_at.unwrap().0);
    // The first backoff of a conflict is 13 to 15 s: it was skipped once the old Secret was gone.
    assert!(issued.duration_since(created).as_secs() < 12, "{created} to {issued}");

    delete(&world, "retained").await;
    let kept = world.secrets().get("retained").await.unwrap();
    assert_eq!(kept.metadata.owner_references, None);
    assert_complete(&kept);
    // A new resource with the same name is another one: the Secret is not its own.
    world.create("retained", retain).await;
    let refused = world.wait("retained", "refused", conflict).await.status.unwrap();
    let message = refused.failure.unwrap().message;
    assert!(message.contains("was written for TemporaryCredential retained"), "{message}");

    delete(&world, "deleted").await;
    world.wait_for_removal("deleted").await;
    assert_eq!(world.sts.calls_total(), 4, "a deleted Secret was restored");
}
