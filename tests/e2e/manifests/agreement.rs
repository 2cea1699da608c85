//! The API server and `tempcred check` get the same manifests, and accept and reject the same ones.

use std::collections::BTreeMap;

use axum::http::Request;
use futures::StreamExt;
use kube::Client;
use serde_json::{Value, json};

use super::{check, folder, grant, resource, resources, role_grants, write};
use crate::world::{World, loading};
use crate::{tenancy, validation};

/// Requests at the same time.
const AT_ONCE: usize = 16;

/// Every manifest with its name.
fn corpus(namespace: &str) -> Vec<(String, Value)> {
    let refused = validation::refused().into_iter().map(|(name, spec, _)| (name, spec));
    let (of_resources, of_grants) = tenancy::specs();
    let specs = refused.chain(validation::accepted()).chain(of_resources).chain(resources::specs());
    let specs = specs.map(|(name, spec)| (name.to_owned(), resource(namespace, "reports", spec)));
    // The world has a grant with the name of its namespace.
    let own = format!("{namespace}-corpus");
    let grants = of_grants.into_iter().chain(role_grants::specs());
    let grants = grants.map(|(name, spec)| (name.to_owned(), grant(&own, spec)));
    let objects = resources::objects(namespace).into_iter().chain(role_grants::objects(&own));
    let objects = objects.map(|(name, object)| (name.to_owned(), object));
    specs.chain(grants).chain(objects).collect()
}

/// The error of the API server, if it rejects the object. Nothing is stored.
async fn dry_run(
    client: &Client,
    namespace: &str,
    object: &Value,
) -> Option<(String, Vec<String>)> {
    let path = match object["kind"].as_str() {
        Some("RoleGrant") => "/apis/tempcred.dev/v1alpha1/rolegrants".to_owned(),
        _ => format!("/apis/tempcred.dev/v1alpha1/namespaces/{namespace}/temporarycredentials"),
    };
    let request = Request::post(format!("{path}?dryRun=All&fieldValidation=Strict"))
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            assert!([400, 422].contains(&status.code), "{status:?}");
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let fields = causes.map(|cause| cause.field.clone()).collect();
            Some((status.message.clone(), fields))
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether two fields are the same, or one is in the other. The API server leaves out some indexes.
fn is_near(one: &str, other: &str) -> bool {
    let parts = |field: &str| -> Vec<String> {
        let parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
        let is_index = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        parts.filter(|part| !is_index(part) && *part != "<nil>").map(str::to_owned).collect()
    };
    let (one, other) = (parts(one), parts(other));
    one.starts_with(&other) || other.starts_with(&one)
}

#[tokio::test]
async fn check_and_the_api_server_accept_and_reject_the_same_manifests() {
    let world = World::new().await;
    let corpus = corpus(&world.namespace);
    let folder = folder(&world, "corpus");
    let mut paths = BTreeMap::new();
    for (index, (name, object)) in corpus.iter().enumerate() {
        let path = write(&folder, &format!("{index:03}.json"), &object.to_string());
        assert!(paths.insert(path, (name, object)).is_none());
    }
    let checked = check(&["-o", "json", folder.to_str().unwrap()], "");
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for finding in checked.findings() {
        if finding["source"] == "api-server" {
            let file = finding["file"].as_str().unwrap().to_owned();
            found.entry(file).or_default().push(finding);
        }
    }

    let _permit = loading().await;
    let (client, namespace) = (&world.client, &world.namespace);
    let answers = paths.iter().map(|(path, (name, object))| async move {
        (path, name, dry_run(client, namespace, object).await)
    });
    let answers: Vec<_> = futures::stream::iter(answers).buffered(AT_ONCE).collect().await;
    let mut differences = Vec::new();
    let mut rejected = 0;
    for (path, name, answer) in &answers {
        let found = found.get(*path).map(Vec::as_slice).unwrap_or_default();
        match (answer, found) {
            (None, []) => {}
            (None, found) => differences.push(format!("{name}: only check rejects it: {found:?}")),
            (Some((message, _)), []) => {
                differences.push(format!("{name}: only the API server rejects it: {message}"));
            }
            (Some((message, fields)), found) => {
                rejected += 1;
                let same = |field: &String| {
                    found.iter().any(|one| is_near(field, one["field"].as_str().unwrap()))
                };
                if !fields.is_empty() && !fields.iter().any(same) {
                    let mine: Vec<_> = found.iter().map(|one| one["field"].clone()).collect();
                    differences.push(format!("{name}: {mine:?} is not where {message}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    let accepted = answers.len() - rejected;
    println!("{} manifests: {accepted} accepted and {rejected} rejected by both", answers.len());
    assert!(accepted >= 100 && rejected >= 250, "{accepted} {rejected}");
}

#[tokio::test]
async fn a_kind_or_version_that_the_crds_do_not_define_is_rejected_by_both() {
    let world = World::new().await;
    for (row, api, kind) in [
        ("another kind", "tempcred.dev/v1alpha1", "TemporaryCredentials"),
        ("another version", "tempcred.dev/v1", "TemporaryCredential"),
    ] {
        let object =
            json!({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": {}});
        let path = write(&folder(&world, "kinds"), "a.json", &object.to_string());
        let mut kubectl = world.rig.kubectl();
        kubectl.args(["create", "--dry-run=server", "-n", &world.namespace, "-f", &path]);
        assert!(!kubectl.output().unwrap().status.success(), "{row}");
        let checked = check(&["-o", "json", &path], "");
        assert_eq!(checked.code, Some(1), "{row}: {checked:?}");
        assert_eq!(checked.findings()[0]["rule"], "unknown-kind", "{row}");
    }
}
