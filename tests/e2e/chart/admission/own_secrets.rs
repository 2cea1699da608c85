//! Which Secrets the operator may change.

use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tempcred_core::secret::CREDENTIAL_UID;

use super::{Guard, METHODS, Method, change, secret};
use crate::world::{SOON, plain, wait_until};

/// A release with policies in force, and an operator with all permissions of RBAC.
async fn all_powerful() -> Guard {
    let guard = Guard::new(&[]).await;
    guard.bind("cluster-admin", &guard.operator, &guard.world.namespace).await;
    guard
}

fn marked() -> Value {
    json!({"labels": {CREDENTIAL_UID: "x"}})
}

#[tokio::test]
async fn a_stolen_operator_token_changes_no_foreign_secret_and_creates_no_token() {
    let guard = all_powerful().await;
    let (params, delete) = (PostParams::default(), DeleteParams::default());
    let theirs = guard.world.secrets().create(&params, &secret("theirs", json!({}))).await.unwrap();
    for method in METHODS {
        for (row, metadata) in [
            ("a label", json!({"labels": {"a": "b"}})),
            ("its own label", marked()),
            ("an annotation", json!({"annotations": {"a": "b"}})),
        ] {
            let tried = change(&guard.secrets(), "theirs", method, metadata).await;
            let said = guard.refused("own-secrets", &format!("{row} by {method:?}"), tried);
            assert!(said.contains("none of them"), "{said}");
        }
    }
    let deleted = guard.secrets().delete("theirs", &delete).await;
    guard.refused("own-secrets", "deletion", deleted);
    let all = guard.secrets().delete_collection(&delete, &ListParams::default()).await;
    guard.refused("own-secrets", "deletion of all", all);
    let created = guard.secrets().create(&params, &secret("new", json!({}))).await;
    let said = guard.refused("own-secrets", "a Secret without the label", created);
    assert!(said.contains(CREDENTIAL_UID), "{said}");
    let applied = change(&guard.secrets(), "new", Method::Apply, json!({})).await;
    guard.refused("own-secrets", "an apply without the label", applied);
    assert_eq!(guard.world.secrets().get("theirs").await.unwrap(), theirs);

    // It may change its own Secrets.
    guard.secrets().create(&params, &secret("own", marked())).await.unwrap();
    for method in METHODS {
        let metadata = json!({"labels": {CREDENTIAL_UID: "x", "method": format!("{method:?}")}});
        change(&guard.secrets(), "own", method, metadata).await.unwrap();
    }
    let bare = json!({"labels": {CREDENTIAL_UID: null}});
    let tried = change(&guard.secrets(), "own", Method::Merge, bare).await;
    guard.refused("own-secrets", "the label removed", tried);
    guard.secrets().delete("own", &delete).await.unwrap();

    // Kubernetes fills a Secret of these types with a token.
    for type_ in ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"] {
        let mut token = secret("bootstrap-token-abcdef", marked());
        token.type_ = Some(type_.to_owned());
        let annotation = ("kubernetes.io/service-account.name".to_owned(), "default".to_owned());
        token.metadata.annotations = Some([annotation].into());
        let tried = guard.secrets().create(&PostParams::default(), &token).await;
        let said = guard.refused("own-secrets", type_, tried);
        assert!(said.contains("tokens for the API server"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_that_lost_its_label_before_the_installation_is_repaired() {
    let mut guard = Guard::without_policies().await;
    let kubeconfig = guard.kubeconfig();
    guard.world.start_operator_with(kubeconfig.clone(), &[]).await;
    guard.world.issue("reports", plain()).await;
    assert!(guard.world.stop_operator().success());
    let lost = json!({"labels": {CREDENTIAL_UID: null}});
    change(&guard.world.secrets(), "reports", Method::Merge, lost).await.unwrap();

    guard.install(&[]);
    guard.in_force().await;
    guard.world.start_operator_with(kubeconfig, &[]).await;
    let labelled = || async {
        let secret = guard.world.secrets().get("reports").await.unwrap();
        secret.metadata.labels.unwrap_or_default().contains_key(CREDENTIAL_UID).then_some(())
    };
    wait_until("the label is back", SOON, labelled).await;
    assert_eq!(guard.world.sts.calls_total(), 1);
    assert!(guard.world.stop_operator().success());
}
