//! Who may write labels and annotations of tempcred on Secrets.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempcred_core::secret::{CREDENTIAL_UID, annotation};

use super::{Guard, WAYS, Way, change, secret};
use crate::world::{SOON, assert_complete, client, data, plain, wait_until};

/// What is written there by whoever is not tempcred.
const FORGED: &str = "forged";

/// The names of all labels and annotations that tempcred has, by its source.
fn notes() -> BTreeSet<&'static str> {
    let source = include_str!("../../../../core/src/secret/record.rs");
    let notes: BTreeSet<_> =
        source.split('"').filter(|text| text.starts_with("tempcred.dev/")).collect();
    assert!(notes.contains(CREDENTIAL_UID) && notes.contains(annotation::FINGERPRINT));
    notes
}

/// A release whose policies hold, its operator, a Secret `reports` that has all notes, and one that has
/// none.
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

/// The Secrets of a world to an administrator, and to somebody with the role `edit`.
async fn people(guard: &Guard) -> [(&'static str, Api<Secret>); 2] {
    let tenant = guard.world.rig.tenant();
    guard.bind("edit", tenant, &guard.world.namespace).await;
    let kubeconfig = guard.world.rig.kubeconfig_for(tenant, None).unwrap();
    let tenant = client(&kubeconfig, |_| ()).await;
    let tenant = Api::namespaced(tenant, &guard.world.namespace);
    [("cluster admin", guard.world.secrets()), ("tenant with edit", tenant)]
}

/// A label or annotation.
fn one(place: &str, note: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({place: {note: value}})
}

#[tokio::test]
async fn only_the_operator_writes_its_annotations_on_secrets() {
    let mut guard = with_secrets().await;
    let before = guard.world.secrets().get("reports").await.unwrap();
    let unmarked = guard.world.secrets().get("plain").await.unwrap();
    let mut there = BTreeSet::new();
    for (who, secrets) in people(&guard).await {
        for note in notes() {
            let refused = |row: &str, tried: kube::Result<Secret>| {
                let row = format!("{row} {note} by the {who}");
                let said = guard.refused("secret-notes", &row, tried);
                assert!(said.contains(note) && !said.contains(FORGED), "{row}: {said}");
                said
            };
            for place in ["labels", "annotations"] {
                let forged = || one(place, note, FORGED);
                let new = secret("new", forged());
                let created = secrets.create(&PostParams::default(), &new).await;
                let said = refused("creating with", created);
                assert!(!said.contains("delete this Secret"), "{said}");
                assert!(said.contains("admissionPolicies.secretWriters"), "{said}");
                refused("applying with", change(&secrets, "new", Way::Apply, forged()).await);
                for way in WAYS {
                    let added = change(&secrets, "plain", way, forged()).await;
                    let said = refused(&format!("adding by {way:?}"), added);
                    // It may be anybody's.
                    assert!(!said.contains("delete this Secret"), "{said}");
                    // Where it is there, this changes it.
                    let changed = change(&secrets, "reports", way, forged()).await;
                    let said = refused(&format!("changing by {way:?}"), changed);
                    assert!(said.contains("delete this Secret"), "{said}");
                }
                let pointer = format!("/metadata/{place}/{}", note.replace('/', "~1"));
                let object = serde_json::to_value(&before).unwrap();
                if object.pointer(&pointer).is_none() {
                    continue;
                }
                there.insert(note);
                for way in [Way::Put, Way::Merge] {
                    let gone =
                        change(&secrets, "reports", way, one(place, note, Value::Null)).await;
                    refused(&format!("removing by {way:?}"), gone);
                }
                let remove = json!([{"op": "remove", "path": pointer}]);
                let remove: Patch<Secret> = Patch::Json(serde_json::from_value(remove).unwrap());
                let gone = secrets.patch("reports", &PatchParams::default(), &remove).await;
                refused("removing by JSON patch", gone);
            }
        }
        let all = json!({"labels": null, "annotations": null});
        let bare = change(&secrets, "reports", Way::Merge, all).await;
        let said = guard.refused("secret-notes", "removing all", bare);
        assert!(notes().iter().all(|note| said.contains(note)), "{said}");
    }
    assert_eq!(there, notes(), "the Secret of the test lacks some");
    assert_eq!(guard.world.secrets().get("reports").await.unwrap(), before);
    assert_eq!(guard.world.secrets().get("plain").await.unwrap(), unmarked);
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
    for (who, secrets) in people(&guard).await {
        kubectl(&["label", "secret", "reports", "team=data", "--overwrite"]);
        kubectl(&["annotate", "secret", "reports", "example.com/note=x", "--overwrite"]);
        for way in WAYS {
            let metadata =
                json!({"labels": {"way": format!("{way:?}")}, "annotations": {"a": who}});
            change(&secrets, "reports", way, metadata).await.unwrap();
        }
        // Those of a name that only looks alike are nobody's.
        let alike =
            json!({"annotations": {"example.tempcred.dev/a": who, "tempcred.device/a": who}});
        change(&secrets, "reports", Way::Merge, alike).await.unwrap();
        kubectl(&["label", "secret", "reports", "app.kubernetes.io/managed-by-"]);
        let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": who, "mine": who}});
        secrets.patch("reports", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
        // What tempcred wrote, it repairs; what others added, stays.
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

        // A Secret that is none of tempcred's is anybody's.
        secrets.create(&PostParams::default(), &secret("theirs", json!({}))).await.unwrap();
        for way in WAYS {
            let metadata = json!({"labels": {"way": format!("{way:?}")}});
            change(&secrets, "theirs", way, metadata).await.unwrap();
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
    let note = || one("annotations", annotation::EXPIRATION, "x");
    for (who, secrets) in people(&guard).await {
        let created = secrets.create(&PostParams::default(), &secret("restored", note())).await;
        match who {
            "cluster admin" => drop(guard.refused("secret-notes", who, created)),
            _ => drop(created.unwrap()),
        }
    }
}
