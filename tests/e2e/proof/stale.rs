//! A stale API server: caches are filled with the past, while writes succeed. The scenario `StartOnTheStale` is another
//! part of this.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::Patch;
use rig::sts::Fault;
use serde_json::json;
use tempcred_core::api::CredentialStatus;

use super::stage::{SETTLED, Stage};
use crate::world::{SOON, World, assert_complete, condition, is_ready, plain, wait_until};

/// The resource.
const NAME: &str = "reports";

/// Lifetime of the first credentials.
const SHORT: Duration = Duration::from_secs(45);

/// A resource whose first credentials are renewed after 7 s, and whose later ones are not.
async fn issued(stage: &Stage) -> String {
    stage.world.sts.inject(Fault::lifetime(SHORT).times(1));
    let mut spec = plain();
    spec["renewal"] = json!({"before": "38s"});
    stage.world.issue(NAME, spec).await;
    stage.world.complete_key(NAME).await
}

/// Waits until the Secret exists and holds another key than this one.
async fn replaced(world: &World, first: &str) -> String {
    wait_until("the Secret holds another key", SOON, || async {
        let key = assert_complete(&world.secrets().get_opt(NAME).await.unwrap()?);
        (key != first).then_some(key)
    })
    .await
}

/// Waits until the status describes this key and is Ready, and nothing fails.
async fn described(world: &World, key: &str) {
    let current = |s: &CredentialStatus| {
        s.access_key_id.as_deref() == Some(key) && is_ready(s) && s.failure.is_none()
    };
    world.wait(NAME, "current", current).await;
}

#[tokio::test]
async fn an_operator_that_is_moved_to_a_stale_api_server_rotates_once() {
    for single_objects in [false, true] {
        let stage = Stage::start(&[], None).await;
        let first = issued(&stage).await;
        stage.interceptor.freeze(single_objects).await.unwrap();
        let second = replaced(&stage.world, &first).await;
        // Its own writes are not in the lists and watches. It must not act on them.
        stage.silence(SETTLED).await;
        assert_eq!(stage.world.sts.calls_total(), 2, "single objects: {single_objects}");
        stage.interceptor.thaw();
        described(&stage.world, &second).await;
        stage.silence(SETTLED).await;
        assert_eq!(stage.world.complete_key(NAME).await, second);
        assert_eq!(stage.world.sts.calls_total(), 2, "single objects: {single_objects}");
        stage.observer.check().await;
    }
}

/// Asserts that the Secret keeps this key while the past is shown and after it, without another call.
async fn stays(stage: &Stage, key: &str) {
    stage.silence(SETTLED).await;
    assert_eq!(stage.world.complete_key(NAME).await, key);
    stage.interceptor.thaw();
    described(&stage.world, key).await;
    assert_eq!(stage.world.sts.calls_total(), 1);
    stage.observer.check().await;
}

#[tokio::test]
async fn a_grant_that_exists_again_is_not_revoked_by_a_stale_list() {
    let mut stage = Stage::start(&["--withdrawn-secrets", "expire"], None).await;
    let grant = stage.world.namespace.clone();
    stage.world.issue(NAME, plain()).await;
    let key = stage.world.complete_key(NAME).await;
    stage.world.withdraw(&grant).await;
    let denied = |s: &CredentialStatus| condition(s, "Ready") == Some((false, "NotGranted"));
    stage.world.wait(NAME, "not granted", denied).await;
    stage.interceptor.freeze(false).await.unwrap();
    stage.world.attribute().await;
    stage.restart().await;
    stage.world.wait_for_reconciliations(1).await;
    stays(&stage, &key).await;
}

/// A resource is denied for a time that its operator does not see. The operator starts on an API server that still shows this
/// time, and must not remove the Secret.
async fn keeps_its_secret(
    mut stage: Stage,
    deny: impl AsyncFn(&World),
    allow: impl AsyncFn(&World),
) {
    stage.world.issue(NAME, plain()).await;
    let key = stage.world.complete_key(NAME).await;
    stage.interceptor.stall_watches(true);
    deny(&stage.world).await;
    stage.interceptor.freeze(false).await.unwrap();
    allow(&stage.world).await;
    stage.restart().await;
    let unconfirmed = |s: &CredentialStatus| {
        let failure = s.failure.as_ref();
        failure.is_some_and(|one| one.message.contains("the API server does not confirm this"))
    };
    stage.world.wait(NAME, "unconfirmed", unconfirmed).await;
    stays(&stage, &key).await;
}

/// An operator that removes the Secrets of resources that are denied.
async fn removing() -> Stage {
    Stage::start(&["--withdrawn-secrets", "remove"], None).await
}

#[tokio::test]
async fn a_grant_that_exists_again_costs_no_secret() {
    let deny = async |world: &World| world.withdraw(&world.namespace).await;
    keeps_its_secret(removing().await, deny, World::attribute).await;
}

#[tokio::test]
async fn a_label_that_exists_again_costs_no_secret() {
    let stage = removing().await;
    let label = async |world: &World, value: &str| {
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let patch = json!({"metadata": {"labels": {"team": value}}});
        let patch = Patch::Merge(patch);
        namespaces.patch(&world.namespace, &Default::default(), &patch).await.unwrap();
    };
    let team = stage.world.namespace.clone();
    label(&stage.world, &team).await;
    let mut grant = stage.world.any_role();
    grant["namespaces"] = json!({"selector": {"matchLabels": {"team": team}}});
    stage.world.grant(&team, grant).await;
    let deny = async |world: &World| label(world, "other").await;
    keeps_its_secret(stage, deny, async |world| label(world, &team).await).await;
}

#[tokio::test]
async fn a_spec_that_is_restored_costs_no_secret() {
    let role = async |world: &World, role: &str| {
        world.patch(NAME, json!({"spec": {"assumeRole": {"roleArn": role}}})).await;
    };
    let granted = plain()["assumeRole"]["roleArn"].as_str().unwrap().to_owned();
    let deny =
        async |world: &World| role(world, "arn:aws:iam::999999999999:role/not-granted").await;
    keeps_its_secret(removing().await, deny, async |world| role(world, &granted).await).await;
}

#[tokio::test]
async fn a_deleted_and_recreated_resource_is_not_confused_with_its_predecessor() {
    let stage = Stage::start(&[], None).await;
    stage.world.issue(NAME, plain()).await;
    let first = stage.world.complete_key(NAME).await;
    stage.interceptor.freeze(false).await.unwrap();
    stage.world.credentials().delete(NAME, &Default::default()).await.unwrap();
    stage.world.wait_for_removal(NAME).await;
    stage.world.create(NAME, plain()).await;
    // The operator sees neither: the Secret of the new resource does not exist for it.
    stage.silence(SETTLED).await;
    stage.interceptor.thaw();
    let second = replaced(&stage.world, &first).await;
    described(&stage.world, &second).await;
    assert_eq!(stage.world.sts.calls_total(), 2);
    stage.observer.check().await;
}

#[tokio::test]
async fn watches_that_stall_delay_changes_and_cost_nothing() {
    let stage = Stage::start(&[], None).await;
    stage.world.issue(NAME, plain()).await;
    stage.interceptor.stall_watches(true);
    stage.world.request_renewal(NAME, "1").await;
    stage.world.secrets().delete(NAME, &Default::default()).await.unwrap();
    stage.silence(SETTLED).await;
    assert_eq!(stage.world.sts.calls_total(), 1);
    stage.interceptor.stall_watches(false);
    stage
        .world
        .wait(NAME, "renewed", |s| s.last_renew_request.as_deref() == Some("1") && is_ready(s))
        .await;
    let key = stage.world.complete_key(NAME).await;
    described(&stage.world, &key).await;
    assert_eq!(stage.world.sts.calls_total(), 2, "one call serves both");
    stage.observer.check().await;
}
