//! The operator at work under the policies: none of its requests is denied.

use serde_json::json;

use super::Guard;
use crate::chart::rights::audit;
use crate::examples::every_example_becomes_ready;
use crate::world::{SOON, plain, wait_until};

#[tokio::test]
async fn the_operator_works_under_the_policies() {
    let mut guard = Guard::new(&[]).await;
    let log = audit(&guard.world);
    let kubeconfig = guard.kubeconfig();
    let world = &mut guard.world;
    world.start_operator_with(kubeconfig.clone(), &[]).await;
    // Every kind of request, input and Secret.
    every_example_becomes_ready(world).await;

    // It renews, ...
    world.issue("renewed", plain()).await;
    let first = world.complete_key("renewed").await;
    world.request_renewal("renewed", "1").await;
    world.wait("renewed", "renewed", |s| s.last_renew_request.as_deref() == Some("1")).await;
    assert_ne!(world.complete_key("renewed").await, first);

    // ... repairs, ...
    world.kubectl(&["delete", "secret", "renewed"]);
    wait_until("the Secret is back", SOON, || async {
        world.secrets().get_opt("renewed").await.unwrap()
    })
    .await;
    world.kubectl(&["patch", "secret", "renewed", r#"--patch={"stringData":{"credentials":"x"}}"#]);
    wait_until("the repair", SOON, || async {
        (world.data("renewed").await["credentials"] != "x").then_some(())
    })
    .await;

    // ... removes and adds the owner reference, ...
    let retained = |policy: &str| json!({"spec": {"secret": {"deletionPolicy": policy}}});
    let owned = async || {
        let secret = world.secrets().get("renewed").await.unwrap();
        secret.metadata.owner_references.is_some()
    };
    world.patch("renewed", retained("Retain")).await;
    wait_until("it has no owner", SOON, || async { (!owned().await).then_some(()) }).await;
    world.patch("renewed", retained("Delete")).await;
    wait_until("it has an owner", SOON, || async { owned().await.then_some(()) }).await;

    // ... and continues after a restart. Kubernetes deletes objects without their owner.
    assert!(world.stop_operator().success());
    world.start_operator_with(kubeconfig, &[]).await;
    world.issue("later", plain()).await;
    for (name, how) in [("renewed", "background"), ("later", "foreground")] {
        let cascade = format!("--cascade={how}");
        world.kubectl(&["delete", "tempcred", name, &cascade, "--timeout=30s"]);
        wait_until("the Secret is gone", SOON, || async {
            world.secrets().get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }
    world.issue("orphan", plain()).await;
    assert!(world.stop_operator().success());
    world.kubectl(&["delete", "tempcred", "orphan", "--cascade=orphan", "--timeout=30s"]);
    world.complete_key("orphan").await;

    let requests = log.requests(guard.operator.name(), None).unwrap();
    assert!(requests.iter().any(|request| request.subresource == "token"));
    let refused: Vec<_> = requests.iter().filter(|r| [401, 403, 422].contains(&r.code)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    // The namespace can be deleted with everything in it.
    let namespace = guard.world.namespace.clone();
    guard.world.kubectl(&["delete", "namespace", &namespace, "--timeout=60s"]);
}
