//! Which users may write tempcred's labels and annotations on Secrets.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempcred_core::secret::{CREDENTIAL_UID, annotation};

use super::{Guard, METHODS, Method, change, secret};
use crate::world::{SOON, assert_complete, client, data, plain, wait_until};

/// The value that other users write found.
const FORGED: &str = "forged";

/// The keys of all labels and annotations of tempcred, read from its source code.
fn own_keys() -> BTreeSet<&'static str> {
    let source = include_str!("../../../../core/src/secret/record.rs");
    let keys: BTreeSet<_> =
        source.split('"').filter(|text| text.starts_with("tempcred.dev/")).collect();
    assert!(keys.contains(CREDENTIAL_UID) && keys.contains(annotation::FINGERPRINT));
    keys
}

/// A release with policies in force, its operator, a Secret `reports` with all of these keys, and one
/// without them.
async fn with_secrets() -> Guard {
    let mut guard = Guard::new(&[]).await;
    let kubeconfig = guard.kubeconfig();
    guard.world.start_operator_with(kubeconfig, &[]).await;
    // With a policy, STS reports a packed size.
    let mut spec = plain();
    spec["assumeRole"]["policy"] = json!("{}");
    guard.world.issue("reports", spec).await;
    guard.world.request_renewal("reports", "1").await;
    guard.world.wait("reports", "renewed", |s| s.last_renew_request.as_deref() == Some("1")).await;
    let plain = secret("plain", json!({"labels": {"a": "b"}, "annotations": {"a": "b"}}));
    guard.world.secrets().create(&PostParams::default(), &plain).await.unwrap();
    guard
}

/// The Secrets of a world, as an administrator and as a user with the role `edit`.
async fn users(guard: &Guard) -> [(&'static str, Api<Secret>); 2] {
    let tenant = guard.world.rig.tenant();
    guard.bind("edit", tenant, &guard.world.namespace).await;
    let kubeconfig = guard.world.rig.kubeconfig_for(tenant, None).unwrap();
    let tenant = client(&kubeconfig, |_| ()).await;
    let tenant = Api::namespaced(tenant, &guard.world.namespace);
    [("cluster admin", guard.world.secrets()), ("tenant with edit", tenant)]
}

/// A label or annotation.
fn with_key(place: &str, key: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({place: {key: value}})
}

#[tokio::test]
async fn only_the_operator_writes_its_annotations_on_secrets() {
    let mut guard = with_secrets().await;
    let before = guard.world.secrets().get("reports").await.unwrap();
    let foreign = guard.world.secrets().get("plain").await.unwrap();
    let mut found = BTreeSet::new();
    for (who, secrets) in users(&guard).await {
        for key in own_keys() {
            let refused = |row: &str, tried: kube::Result<Secret>| {
                let row = format!("{row} {key} by the {who}");
                let said = guard.refused("secret-notes", &row, tried);
                assert!(said.contains(key) && !said.contains(FORGED), "{row}: {said}");
                said
            };
            for place in ["labels", "annotations"] {
                let forged = || with_key(place, key, FORGED);
                let new = secret("new", forged());
                let created = secrets.create(&PostParams::default(), &new).await;
                let said = refused("creating with", created);
                assert!(!said.contains("delete this Secret"), "{said}");
                assert!(said.contains("admissionPolicies.secretWriters"), "{said}");
                refused("applying with", change(&secrets, "new", Method::Apply, forged()).await);
                for method in METHODS {
                    let added = change(&secrets, "plain", method, forged()).await;
                    let said = refused(&format!("adding by {method:?}"), added);
                    // The Secret may belong to another owner.
                    assert!(!said.contains("delete this Secret"), "{said}");
                    // If the key exists, this changes it.
                    let changed = change(&secrets, "reports", method, forged()).await;
                    let said = refused(&format!("changing by {method:?}"), changed);
                    assert!(said.contains("delete this Secret"), "{said}");
                }
                let pointer = format!("/metadata/{place}/{}", key.replace('/', "~1"));
                let object = serde_json::to_value(&before).unwrap();
                if object.pointer(&pointer).is_none() {
                    continue;
                }
                found.insert(key);
                for method in [Method::Put, Method::Merge] {
                    let removed =
                        change(&secrets, "reports", method, with_key(place, key, Value::Null))
                            .await;
                    refused(&format!("removing by {method:?}"), removed);
                }
                let remove = json!([{"op": "remove", "path": pointer}]);
                let remove: Patch<Secret> = Patch::Json(serde_json::from_value(remove).unwrap());
                let removed = secrets.patch("reports", &PatchParams::default(), &remove).await;
                refused("removing by JSON patch", removed);
            }
        }
        let all = json!({"labels": null, "annotations": null});
        let stripped = change(&secrets, "reports", Method::Merge, all).await;
        let said = guard.refused("secret-notes", "removing all", stripped);
        assert!(own_keys().iter().all(|key| said.contains(key)), "{said}");
    }
    assert_eq!(found, own_keys(), "the Secret of the test lacks some");
    assert_eq!(guard.world.secrets().get("reports").await.unwrap(), before);
    assert_eq!(guard.world.secrets().get("plain").await.unwrap(), foreign);
    assert!(guard.world.stop_operator().success());
}

#[tokio::test]
async fn everything_else_on_a_secret_may_be_edited_and_deleted() {
    let mut guard = with_secrets().await;
    let tenant = guard.world.rig.kubeconfig_for(guard.world.rig.tenant(), None).unwrap();
    let kubectl = |args: &[&str]| {
        let mut kubectl = guard.world.rig.kubectl();
        kubectl.env("KUBECONFIG", &tenant).args(["--namespace", &guard.world.namespace]);
        let output = kubectl.args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("Warning"), "{args:?}: {said}");
    };
    for (who, secrets) in users(&guard).await {
        kubectl(&["label", "secret", "reports", "team=data", "--overwrite"]);
        kubectl(&["annotate", "secret", "reports", "example.com/note=x", "--overwrite"]);
        for method in METHODS {
            let metadata =
                json!({"labels": {"method": format!("{method:?}")}, "annotations": {"a": who}});
            change(&secrets, "reports", method, metadata).await.unwrap();
        }
        // Keys with a similar prefix are not tempcred's.
        let alike =
            json!({"annotations": {"example.tempcred.dev/a": who, "tempcred.device/a": who}});
        change(&secrets, "reports", Method::Merge, alike).await.unwrap();
        kubectl(&["label", "secret", "reports", "app.kubernetes.io/managed-by-"]);
        let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": who, "mine": who}});
        secrets.patch("reports", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
        // The operator repairs its own data, and keeps what others added.
        wait_until("the repair", SOON, || async {
            let secret = secrets.get("reports").await.unwrap();
            let data = data(&secret);
            let labels = secret.metadata.labels.clone().unwrap();
            assert_eq!((data["mine"].as_str(), labels["team"].as_str()), (who, "data"));
            (data["AWS_SECRET_ACCESS_KEY"] != who
                && labels.contains_key("app.kubernetes.io/managed-by"))
            .then_some(())
        })
        .await;
        let uid = complete_secret_uid(&secrets).await;
        secrets.delete("reports", &DeleteParams::default()).await.unwrap();
        wait_until("the Secret is back", SOON, || async {
            let secret = secrets.get_opt("reports").await.unwrap()?;
            (secret.metadata.uid != uid).then_some(())
        })
        .await;
        complete_secret_uid(&secrets).await;

        // Other Secrets may be changed freely.
        secrets.create(&PostParams::default(), &secret("theirs", json!({}))).await.unwrap();
        for method in METHODS {
            let metadata = json!({"labels": {"method": format!("{method:?}")}});
            change(&secrets, "theirs", method, metadata).await.unwrap();
        }
        secrets.delete("theirs", &DeleteParams::default()).await.unwrap();
    }
    assert!(guard.world.stop_operator().success());
}

async fn complete_secret_uid(secrets: &Api<Secret>) -> Option<String> {
    let secret = secrets.get("reports").await.unwrap();
    assert_complete(&secret);
    secret.metadata.uid
}

#[tokio::test]
async fn listed_writers_may_write_the_annotations_too() {
    let guard = Guard::new(&["--set=admissionPolicies.secretWriters={tenant}"]).await;
    let key = || with_key("annotations", annotation::EXPIRATION, "x");
    for (who, secrets) in users(&guard).await {
        let created = secrets.create(&PostParams::default(), &secret("restored", key())).await;
        match who {
            "cluster admin" => drop(guard.refused("secret-notes", who, created)),
            _ => drop(created.unwrap()),
        }
    }
}
