//! The resource type: immutable fields, printer columns, `kubectl explain`.

use serde_json::{Value, json};

use crate::world::{SOON, World, plain, wait_until};

#[tokio::test]
async fn the_name_and_the_type_of_the_secret_are_immutable() {
    let world = World::new().await;
    world.create("reports", plain()).await;
    let refused = |patch: Value| {
        let world = &world;
        async move {
            let params = kube::api::PatchParams::default();
            let patched = world
                .credentials()
                .patch("reports", &params, &kube::api::Patch::Merge(patch))
                .await;
            patched.expect_err("was accepted").to_string()
        }
    };
    let error = refused(json!({"spec": {"secret": {"name": "other"}}})).await;
    assert!(
        error.contains("spec.secret.name cannot be changed") && error.contains("create a second"),
        "{error}"
    );
    let error = refused(json!({"spec": {"secret": {"type": "example.com/x"}}})).await;
    assert!(error.contains("spec.secret.type cannot be changed"), "{error}");
    // Spelling out the default changes nothing, so it is no change.
    world
        .patch("reports", json!({"spec": {"secret": {"name": "reports", "type": "Opaque"}}}))
        .await;
}

#[tokio::test]
async fn a_resource_without_an_operator_is_pending() {
    let world = World::new().await;
    world.create("reports", plain()).await;
    let shown = world.kubectl(&["get", "tempcred", "reports"]);
    assert!(shown.contains("Unknown") && shown.contains("Pending"), "{shown}");
}

#[tokio::test]
async fn kubectl_explain_shows_the_documentation() {
    let world = World::new().await;
    // The API server publishes the documentation of a new type a moment after the type.
    for (name, what) in [
        ("kubectl_explain_shows_the_documentation", "temporarycredential.spec.assumeRole"),
        ("kubectl_explain_shows_the_documentation_of_a_grant", "rolegrant.spec.session"),
    ] {
        let explained = wait_until("it can be explained", SOON, || async {
            world.rig.kubectl_output(&["explain", what]).ok()
        })
        .await;
        insta::assert_snapshot!(name, explained);
    }
}
