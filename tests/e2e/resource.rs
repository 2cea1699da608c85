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
async fn the_printer_columns_fit_into_100_characters() {
    let world = World::start().await;
    let mut spec = plain();
    spec["secret"]["name"] = json!("reports-aws");
    world.issue("reports", spec).await;
    let columns = |args: &[&str]| {
        let shown = world.kubectl(&[&["get", "tempcred", "reports"], args].concat());
        let lines: Vec<_> = shown.lines().map(|line| line.trim_end().to_owned()).collect();
        let header: Vec<_> = lines[0].split_whitespace().map(str::to_owned).collect();
        (header.join(" "), lines)
    };
    let (header, lines) = columns(&[]);
    assert_eq!(header, "NAME READY REASON SECRET EXPIRES RENEWS AGE");
    assert!(lines.iter().all(|line| line.len() <= 100), "{lines:#?}");
    let (header, lines) = columns(&["--output=wide"]);
    assert_eq!(header, "NAME READY REASON SECRET EXPIRES RENEWS AGE PRINCIPAL");
    assert!(lines[1].contains(":assumed-role/reports/tempcred-"), "{lines:#?}");
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
