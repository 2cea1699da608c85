//! An operator as the chart installs it.

use super::Pod;
use crate::world::World;

/// The checks whose findings other tests change in the shared control plane.
const SHARED: &[&str] = &["RoleGrants"];

#[tokio::test]
async fn an_operator_of_the_chart_has_no_problem() {
    let world = World::new().await;
    let pod = Pod::of(&world);
    let (code, out) = pod.run(&world, &[]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains('\x1b'), "no colours in a pipe");
    insta::assert_snapshot!(stable(&world, &out));

    let report = pod.report(&world, &[]).await;
    let problems = report.json["summary"]["problem"].as_u64();
    assert_eq!((report.code, problems), (Some(0), Some(0)));
    let first = &report.json["checks"][0];
    assert_eq!((&first["group"], &first["check"]), (&"cluster".into(), &"api-server".into()));
    assert_eq!(report.findings("crds").len(), 2);
    assert_eq!(world.sts.calls("GetCallerIdentity"), 2);
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn in_a_pod_it_uses_the_service_account_of_the_pod() {
    let world = World::new().await;
    let report = Pod::of(&world).in_cluster(&world).report(&world, &[]).await;
    report.assert("api-server", "ok", "(the ServiceAccount of the Pod).");
    report.assert("user", "ok", world.rig.operator().name());
    report.assert("rbac", "ok", "all");
    assert_eq!(report.code, Some(0), "{:#}", report.json);
}

/// The report without what differs between two runs.
fn stable(world: &World, out: &str) -> String {
    let version = world.kubectl(&["version", "--output", "json"]);
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    let out = out
        .replace(version["serverVersion"]["gitVersion"].as_str().unwrap(), "VERSION")
        .replace(world.rig.server(), "SERVER")
        .replace(&world.sts.url(), "ENDPOINT")
        .replace(&world.namespace, "NAMESPACE");
    let mut lines = Vec::new();
    let mut is_shared = false;
    for line in out.lines() {
        let title = line.get(9..).unwrap_or_default();
        // A line that begins with spaces belongs to the finding above it.
        is_shared = match line.starts_with(' ') {
            true => is_shared,
            false => SHARED.iter().any(|shared| title.starts_with(shared)),
        };
        let is_summary = line.contains(" skipped, ");
        if is_shared || is_summary {
            continue;
        }
        let took = line.split_once("Replied in ").map(|(before, after)| {
            let (_, rest) = after.split_once(" ms").unwrap();
            format!("{before}Replied in N ms{rest}")
        });
        let kubeconfig = line.split_once("(/").map(|(before, after)| {
            let (_, context) = after.split_once(", context").unwrap();
            format!("{before}(KUBECONFIG, context{context}")
        });
        lines.push(took.or(kubeconfig).unwrap_or_else(|| line.to_owned()));
    }
    lines.join("\n").replace(env!("CARGO_PKG_VERSION"), "0.0.0")
}
