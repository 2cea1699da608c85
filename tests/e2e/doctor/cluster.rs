//! Clusters that cannot be reached, namespaces that do not exist, and leaders.

use std::path::Path;

use serde_json::json;

use super::Pod;
use crate::world::{SOON, World, wait_until};

#[tokio::test]
async fn without_a_cluster_aws_is_checked_nevertheless() {
    let world = World::new().await;
    let closed = format!("https://127.0.0.1:{}", rig::free_port().unwrap());
    let closed = world.rig.kubeconfig_for(world.rig.operator(), Some(&closed)).unwrap();
    let wrong = world.rig.dir().join(format!("{}-wrong.kubeconfig", world.namespace));
    let right: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.rig.kubeconfig()).unwrap()).unwrap();
    let mut config = right.clone();
    config["users"][0]["user"]["token"] = "tokenOfNobody".into();
    std::fs::write(&wrong, config.to_string()).unwrap();
    for (kubeconfig, part) in [
        (closed.as_path(), "cannot be reached"),
        (wrong.as_path(), "does not accept the credentials"),
        (Path::new("/nonexistent/kubeconfig"), "No Kubernetes cluster is configured"),
    ] {
        let report = Pod::with_kubeconfig(&world, kubeconfig).report(&world, &[]).await;
        report.assert("api-server", "problem", part);
        for check in ["user", "crds", "rbac", "features", "namespaces", "grants", "leader"] {
            report.assert(check, "skipped", "The API server cannot be used.");
        }
        report.assert("identity", "ok", "arn:aws:iam::123456789012:user/rig");
        report.assert("clock", "ok", "that of STS.");
    }
}

#[tokio::test]
async fn a_served_namespace_must_exist() {
    let world = World::new().await;
    let names = format!("{}, ,{}-missing", world.namespace, world.namespace);
    let pod = Pod::of(&world).set("TEMPCRED_NAMESPACES", &names);
    let report = pod.report(&world, &[]).await;
    report.assert_has("namespaces", "ok", &format!("serves {}.", world.namespace));
    report.assert_has("namespaces", "problem", &format!("exist: {}-missing.", world.namespace));
    let all = Pod::of(&world).without(&["TEMPCRED_NAMESPACES"]).report(&world, &[]).await;
    all.assert("namespaces", "ok", "all namespaces");
    all.assert("rbac", "ok", "all");
}

#[tokio::test]
async fn grants_that_need_the_name_of_the_cluster_are_reported_without_it() {
    let world = World::new().await;
    let name = format!("{}-named", world.namespace);
    let spec = json!({
        "namespaces": {"names": [world.namespace]}, "roleArns": ["arn:aws:iam::123456789012:role/x"],
        "session": {"attribution": true},
    });
    world.grant(&name, spec).await;
    let unnamed = Pod::of(&world).report(&world, &[]).await;
    unnamed.assert_has("grants", "warning", &format!("{name} is invalid"));
    assert!(unnamed.advice("grants").contains("--cluster-name"), "{:#}", unnamed.json);
    let named = Pod::of(&world).set("TEMPCRED_CLUSTER_NAME", "prod").report(&world, &[]).await;
    let about = |(_, message): &(&str, &str)| message.contains(&name);
    assert!(!named.findings("grants").iter().any(about), "{:#}", named.json);
    world.withdraw(&name).await;
}

#[tokio::test]
async fn the_leader_is_named() {
    let mut world = World::new().await;
    let admin = world.rig.kubeconfig().to_owned();
    let pod = Pod::with_kubeconfig(&world, &admin)
        .set("TEMPCRED_LEADER_ELECT", "true")
        .set("TEMPCRED_LEASE_NAME", "doctor");
    pod.report(&world, &[]).await.assert("leader", "warning", "does not exist");
    let variables = [("POD_NAMESPACE", world.namespace.clone()), ("POD_NAME", "pod-1".to_owned())];
    world.environment.extend(variables.map(|(name, value)| (name, Some(value))));
    world.start_operator_with(admin, &["--leader-elect", "--lease-name", "doctor"]).await;
    wait_until("it leads", SOON, || async {
        (world.metric("tempcred_leader").await == Some(1.0)).then_some(())
    })
    .await;
    pod.report(&world, &[]).await.assert("leader", "ok", "pod-1, renewed");
    assert!(world.stop_operator().success());
    pod.report(&world, &[]).await.assert("leader", "warning", "No replica holds the Lease.");
}
