//! Pods with the label `tempcred.dev/inject` get credentials: by the MutatingAdmissionPolicy of the chart, or by the
//! kustomize component. The Pods are created on the API server; none of them runs.

mod agent;
mod component;
mod injected;
mod labels;
mod left_alone;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::chart::rights::apply;
use crate::chart::template;
use crate::world::{SOON, World, wait_until};

/// What users read about it.
const GUIDE: &str = include_str!("../../../docs/delivery/injection.md");

/// What the policy says about a Pod.
const STATUS: &str = "tempcred.dev/inject-status";

/// The kinds of a release that belong to the injection.
const KINDS: [&str; 4] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// A world in which Pods are injected, until it is dropped.
struct Injection {
    world: World,
    /// Kind and name of each object that is removed in the end.
    installed: Vec<(String, String)>,
}

impl Injection {
    /// Installs the policies of a release that serves only the namespace of a new world, and waits until they are in
    /// force.
    async fn new() -> Self {
        let world = World::new().await;
        let own = world.namespace.clone();
        let values = format!("--set=injection.enabled=true,settings.namespaces={{{own}}}");
        let mut objects = template(&["--namespace", &own, &values]);
        objects.retain(|object| {
            let name = object["metadata"]["name"].as_str().unwrap();
            KINDS.contains(&object["kind"].as_str().unwrap()) && name.contains("-injection")
        });
        assert_eq!(objects.len(), KINDS.len());
        let mut injection = Self { world, installed: vec![] };
        injection.install(&objects);
        wait_until("Pods are injected", SOON, || async {
            let pod = injection.create(&pod("probe", "files", alone())).await.unwrap();
            status(&pod).map(drop)
        })
        .await;
        wait_until("labels are validated", SOON, || async {
            injection.create(&pod("probe", "never", alone())).await.err().map(drop)
        })
        .await;
        injection
    }

    /// Creates objects that are removed in the end.
    fn install(&mut self, objects: &[Value]) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.installed
            .extend(objects.iter().map(|o| (text(&o["kind"]), text(&o["metadata"]["name"]))));
        apply(&self.world, objects);
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.world.client.clone(), &self.world.namespace)
    }

    /// The Pod that the API server would store.
    async fn create(&self, pod: &Value) -> kube::Result<Value> {
        create(&self.pods(), pod, true).await
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        for (kind, name) in &self.installed {
            let mut kubectl = self.world.rig.kubectl();
            let _ = kubectl.args(["delete", kind, name, "--ignore-not-found"]).output();
        }
    }
}

/// Creates a Pod, and returns it as the API server stores it.
async fn create(pods: &Api<Pod>, pod: &Value, dry_run: bool) -> kube::Result<Value> {
    let params = PostParams { dry_run, ..PostParams::default() };
    let pod = serde_json::from_value(pod.clone()).unwrap();
    Ok(serde_json::to_value(pods.create(&params, &pod).await?).unwrap())
}

/// A Pod that asks for the Secret `reports-aws`.
fn pod(name: &str, mode: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {
            "tempcred.dev/inject": "reports-aws", "tempcred.dev/inject-mode": mode,
        }},
        "spec": spec,
    })
}

/// The same Pod without the labels.
fn unlabelled(pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["metadata"].as_object_mut().unwrap().remove("labels");
    pod
}

/// The spec of a Pod with one container.
fn alone() -> Value {
    json!({"containers": [{"name": "app", "image": "app"}]})
}

/// The spec of a Pod with init containers, a sidecar, several containers, volumes and variables of its own.
fn crowded() -> Value {
    json!({
        "initContainers": [
            {"name": "prepare", "image": "app", "env": [{"name": "AWS_REGION", "value": "eu-central-1"}]},
            {"name": "proxy", "image": "proxy", "restartPolicy": "Always"},
        ],
        "containers": [
            {
                "name": "app", "image": "app",
                "env": [{"name": "LOG", "value": "debug"}, {"name": "AWS_REGION", "value": "eu-central-1"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            {"name": "exporter", "image": "exporter", "envFrom": [{"configMapRef": {"name": "exporter"}}]},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    })
}

/// What the policy says about a Pod.
fn status(pod: &Value) -> Option<&str> {
    pod["metadata"]["annotations"][STATUS].as_str()
}

/// What the guide shows of a Pod: without what the API server itself adds.
fn shown(pod: &Value) -> String {
    let fields = |value: &Value, names: &[&str]| -> Value {
        let all = value.as_object().unwrap().iter();
        let kept = all.filter(|(name, _)| names.contains(&name.as_str()));
        Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let containers = |list: &Value| -> Value {
        let wanted = [
            "name",
            "image",
            "command",
            "args",
            "env",
            "envFrom",
            "volumeMounts",
            "restartPolicy",
            "startupProbe",
            "resources",
            "securityContext",
        ];
        let mut list: Vec<_> =
            list.as_array().into_iter().flatten().map(|c| fields(c, &wanted)).collect();
        for container in &mut list {
            container.as_object_mut().unwrap().retain(|_, value| *value != json!({}));
        }
        list.into()
    };
    let shown = json!({
        "annotations": pod["metadata"]["annotations"],
        "initContainers": containers(&pod["spec"]["initContainers"]),
        "containers": containers(&pod["spec"]["containers"]),
        "volumes": pod["spec"]["volumes"],
    });
    serde_yaml::to_string(&shown).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}
