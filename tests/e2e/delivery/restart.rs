//! `restart`: workloads are restarted once for each rotation, and never for anything else.

use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempcred_core::api::{CredentialStatus, RestartState};

use super::controllers::{Kubelet, all_in};
use crate::world::{SOON, World, assume, is_ready, wait_until};

pub fn restarting(role: &str, workloads: &[(&str, &str)]) -> Value {
    let mut spec = assume(role);
    let restart = workloads.iter().map(|(kind, name)| json!({"kind": kind, "name": name}));
    spec["restart"] = restart.collect();
    spec
}

/// Whether the last renewal that was requested with this value is done, and all restarts are in this state.
fn renewed(value: &'static str, state: RestartState) -> impl Fn(&CredentialStatus) -> bool {
    move |status| status.last_renew_request.as_deref() == Some(value) && all_in(state)(status)
}

#[tokio::test]
async fn each_rotation_restarts_a_workload_once_and_an_operator_restart_does_not() {
    let mut world = World::start().await;
    let _kubelet = Kubelet::start(&world);
    world.deploy("web", 600).await;
    world.wait_for_rollout("web").await;
    world.issue("reports", restarting("reports", &[("Deployment", "web")])).await;
    world.wait("reports", "complete", all_in(RestartState::Complete)).await;
    assert_eq!(world.rollouts("web").await, 1, "the first issue restarts nothing");

    for (request, rollouts) in [("1", 2), ("2", 3)] {
        world.request_renewal("reports", request).await;
        world.wait("reports", "restarted", renewed(request, RestartState::Complete)).await;
        assert_eq!(world.rollouts("web").await, rollouts);
        let secret = world.secrets().get("reports").await.unwrap();
        let fingerprint = secret.metadata.annotations.unwrap()["tempcred.dev/fingerprint"].clone();
        let annotation = world.template_annotation("web", "restart.tempcred.dev/reports").await;
        assert_eq!(annotation, Some(fingerprint));
        assert_eq!(world.template_annotation("web", "kept").await.as_deref(), Some("yes"));
    }

    // Neither another format nor a restart of the operator makes a rollout.
    world.patch("reports", json!({"spec": {"secret": {"formats": ["env"]}}})).await;
    wait_until("the new format", SOON, || async {
        (!world.data("reports").await.contains_key("credentials")).then_some(())
    })
    .await;
    assert!(world.stop_operator().success());
    world.start_operator(&[]).await;
    world.issue("another", assume("another")).await;
    world.wait("reports", "complete", all_in(RestartState::Complete)).await;
    assert_eq!(world.rollouts("web").await, 3);
}

#[tokio::test]
async fn credentials_that_rotate_together_share_a_rollout() {
    let world = World::start().await;
    let _kubelet = Kubelet::start(&world);
    world.deploy("web", 600).await;
    world.wait_for_rollout("web").await;
    for name in ["one", "two"] {
        world.issue(name, restarting(name, &[("Deployment", "web")])).await;
    }
    for name in ["one", "two"] {
        world.request_renewal(name, "now").await;
    }
    for name in ["one", "two"] {
        world.wait(name, "restarted", renewed("now", RestartState::Complete)).await;
        let key = format!("restart.tempcred.dev/{name}");
        assert!(world.template_annotation("web", &key).await.is_some(), "{name}");
    }
    assert_eq!(world.rollouts("web").await, 2, "the first, and one for both");
}

#[tokio::test]
async fn stateful_sets_and_daemon_sets_are_restarted_too() {
    let world = World::start().await;
    let labels = json!({"app": "none"});
    let object = |extra: Value| {
        let mut object = json!({
            "metadata": {"name": "data"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "main", "image": "example.com/none"}]},
                },
            },
        });
        object["spec"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        object
    };
    let (client, namespace) = (world.client.clone(), &world.namespace);
    let stateful: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let daemons: Api<DaemonSet> = Api::namespaced(client, namespace);
    let set = serde_json::from_value(object(json!({"replicas": 0, "serviceName": "x"}))).unwrap();
    stateful.create(&PostParams::default(), &set).await.unwrap();
    let set = serde_json::from_value(object(json!({}))).unwrap();
    daemons.create(&PostParams::default(), &set).await.unwrap();
    // The control plane of the rig has no controllers for these kinds.
    let observed = async |generation: i64| {
        let status = json!({"status": {
            "observedGeneration": generation, "replicas": 0, "currentNumberScheduled": 0,
            "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }});
        let params = PatchParams::default();
        stateful.patch_status("data", &params, &Patch::Merge(&status)).await.unwrap();
        daemons.patch_status("data", &params, &Patch::Merge(&status)).await.unwrap();
    };
    observed(1).await;
    let both = [("StatefulSet", "data"), ("DaemonSet", "data")];
    world.issue("reports", restarting("reports", &both)).await;
    world.request_renewal("reports", "now").await;
    world.wait("reports", "restarting", renewed("now", RestartState::Progressing)).await;
    observed(2).await;
    let status = world.wait("reports", "restarted", renewed("now", RestartState::Complete)).await;
    assert!(is_ready(&status.status.unwrap()));
    let generations = [
        stateful.get("data").await.unwrap().metadata.generation,
        daemons.get("data").await.unwrap().metadata.generation,
    ];
    assert_eq!(generations, [Some(2), Some(2)], "one change each");
}
