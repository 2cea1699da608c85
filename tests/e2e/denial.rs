//! An admission policy that denies writes in one namespace for a while, as the policies of a cluster may.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tempcred_core::api::TemporaryCredential;

use crate::world::{SOON, World, wait_until};

/// What is denied.
pub enum Denied {
    /// Creating and changing Secrets.
    Secrets,
    /// Writing the status of resources. The name is that of an existing one, for the probe.
    Statuses(&'static str),
}

/// A policy in force.
pub struct Denial {
    client: Client,
    namespace: String,
    denied: Denied,
    name: String,
}

impl Denial {
    /// Creates the policy, and returns once the API server enforces it.
    pub async fn start(world: &World, denied: Denied) -> Self {
        let (resource, name) = match denied {
            Denied::Secrets => ("secrets", format!("{}-secrets", world.namespace)),
            Denied::Statuses(_) => {
                ("temporarycredentials/status", format!("{}-statuses", world.namespace))
            }
        };
        let policy = json!({
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": world.namespace},
                    },
                    "resourceRules": [{
                        "apiGroups": ["*"], "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"], "resources": [resource],
                    }],
                },
                "validations": [{"expression": "false", "message": "not now"}],
            },
        });
        let binding = json!({
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        Api::<ValidatingAdmissionPolicy>::all(world.client.clone())
            .create(&PostParams::default(), &serde_json::from_value(policy).unwrap())
            .await
            .unwrap();
        Api::<ValidatingAdmissionPolicyBinding>::all(world.client.clone())
            .create(&PostParams::default(), &serde_json::from_value(binding).unwrap())
            .await
            .unwrap();
        let denial =
            Self { client: world.client.clone(), namespace: world.namespace.clone(), denied, name };
        wait_until("the policy is in force", SOON, || async {
            denial.refuses().await.then_some(())
        })
        .await;
        denial
    }

    /// Deletes the policy, and returns once the API server accepts such writes again.
    pub async fn end(self) {
        let client = || self.client.clone();
        Api::<ValidatingAdmissionPolicyBinding>::all(client())
            .delete(&self.name, &DeleteParams::default())
            .await
            .unwrap();
        Api::<ValidatingAdmissionPolicy>::all(client())
            .delete(&self.name, &DeleteParams::default())
            .await
            .unwrap();
        wait_until("the policy is no longer in force", SOON, || async {
            (!self.refuses().await).then_some(())
        })
        .await;
    }

    /// Whether such a write is denied, by a dry run.
    async fn refuses(&self) -> bool {
        let result = match self.denied {
            Denied::Secrets => {
                let params = PostParams { dry_run: true, ..PostParams::default() };
                let probe: Secret =
                    serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap();
                Api::<Secret>::namespaced(self.client.clone(), &self.namespace)
                    .create(&params, &probe)
                    .await
                    .map(|_| ())
            }
            Denied::Statuses(name) => {
                let params = PatchParams { dry_run: true, ..PatchParams::default() };
                // Policies do not see a patch that changes nothing.
                let patch = Patch::Merge(json!({"status": {"packedPolicySize": 99}}));
                Api::<TemporaryCredential>::namespaced(self.client.clone(), &self.namespace)
                    .patch_status(name, &params, &patch)
                    .await
                    .map(|_| ())
            }
        };
        match result {
            Ok(()) => false,
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, 422, "{status:?}");
                true
            }
            Err(other) => panic!("{other}"),
        }
    }
}
