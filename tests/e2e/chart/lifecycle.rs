//! The chart is installed, upgraded and uninstalled, as a user would.

use std::fs;
use std::path::{Path, PathBuf};

use rig::{Rig, User};
use serde_json::Value;

use super::render::chart_rig;
use super::{CHART, variables};
use crate::world::{SOON, World, is_ready, plain, wait_until};

const NAMESPACE: &str = "tempcred-system";

const CRD: &str = "temporarycredentials.tempcred.dev";

/// A field that only the next version of the CRD has.
const NEW_FIELD: &str = "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.next";

/// Runs Helm in the chart's namespace, and returns its output.
fn helm(rig: &Rig, args: &[&str]) -> String {
    rig.helm_output(&[args, &["--namespace", NAMESPACE]].concat()).unwrap()
}

fn exists(rig: &Rig, object: &str) -> bool {
    let found =
        rig.kubectl_output(&["get", object, "--ignore-not-found", "--namespace", NAMESPACE]);
    !found.unwrap().is_empty()
}

/// The chart with a CRD of a later version.
fn next_chart(rig: &Rig) -> PathBuf {
    let next = rig.dir().join("next");
    copy(Path::new(CHART), &next);
    let path = next.join("files/crds/temporarycredentials.yaml");
    let mut crd: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    spec["properties"]["next"] = serde_yaml::from_str("{type: string}").unwrap();
    fs::write(&path, serde_yaml::to_string(&crd).unwrap()).unwrap();
    next
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(path, target).unwrap()),
        }
    }
}

/// Starts the operator as the chart's Pods would be: with its ServiceAccount and its settings.
async fn start(world: &mut World) {
    let deployment = ["get", "deployment/tempcred", "--output=json", "--namespace", NAMESPACE];
    let deployment = world.rig.kubectl_output(&deployment).unwrap();
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    for (name, value) in variables(&deployment) {
        world.environment.insert(name.leak(), Some(value));
    }
    world.environment.insert("POD_NAME", Some("tempcred-0".to_owned()));
    world.environment.insert("POD_NAMESPACE", Some(NAMESPACE.to_owned()));
    // A recreated ServiceAccount has another token.
    let account = User::service_account(NAMESPACE, "tempcred");
    let kubeconfig = world.rig.kubeconfig_for(&account, None).unwrap();
    world.start_operator_with(kubeconfig, &[]).await;
}

#[tokio::test]
async fn nothing_is_lost_by_an_upgrade_or_a_reinstallation() {
    let rig = tokio::task::spawn_blocking(chart_rig).await.unwrap();
    let install = ["install", "tempcred", CHART, "--create-namespace"];
    let said = helm(rig, &install);
    let (_, notes) = said.split_once("NOTES:\n").expect("Helm shows what to do next");
    insta::assert_snapshot!(notes.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    rig.serve_crds().unwrap();
    let (_, manifest) = notes.split_once("<<'END'\n").unwrap();
    let (manifest, _) = manifest.split_once("END\n").unwrap();
    let path = rig.dir().join("notes.yaml");
    fs::write(&path, manifest).unwrap();
    let apply = ["apply", "--dry-run=server", "--filename", &path.display().to_string()];
    rig.kubectl_output(&apply).unwrap();

    let mut world = World::on(rig).await;
    start(&mut world).await;
    world.issue("reports", plain()).await;

    // A CRD that has changed is upgraded with the chart, while the operator runs.
    let next = next_chart(rig).display().to_string();
    let field = format!("--output=jsonpath={{.{NEW_FIELD}.type}}");
    let of_crd = ["get", "crd", CRD, &field];
    assert_eq!(rig.kubectl_output(&of_crd).unwrap(), "");
    helm(rig, &["upgrade", "tempcred", &next]);
    assert_eq!(rig.kubectl_output(&of_crd).unwrap(), "string");
    world.issue("later", plain()).await;
    assert!(world.stop_operator().success());

    // Uninstalling removes the operator's permissions, and keeps the objects of users.
    helm(rig, &["uninstall", "tempcred"]);
    for gone in ["clusterrole/tempcred", "deployment/tempcred", "serviceaccount/tempcred"] {
        assert!(!exists(rig, gone), "{gone}");
    }
    assert!(exists(rig, &format!("crd/{CRD}")));
    let status = world.credentials().get("reports").await.unwrap().status.unwrap();
    assert!(is_ready(&status));
    world.secrets().get("reports").await.unwrap();

    // Installed again, it continues where it stopped.
    helm(rig, &install);
    start(&mut world).await;
    world.issue("latest", plain()).await;
    assert_eq!(world.sts.calls_total(), 3, "nothing that is valid is issued again");
    assert!(world.stop_operator().success());

    // The CRDs, and with them all resources, are only deleted on request.
    helm(rig, &["upgrade", "tempcred", CHART, "--set=crds.keep=false"]);
    helm(rig, &["uninstall", "tempcred"]);
    wait_until("the CRD is gone", SOON, || async {
        (!exists(rig, &format!("crd/{CRD}"))).then_some(())
    })
    .await;
}
