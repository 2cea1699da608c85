//! Kubernetes deletes all grants with their CustomResourceDefinition. Losing the grants is not revoking them: the last
//! known ones stay in effect, and after a restart, nothing is issued that needs one and no Secret is removed.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use rig::sts::Fault;
use rig::{Proxy, User};
use serde_json::{Value, json};
use tempcred::cluster::GRANT_CRD;
use tempcred_core::api::CredentialStatus;

use crate::chart::rights::installed_for;
use crate::outage::{RECOVERY, blocking, own_rig};
use crate::world::{SOON, World, assume, condition, is_ready, role_arn, wait_until};

const KEPT: &str = "tempcred_rolegrants_kept";

const WATCHED: &str = "tempcred_rolegrants_watched";

/// The role of a credential that is renewed all the time.
const ROTATING: &str = "rotating";

fn is_not_granted(status: &CredentialStatus) -> bool {
    condition(status, "Ready") == Some((false, "NotGranted"))
}

fn definitions(world: &World) -> Api<CustomResourceDefinition> {
    Api::all(world.client.clone())
}

/// Deletes the CRD of the grants, and with it all grants.
async fn delete_crd(world: &World) {
    definitions(world).delete(GRANT_CRD, &DeleteParams::default()).await.unwrap();
    is_gone(world).await;
}

async fn is_gone(world: &World) {
    wait_until("the CRD is gone", RECOVERY, || async {
        definitions(world).get_opt(GRANT_CRD).await.unwrap().is_none().then_some(())
    })
    .await;
}

/// Creates the CRD of the grants again, without grants.
async fn create_crd(world: &World) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/rolegrants.yaml");
    world.rig.kubectl_output(&["create", "--filename", path]).unwrap();
    wait_until("the CRD is served", RECOVERY, || async {
        world.grants().list(&ListParams::default()).await.is_ok().then_some(())
    })
    .await;
}

async fn metric_is(world: &World, name: &str, expected: f64) {
    metric_becomes(world, name, &format!("{expected}"), |value| value == expected).await;
}

async fn metric_becomes(world: &World, name: &str, what: &str, wanted: impl Fn(f64) -> bool) {
    wait_until(&format!("{name} is {what}"), RECOVERY, || async {
        world.metric(name).await.filter(|value| wanted(*value)).map(drop)
    })
    .await;
}

/// Waits until the rotating credential is renewed once more than now.
async fn is_renewed(world: &World) {
    let before = world.call_times(ROTATING).len();
    wait_until("a renewal", SOON, || async {
        (world.call_times(ROTATING).len() > before).then_some(())
    })
    .await;
}

async fn secrets(world: &World) -> usize {
    world.secrets().list(&ListParams::default()).await.unwrap().items.len()
}

fn unsigned(role: &str) -> serde_json::Value {
    let request = json!({"roleArn": role_arn(role), "serviceAccountName": "default"});
    json!({"assumeRoleWithWebIdentity": request})
}

/// A world of its own with a credential that is renewed all the time, one that is not, and two grants.
async fn world(args: &[&str]) -> World {
    let mut world = World::on(own_rig().await).await;
    world.sts.inject(Fault::lifetime(Duration::from_secs(15)).for_role(ROTATING));
    let second = format!("{}-second", world.namespace);
    world.grant(&second, world.any_role()).await;
    world.start_operator(args).await;
    world.issue("rotating", assume(ROTATING)).await;
    world.issue("steady", assume("steady")).await;
    world
}

#[tokio::test]
async fn grants_that_are_deleted_with_their_crd_stay_in_effect_until_they_are_applied_again() {
    // Were one of them revoked, its Secrets would be gone at once.
    let mut world = world(&["--withdrawn-secrets", "remove"]).await;
    metric_is(&world, WATCHED, 1.0).await;
    metric_is(&world, KEPT, 0.0).await;

    delete_crd(&world).await;
    metric_is(&world, KEPT, 2.0).await;
    metric_is(&world, WATCHED, 0.0).await;
    is_renewed(&world).await;
    world.issue("new", assume("new")).await;

    // Another CRD, which has no grants yet.
    create_crd(&world).await;
    metric_is(&world, WATCHED, 1.0).await;
    metric_is(&world, KEPT, 2.0).await;
    is_renewed(&world).await;
    assert_eq!(secrets(&world).await, 3);
    for name in ["rotating", "steady", "new"] {
        let status = world.credentials().get(name).await.unwrap().status.unwrap();
        assert!(is_ready(&status), "{name}: {status:?}");
    }
    assert_eq!(world.metric("tempcred_credentials_withdrawn_total").await, Some(0.0));

    // What is applied again replaces the lost one, and may be narrower.
    let second = format!("{}-second", world.namespace);
    let mut narrow = world.any_role();
    narrow["roleArns"] = json!([role_arn("steady")]);
    world.grant(&second, narrow.clone()).await;
    metric_is(&world, KEPT, 1.0).await;
    is_renewed(&world).await;
    world.grant(&world.namespace, narrow).await;
    metric_is(&world, KEPT, 0.0).await;
    for name in ["rotating", "new"] {
        world.wait(name, "not granted", is_not_granted).await;
        world.wait_for_removal(name).await;
    }
    // From now on, a deletion is one.
    world.withdraw(&second).await;
    world.withdraw(&world.namespace).await;
    world.wait("steady", "not granted", is_not_granted).await;
    world.wait_for_removal("steady").await;
    let log = world.full_log();
    assert!(log.contains("RoleGrants were lost with rolegrants.tempcred.dev"), "{log}");
    blocking({
        let rig = world.rig;
        move || rig.stop_api_server().unwrap()
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_without_grants_nothing_is_issued_and_no_secret_is_removed() {
    let mut world = world(&["--withdrawn-secrets", "remove"]).await;
    let second = format!("{}-second", world.namespace);
    let grants = world.grants();
    let finalizers = |finalizers: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let (grants, second) = (grants.clone(), second.clone());
        async move { grants.patch(&second, &PatchParams::default(), &patch).await.unwrap() }
    };
    // A finalizer on one grant keeps the CRD in deletion, and this grant in the list.
    finalizers(json!(["example.com/x"])).await;
    definitions(&world).delete(GRANT_CRD, &DeleteParams::default()).await.unwrap();
    metric_is(&world, KEPT, 2.0).await;
    is_renewed(&world).await;
    world.kill_operator();
    let calls = world.sts.calls_total();
    let kubeconfig = world.rig.kubeconfig_for(world.rig.operator(), None).unwrap();
    world.launch(kubeconfig, &["--withdrawn-secrets", "remove"]).await;
    world.create("refused", assume("refused")).await;
    // What needs no grant goes on.
    world.issue("in-deletion", unsigned("in-deletion")).await;
    let log = world.log();
    let says = "nothing is issued that needs a RoleGrant, and no Secret is removed";
    assert!(
        log.contains("rolegrants.tempcred.dev is being deleted") && log.contains(says),
        "{log}"
    );
    finalizers(Value::Null).await;
    is_gone(&world).await;
    let secret = world.secrets().get("rotating").await.unwrap();
    let expiration = &secret.metadata.annotations.unwrap()["tempcred.dev/expiration"];
    let expiration: jiff::Timestamp = expiration.parse().unwrap();
    wait_until("its credentials have expired", SOON, || async {
        (jiff::Timestamp::now() > expiration).then_some(())
    })
    .await;
    world.issue("later", unsigned("later")).await;
    assert_eq!(world.sts.calls_total(), calls + 2, "something was issued without a grant");
    assert_eq!(secrets(&world).await, 4, "a Secret was removed");
    assert!(world.credentials().get("refused").await.unwrap().status.unwrap().secret.is_none());
    assert_eq!(world.metric(WATCHED).await, Some(0.0));
    assert_eq!(world.metric(KEPT).await, Some(0.0));
    // A rolling update would stop here, and the replica that knows the grants would go on.
    assert!(!world.http("/readyz").await.starts_with("ok"));
    assert!(world.http("/livez").await.starts_with("ok"));

    // It goes on by itself once the grants are back.
    create_crd(&world).await;
    world.grant(&second, world.any_role()).await;
    for name in ["rotating", "steady", "refused"] {
        world.wait_at_most(RECOVERY, name, "ready", is_ready).await;
    }
    world.wait_for_readiness().await;
    is_renewed(&world).await;
    assert!(world.stop_operator().success());
    blocking({
        let rig = world.rig;
        move || rig.stop_api_server().unwrap()
    })
    .await;
}

/// Replaces the rules of the operator's ClusterRole by those that are not about a resource.
async fn take_away(world: &World, user: &User, role: &Value, resource: &str) {
    let mut rules = role["rules"].as_array().unwrap().clone();
    rules.retain(|rule| rule["resources"][0] != *resource);
    let name = role["metadata"]["name"].as_str().unwrap();
    let patch = json!({"rules": rules}).to_string();
    let patch = ["patch", "clusterrole", name, "--type=merge", "--patch", &patch];
    world.rig.kubectl_output(&patch).unwrap();
    let expected = resource.is_empty();
    for (verb, of) in [("list", "rolegrants"), ("get", "customresourcedefinitions")] {
        wait_until("the role is in force", SOON, || async {
            let name = if verb == "get" { format!("{of}/{GRANT_CRD}") } else { of.to_owned() };
            let who = format!("--as={}", user.name());
            let asked = world.rig.kubectl().args(["auth", "can-i", verb, &name, &who]).output();
            let may = asked.unwrap().stdout.starts_with(b"yes");
            (may == (expected || of != resource)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn grants_that_may_not_be_listed_stay_in_effect() {
    let mut world = World::new().await;
    let own = world.namespace.clone();
    let (user, objects) = installed_for(&world, &[&own]).await;
    let role = objects.iter().find(|object| object["kind"] == "ClusterRole").unwrap();
    let proxy = Proxy::to(world.rig.server()).unwrap();
    let kubeconfig = world.rig.kubeconfig_for(&user, Some(&proxy.url())).unwrap();
    world.sts.inject(Fault::lifetime(Duration::from_secs(15)).for_role(ROTATING));
    world.start_operator_with(kubeconfig, &["--withdrawn-secrets", "remove"]).await;
    world.issue("rotating", assume(ROTATING)).await;

    take_away(&world, &user, role, "rolegrants").await;
    // A watch outlives the permission that it was started with.
    proxy.cut();
    metric_is(&world, WATCHED, 0.0).await;
    proxy.restore();
    world.withdraw(&own).await;
    is_renewed(&world).await;
    take_away(&world, &user, role, "").await;
    world.wait_at_most(RECOVERY, "rotating", "not granted", is_not_granted).await;
    world.wait_for_removal("rotating").await;
    metric_is(&world, WATCHED, 1.0).await;

    // Without its CRD, a deleted grant may be a lost one.
    world.grant(&own, world.any_role()).await;
    world.wait("rotating", "ready", is_ready).await;
    take_away(&world, &user, role, "customresourcedefinitions").await;
    world.withdraw(&own).await;
    // Other tests delete grants, too.
    metric_becomes(&world, KEPT, "at least 1", |kept| kept >= 1.0).await;
    is_renewed(&world).await;
    take_away(&world, &user, role, "").await;
    world.wait_at_most(RECOVERY, "rotating", "not granted", is_not_granted).await;
    world.wait_for_removal("rotating").await;
    metric_is(&world, KEPT, 0.0).await;
    assert!(world.stop_operator().success());
}
