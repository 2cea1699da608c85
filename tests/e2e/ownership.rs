//! Whose Secret it is: nobody else's is touched, and ours goes when we go.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{SOON, World, assert_complete, condition, failure_reason, plain, wait_until};

fn secret(name: &str, more: Value) -> Secret {
    let mut object = json!({"metadata": {"name": name}, "stringData": {"password": "theirs"}});
    object["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn somebody_elses_secret_is_refused_and_untouched() {
    let world = World::start().await;
    // The owner has to exist, or the garbage collector takes the Secret away.
    let namespaces: kube::Api<Namespace> = kube::Api::all(world.client.clone());
    let uid = namespaces.get("default").await.unwrap().metadata.uid;
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": uid, "controller": true});
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
        let refused =
            world.wait(name, "refused", |s| failure_reason(s) == Some("SecretConflict")).await;
        let status = refused.status.unwrap();
        assert_eq!(condition(&status, "Ready"), Some((false, "SecretConflict")));
        assert_eq!(condition(&status, "Stalled"), Some((true, "SecretConflict")));
        let message = status.failure.unwrap().message;
        assert!(message.contains(says) && message.contains("Delete that Secret"), "{message}");
        assert_eq!(world.secrets().get(name).await.unwrap(), theirs);
    }
    assert_eq!(world.sts.calls_total(), 0);
}

#[tokio::test]
async fn asking_for_a_renewal_of_a_refused_one_tries_once_and_not_in_a_loop() {
    let world = World::start().await;
    world.secrets().create(&Default::default(), &secret("reports", json!({}))).await.unwrap();
    world.create("reports", plain()).await;
    world.wait("reports", "refused", |s| failure_reason(s) == Some("SecretConflict")).await;
    let request = json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": "1"}}});
    world.patch("reports", request).await;
    let count = |status: &CredentialStatus| status.failure.as_ref().map(|failure| failure.count);
    world.wait("reports", "refused again", |s| count(s) == Some(2)).await;
    world.issue("another", plain()).await;
    let reports = world.credentials().get("reports").await.unwrap();
    assert_eq!(count(&reports.status.unwrap()), Some(2));
    // Suspended, it says so and rests.
    world.patch("reports", json!({"spec": {"suspend": true}})).await;
    world
        .wait("reports", "suspended", |s| condition(s, "Ready") == Some((false, "Suspended")))
        .await;
    world.issue("one-more", plain()).await;
    assert_eq!(world.writes().statuses, 3 + 2);
    assert_eq!(world.sts.calls_total(), 2, "none for the refused one");
}

#[tokio::test]
async fn once_the_other_secret_is_gone_ours_is_written() {
    let world = World::start().await;
    world.secrets().create(&Default::default(), &secret("reports", json!({}))).await.unwrap();
    world.create("reports", plain()).await;
    world.wait("reports", "refused", |s| failure_reason(s) == Some("SecretConflict")).await;
    world.secrets().delete("reports", &Default::default()).await.unwrap();
    world.wait("reports", "ready by itself", crate::world::is_ready).await;
    assert_complete(&world.secrets().get("reports").await.unwrap());
}

#[tokio::test]
async fn of_two_resources_with_one_secret_name_the_second_is_refused() {
    let world = World::start().await;
    let shared = || {
        let mut spec = plain();
        spec["secret"] = json!({"name": "shared"});
        spec
    };
    world.issue("first", shared()).await;
    let ours = world.secrets().get("shared").await.unwrap();
    world.create("second", shared()).await;
    let refused =
        world.wait("second", "refused", |s| failure_reason(s) == Some("SecretConflict")).await;
    let message = refused.status.unwrap().failure.unwrap().message;
    assert!(message.contains("TemporaryCredential first"), "{message}");
    assert_eq!(world.secrets().get("shared").await.unwrap(), ours);
    assert_eq!(world.sts.calls_total(), 1);
}

#[tokio::test]
async fn resources_that_race_for_one_secret_end_with_one_owner() {
    let world = World::start().await;
    let mut spec = plain();
    spec["secret"] = json!({"name": "shared"});
    let names: Vec<String> = (0..8).map(|n| format!("racer-{n}")).collect();
    futures::future::join_all(names.iter().map(|name| world.create(name, spec.clone()))).await;
    for name in &names {
        world
            .wait(name, "settled", |s| {
                crate::world::is_ready(s) || failure_reason(s) == Some("SecretConflict")
            })
            .await;
    }
    let all = world.credentials().list(&Default::default()).await.unwrap();
    let ready =
        all.iter().filter(|tc| tc.status.as_ref().is_some_and(crate::world::is_ready)).count();
    assert_eq!(ready, 1);
    assert_eq!(world.writes().secrets, world.writes().secrets.max(1));
    assert_complete(&world.secrets().get("shared").await.unwrap());
}

#[tokio::test]
async fn the_secret_goes_with_the_resource() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    world.credentials().delete("reports", &Default::default()).await.unwrap();
    wait_until("the Secret is gone", SOON, || async {
        world.secrets().get_opt("reports").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), 1, "it was not brought back");
}

#[tokio::test]
async fn a_retained_secret_stays() {
    let world = World::start().await;
    let mut spec = plain();
    spec["secret"] = json!({"deletionPolicy": "Retain"});
    world.issue("reports", spec.clone()).await;
    world.credentials().delete("reports", &Default::default()).await.unwrap();
    wait_until("the resource is gone", SOON, || async {
        world.credentials().get_opt("reports").await.unwrap().is_none().then_some(())
    })
    .await;
    let kept = world.secrets().get("reports").await.unwrap();
    assert_eq!(kept.metadata.owner_references, None);
    assert_complete(&kept);
    // A new resource of the same name is another one: the Secret is not its own.
    world.create("reports", spec).await;
    let refused =
        world.wait("reports", "refused", |s| failure_reason(s) == Some("SecretConflict")).await;
    let message = refused.status.unwrap().failure.unwrap().message;
    assert!(message.contains("was written for TemporaryCredential reports"), "{message}");
}

#[tokio::test]
async fn a_resource_that_is_made_anew_takes_over_as_soon_as_its_old_secret_is_gone() {
    let world = World::start().await;
    let old = world.issue("reports", plain()).await;
    world.credentials().delete("reports", &Default::default()).await.unwrap();
    wait_until("the resource is gone", SOON, || async {
        world.credentials().get_opt("reports").await.unwrap().is_none().then_some(())
    })
    .await;
    let new = world.issue("reports", plain()).await;
    let secret = world.secrets().get("reports").await.unwrap();
    assert_complete(&secret);
    let owner = &secret.metadata.owner_references.unwrap()[0].uid;
    assert_eq!(Some(owner), new.metadata.uid.as_ref());
    assert_ne!(Some(owner), old.metadata.uid.as_ref());
    let (created, issued) =
        (new.metadata.creation_timestamp.unwrap().0, new.status.unwrap().issued_at.unwrap().0);
    // The first wait of a conflict is 13 to 15 s: it was not waited for.
    assert!(issued.duration_since(created).as_secs() < 12, "{created} to {issued}");
}
