//! A watch that is cut for so long that a new list takes its place: it contains no deletions.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use rig::Proxy;
use serde_json::json;

use crate::denial::{Denial, Denied};
use crate::hardening::{copies, wait_until_forgotten};
use crate::leak::Detector;
use crate::outage::{RECOVERY, blocking, own_rig};
use crate::world::{SOON, World, failure_reason, plain, wait_until};

/// Lets every status be written, also one that the operator cannot decode.
async fn accept_any_status(world: &World) {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
    let patch = json!([{"op": "replace", "path": path, "value": any}]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    Api::<CustomResourceDefinition>::all(world.client.clone())
        .patch("temporarycredentials.tempcred.dev", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// The number of resources that the operator knows, by the status of their `Ready` condition.
async fn known(world: &World) -> BTreeMap<String, usize> {
    let metrics = world.http("/metrics").await;
    let ready = metrics.lines().filter_map(|line| {
        let (labels, count) = line.split_once("} ")?;
        let status = labels.strip_prefix("tempcred_credentials{condition=\"Ready\",status=\"")?;
        Some((status.trim_end_matches('"').to_owned(), count.parse::<f64>().ok()? as usize))
    });
    ready.filter(|(_, count)| *count > 0).collect()
}

async fn knows(world: &World, what: &str, expected: &[(&str, usize)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
    wait_until(what, RECOVERY, || async { (known(world).await == expected).then_some(()) }).await;
}

#[tokio::test]
async fn a_resource_deleted_while_its_watch_is_cut_is_forgotten_everywhere() {
    // Its API server restarts, and so forgets the events that the watch missed.
    let rig = own_rig().await;
    let mut world = World::on(rig).await;
    accept_any_status(&world).await;
    let proxy = Proxy::to(rig.server()).unwrap();
    let kubeconfig = rig.kubeconfig_for(rig.operator(), Some(&proxy.url())).unwrap();
    world.start_operator_with(kubeconfig, &[]).await;
    for name in ["kept", "deleted", "undecodable"] {
        world.issue(name, plain()).await;
    }
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.create("pending", plain()).await;
    world.wait("pending", "refused", |s| failure_reason(s) == Some("SecretRejected")).await;
    knows(&world, "all resources are known", &[("True", 3), ("False", 1)]).await;
    let pending = world.sts.issued().pop().unwrap();
    let values = Detector::of([pending.secret.as_str(), pending.token.as_str()]);
    assert!(copies(world.pid(), &values).unwrap() > 0, "nothing is kept to be written later");

    // Not even its deletion can be decoded, except the metadata.
    let broken = Patch::Merge(json!({"status": {"expiration": 5}}));
    let resources = world.credentials();
    let patched = resources.patch_status("undecodable", &PatchParams::default(), &broken).await;
    assert!(patched.is_err(), "this test can decode it as well");
    knows(&world, "the broken status is seen", &[("True", 2), ("False", 1)]).await;

    proxy.cut();
    for name in ["deleted", "undecodable", "pending"] {
        let _ = world.kubectl(&["delete", "tempcred", name, "--wait=false"]);
    }
    blocking(|| rig.stop_api_server().unwrap()).await;
    blocking(|| rig.start_api_server().unwrap()).await;
    proxy.restore();

    knows(&world, "the deleted resources are forgotten", &[("True", 1)]).await;
    wait_until("the grant counts one resource", RECOVERY, || async {
        let grant = world.grants().get(&world.namespace).await.ok()?;
        (grant.status?.credentials == Some(1)).then_some(())
    })
    .await;
    for name in ["deleted", "undecodable"] {
        wait_until("its Secret is collected", RECOVERY, || async {
            world.secrets().get_opt(name).await.ok()?.is_none().then_some(())
        })
        .await;
    }
    denial.end().await;
    world.secrets().delete("kept", &DeleteParams::default()).await.unwrap();
    wait_until("the rest is still served", SOON, || async {
        world.secrets().get_opt("kept").await.unwrap().map(drop)
    })
    .await;
    assert_eq!(world.secrets().list(&ListParams::default()).await.unwrap().items.len(), 1);
    wait_until_forgotten(&world, &values, 2 * RECOVERY).await;
    assert!(world.stop_operator().success());
    blocking(|| rig.stop_api_server().unwrap()).await;
}
