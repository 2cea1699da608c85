//! The CustomResourceDefinitions, in a control plane without a release.

use rig::Rig;
use serde_json::{Value, json};
use tempcred_core::api::crds;

use super::{Pod, Report};
use crate::outage::blocking;
use crate::world::{SOON, World, heavy, wait_until};

const GRANTS: &str = "rolegrants.tempcred.dev";
const CREDENTIALS: &str = "temporarycredentials.tempcred.dev";

/// Applies definitions after a change, as an administrator.
fn apply(rig: &Rig, change: impl Fn(&mut Value)) {
    for crd in crds() {
        let mut crd = serde_json::to_value(crd).unwrap();
        change(&mut crd);
        let path = rig.dir().join("changed-crd.json");
        std::fs::write(&path, crd.to_string()).unwrap();
        let path = path.display().to_string();
        let apply = ["apply", "--server-side", "--force-conflicts", "--filename", &path];
        rig.kubectl_output(&apply).unwrap();
    }
    rig.wait_for_crds(&[&format!("crd/{GRANTS}"), &format!("crd/{CREDENTIALS}")]).unwrap();
}

/// The fields of the spec in a definition.
fn fields(crd: &mut Value) -> &mut Value {
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    &mut schema["properties"]["spec"]["properties"]
}

/// Repeats the checks until one finds this: discovery and schemas follow a definition after a moment.
async fn wait_for(pod: &Pod, world: &World, result: &str, part: &str) -> Report {
    wait_until(part, SOON, || async {
        let report = pod.report(world, &[]).await;
        let is = |(level, message): &(&str, &str)| *level == result && message.contains(part);
        report.findings("crds").iter().any(is).then_some(report)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_older_newer_and_deleted_definitions_are_told_apart() {
    let _alone = heavy().await;
    let rig: &'static Rig =
        blocking(|| Box::leak(Box::new(Rig::start().unwrap())) as &'static Rig).await;
    // A world has a grant, which this control plane does not know yet.
    apply(rig, |_| ());
    let world = World::on(rig).await;
    let pod = Pod::with_kubeconfig(&world, rig.kubeconfig());
    wait_for(&pod, &world, "ok", &format!("{GRANTS} serves v1alpha1, with the schema")).await;
    let report =
        wait_for(&pod, &world, "ok", &format!("{CREDENTIALS} serves v1alpha1, with")).await;
    assert!(report.findings("crds").iter().all(|(result, _)| *result == "ok"), "{:#}", report.json);

    apply(rig, |crd| {
        let fields = fields(crd).as_object_mut().unwrap();
        fields.remove("maxDuration");
        fields.remove("restart");
        // A rule must not mention a field that does not exist.
        drop(
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
                .as_object_mut()
                .unwrap()
                .remove("x-kubernetes-validations"),
        );
    });
    let older = format!("{GRANTS} is older than this binary: it lacks spec.maxDuration.");
    let report = wait_for(&pod, &world, "problem", &older).await;
    assert!(report.advice("crds").contains("kubectl apply --server-side"), "{:#}", report.json);
    wait_for(
        &pod,
        &world,
        "problem",
        &format!("{CREDENTIALS} is older than this binary: it lacks spec.restart."),
    )
    .await;

    apply(rig, |crd| fields(crd)["tomorrow"] = json!({"type": "string"}));
    wait_for(
        &pod,
        &world,
        "warning",
        &format!("{GRANTS} is newer than this binary: it has the new fields spec.tomorrow."),
    )
    .await;

    apply(rig, |crd| {
        if let Some(arns) = fields(crd).get_mut("roleArns") {
            arns["maxItems"] = 3.into();
        }
    });
    wait_for(
        &pod,
        &world,
        "warning",
        &format!("{GRANTS} has other limits or rules than this binary for spec.roleArns."),
    )
    .await;

    // A finalizer keeps the grant of the world, and with it the definition.
    let finalizer = |keys: Value| {
        let patch = json!({"metadata": {"finalizers": keys}}).to_string();
        world.kubectl(&["patch", "rolegrant", &world.namespace, "--type=merge", "--patch", &patch]);
    };
    finalizer(json!(["example.com/keep"]));
    world.kubectl(&["delete", "crd", GRANTS, "--wait=false"]);
    wait_for(&pod, &world, "problem", &format!("{GRANTS} is being deleted")).await;
    finalizer(Value::Null);
    world.kubectl(&["delete", "crd", CREDENTIALS, "--wait=false"]);
    wait_for(&pod, &world, "problem", &format!("{GRANTS} is not installed.")).await;
    let report =
        wait_for(&pod, &world, "problem", &format!("{CREDENTIALS} is not installed.")).await;
    assert!(report.advice("crds").contains("tempcred crds | kubectl apply"), "{:#}", report.json);
    // There are no grants, but the operator must know that.
    report.assert("grants", "problem", "cannot be listed");
}
