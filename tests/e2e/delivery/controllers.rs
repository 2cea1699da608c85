//! What the control plane of the rig lacks: a kubelet that starts Pods.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tempcred_core::api::{CredentialStatus, RestartState};

use crate::world::{SOON, World, wait_until};

/// Makes all Pods of a namespace ready, until it is dropped.
pub struct Kubelet(tokio::task::JoinHandle<()>);

impl Kubelet {
    pub fn start(world: &World) -> Self {
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
        Self(tokio::spawn(async move {
            loop {
                for pod in pods.list(&Default::default()).await.into_iter().flatten() {
                    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                    if phase != Some("Running") {
                        let ready = json!({"status": {
                            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                        }});
                        let (name, params) = (pod.name_any(), PatchParams::default());
                        // The Pod may be gone.
                        let _ = pods.patch_status(&name, &params, &Patch::Merge(ready)).await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl World {
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Deployment with two Pods, and waits for its first rollout if a kubelet runs.
    pub async fn deploy(&self, name: &str, deadline: u32) {
        let labels = json!({"app": name});
        let deployment = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": labels},
                "progressDeadlineSeconds": deadline,
                "template": {
                    "metadata": {"labels": labels, "annotations": {"kept": "yes"}},
                    "spec": {"containers": [{"name": "main", "image": "example.com/none"}]},
                },
            },
        }))
        .unwrap();
        self.deployments().create(&PostParams::default(), &deployment).await.unwrap();
    }

    /// Waits until all Pods of a Deployment are available.
    pub async fn wait_for_rollout(&self, name: &str) {
        wait_until(&format!("Deployment {name} is available"), SOON, || async {
            let deployment = self.deployments().get(name).await.unwrap();
            let generation = deployment.metadata.generation;
            let status = deployment.status?;
            let done = status.observed_generation == generation
                && status.available_replicas == Some(2)
                && status.updated_replicas == Some(2);
            done.then_some(())
        })
        .await;
    }

    /// How many rollouts a Deployment has had, its first included.
    pub async fn rollouts(&self, name: &str) -> u32 {
        let deployment = self.deployments().get(name).await.unwrap();
        let revision = deployment.annotations().get("deployment.kubernetes.io/revision").cloned();
        revision.unwrap_or_default().parse().unwrap_or_default()
    }

    /// The annotations of the Pod template of a Deployment.
    pub async fn template_annotation(&self, name: &str, key: &str) -> Option<String> {
        let deployment = self.deployments().get(name).await.unwrap();
        deployment.spec?.template.metadata?.annotations?.get(key).cloned()
    }
}

/// Whether each workload of the status is in this state.
pub fn all_in(state: RestartState) -> impl Fn(&CredentialStatus) -> bool {
    move |status| {
        !status.restarts.is_empty() && status.restarts.iter().all(|one| one.state == state)
    }
}
