//! The kustomize component does the same as the policy.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Injection, alone, create, crowded, pod};
use crate::examples::{files, root};
use crate::world::{World, rig};

/// The kinds of workloads, and where each has its template of a Pod.
const WORKLOADS: [(&str, &str, &str); 6] = [
    ("v1", "Pod", ""),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
];

/// A workload whose Pods have this spec, with the labels on the workload alone.
fn workload(api: &str, kind: &str, at: &str, labels: &Value, spec: &Value) -> Value {
    let mut object = json!({"spec": spec});
    for name in at.rsplit('/').filter(|name| !name.is_empty()) {
        object = json!({name: object});
    }
    object["apiVersion"] = api.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": kind.to_lowercase(), "labels": labels});
    object
}

/// Renders a kustomization, and returns its objects.
fn kustomize(folder: &PathBuf) -> Vec<Value> {
    let mut kubectl = rig().kubectl();
    let output = kubectl.arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let yaml = String::from_utf8(output.stdout).unwrap();
    let objects = serde_yaml::Deserializer::from_str(&yaml);
    objects.map(|object| Value::deserialize(object).unwrap()).collect()
}

/// Renders these objects with the component.
fn with_component(name: &str, secret: &str, objects: &[Value]) -> Vec<Value> {
    let folder = rig().dir().join(name);
    fs::create_dir_all(folder.join("component")).unwrap();
    for file in files(&root().join("examples/inject/component"), "yaml") {
        fs::copy(&file, folder.join("component").join(file.file_name().unwrap())).unwrap();
    }
    let parameter = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"secret": secret},
        "metadata": {"name": "tempcred-inject", "annotations": {"config.kubernetes.io/local-config": "true"}},
    });
    let all = [&[parameter], objects].concat();
    let yaml: Vec<_> = all.iter().map(|object| serde_yaml::to_string(object).unwrap()).collect();
    fs::write(folder.join("objects.yaml"), yaml.join("---\n")).unwrap();
    let kustomization = json!({"resources": ["objects.yaml"], "components": ["component"]});
    fs::write(folder.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    kustomize(&folder)
}

/// A spec with the lists in the order of their keys: only the order of init containers means something.
fn sorted(mut spec: Value) -> Value {
    let by = |list: &mut Value, key: &str| {
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(|item| item[key].as_str().unwrap().to_owned());
        }
    };
    by(&mut spec["volumes"], "name");
    for kind in ["initContainers", "containers"] {
        for container in spec[kind].as_array_mut().into_iter().flatten() {
            by(&mut container["env"], "name");
            by(&mut container["volumeMounts"], "mountPath");
        }
    }
    spec
}

#[tokio::test]
async fn the_component_does_the_same_as_the_policy() {
    let injection = Injection::new().await;
    let elsewhere = World::new().await;
    let unchanged = kube::Api::namespaced(elsewhere.client.clone(), &elsewhere.namespace);
    let name = |row: &str| format!("{}-{row}", injection.world.namespace);
    for (row, mode, mut spec) in [
        ("alone", "files", alone()),
        ("crowded", "files", crowded()),
        ("alone-agent", "agent", alone()),
        ("crowded-agent", "agent", crowded()),
    ] {
        // Jobs do not accept the default.
        spec["restartPolicy"] = "OnFailure".into();
        let asked = pod("reports", mode, spec.clone());
        let by_policy = injection.create(&asked).await.unwrap();
        let labels = &asked["metadata"]["labels"];
        let workloads = WORKLOADS.map(|(api, kind, at)| workload(api, kind, at, labels, &spec));
        let rendered = with_component(&name(row), "reports-aws", &workloads);
        assert_eq!(rendered.len(), workloads.len(), "{row}");
        for (_, kind, at) in WORKLOADS {
            let object = rendered.iter().find(|object| object["kind"] == kind).unwrap();
            let template = object.pointer(at).unwrap();
            assert_eq!(
                template["metadata"]["labels"]["tempcred.dev/inject"], "reports-aws",
                "{row}"
            );
            let mut pod = asked.clone();
            pod["spec"] = template["spec"].clone();
            let by_component = create(&unchanged, &pod, true).await.unwrap();
            let expected = sorted(by_policy["spec"].clone());
            assert_eq!(sorted(by_component["spec"].clone()), expected, "{row} {kind}");
            // The policy finds nothing to do.
            let by_both = injection.create(&pod).await.unwrap();
            assert_eq!(by_both["spec"], by_component["spec"], "{row} {kind}");
        }
    }
}

#[tokio::test]
async fn the_component_changes_only_workloads_with_the_label_and_names_their_secret() {
    let world = World::new().await;
    let objects = [
        workload("apps/v1", "Deployment", "/spec/template", &json!({"app": "x"}), &alone()),
        workload(
            "batch/v1",
            "Job",
            "/spec/template",
            &json!({"tempcred.dev/inject": "old"}),
            &alone(),
        ),
    ];
    let rendered = with_component(&world.namespace, "new", &objects);
    let of_kind = |kind: &str| rendered.iter().find(|object| object["kind"] == kind).unwrap();
    assert_eq!(*of_kind("Deployment"), objects[0]);
    let job = of_kind("Job");
    assert_eq!(job["metadata"]["labels"]["tempcred.dev/inject"], "new");
    assert_eq!(job["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"], "new");
    assert_eq!(rendered.len(), 2, "the ConfigMap is no part of the output");
}

#[tokio::test]
async fn the_api_server_accepts_the_example_of_the_component() {
    let world = World::new().await;
    let objects = kustomize(&root().join("examples/inject"));
    assert_eq!(objects.len(), 2);
    for object in objects {
        crate::examples::apply(&world, &world.namespace, &object, true).unwrap();
        assert!(object.to_string().contains("reports-aws"), "{object}");
    }
}
