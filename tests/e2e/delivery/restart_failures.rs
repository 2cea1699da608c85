//! A workload that cannot be restarted is reported, and never affects the rotation.

use tempcred_core::api::RestartState;

use super::controllers::{Kubelet, all_in};
use super::restart::restarting;
use crate::chart::rights;
use crate::world::{SOON, World, is_ready, wait_until};

#[tokio::test]
async fn a_missing_workload_is_reported_and_the_rotation_goes_on() {
    let world = World::start().await;
    world.issue("reports", restarting("reports", &[("Deployment", "none")])).await;
    world.request_renewal("reports", "now").await;
    let resource = world.wait("reports", "missing", all_in(RestartState::Missing)).await;
    let status = resource.status.unwrap();
    assert!(is_ready(&status) && status.failure.is_none());
    let message = status.restarts[0].message.clone().unwrap();
    assert_eq!(message, "there is no such Deployment: create it, or remove it from spec.restart");
    wait_until("the event", SOON, || async {
        let events = world.events("reports").await;
        events
            .iter()
            .any(|(kind, reason, note)| {
                kind == "Warning" && reason == "RestartFailed" && note.contains("Deployment none")
            })
            .then_some(())
    })
    .await;
    let count = world.metric("tempcred_workload_restarts_total").await;
    assert_eq!(count, Some(1.0));

    // Nothing more happens until the next rotation, in which the workload exists.
    let _kubelet = Kubelet::start(&world);
    world.deploy("none", 600).await;
    world.wait_for_rollout("none").await;
    world.request_renewal("reports", "again").await;
    world.wait("reports", "restarted", all_in(RestartState::Complete)).await;
    assert_eq!(world.rollouts("none").await, 2);
}

#[tokio::test]
async fn a_stuck_rollout_is_reported_and_the_next_restart_waits_for_its_end() {
    let world = World::start().await;
    let kubelet = Kubelet::start(&world);
    world.deploy("web", 1).await;
    world.wait_for_rollout("web").await;
    drop(kubelet);
    world.issue("reports", restarting("reports", &[("Deployment", "web")])).await;
    world.request_renewal("reports", "1").await;
    let status = world.wait("reports", "stuck", all_in(RestartState::Stuck)).await.status.unwrap();
    let message = status.restarts[0].message.clone().unwrap();
    assert!(message.contains("see why the new Pods do not become ready"), "{message}");
    assert!(is_ready(&status));

    world.request_renewal("reports", "2").await;
    let waits = "waits for the end of another rollout of the Deployment";
    world
        .wait("reports", "waiting", |status| {
            let restart = &status.restarts[0];
            let message = restart.message.as_deref().unwrap_or_default();
            restart.state == RestartState::Pending && message.contains(waits)
        })
        .await;
    assert_eq!(world.rollouts("web").await, 2);
    let _kubelet = Kubelet::start(&world);
    world.wait("reports", "restarted", all_in(RestartState::Complete)).await;
    assert_eq!(world.rollouts("web").await, 3);
}

#[tokio::test]
async fn an_operator_without_the_right_says_which_feature_to_enable() {
    let mut world = World::new().await;
    let namespace = world.namespace.clone();
    let (user, _) = rights::installed_for(&world, &[&namespace]).await;
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    world.start_operator_with(kubeconfig, &[]).await;
    world.deploy("web", 600).await;
    world.issue("reports", restarting("reports", &[("Deployment", "web")])).await;
    world.request_renewal("reports", "now").await;
    let resource = world.wait("reports", "failed", all_in(RestartState::Failed)).await;
    let message = resource.status.unwrap().restarts[0].message.clone().unwrap();
    assert!(message.starts_with("enable features.workloadRestarts in the chart"), "{message}");
    assert_eq!(world.template_annotation("web", "restart.tempcred.dev/reports").await, None);
}
