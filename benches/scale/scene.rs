//! A control plane with resources, and STS: the surroundings of one run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use rig::Rig;
use rig::sts::{Fault, Responder};
use serde_json::{Map, Value, json};
use tempcred_core::api::{RENEW_REQUESTED_AT, RoleGrant, TemporaryCredential};

use crate::workers;

/// Time that STS takes for a reply.
pub const STS_DELAY: Duration = Duration::from_millis(20);

/// Number of namespaces that share the resources.
pub const NAMESPACES: usize = 10;

/// What is installed in the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The chart of tempcred with its default values, a grant for all roles, and `TemporaryCredential`s.
    Chart,
    /// Resources without a schema and without an operator.
    BareResources,
}

/// A control plane of its own, without an audit log, and an STS that replies after [`STS_DELAY`].
pub struct Scene {
    /// The control plane.
    pub rig: Arc<Rig>,
    /// STS.
    pub sts: Responder,
    /// A client with all permissions.
    pub admin: Client,
    /// Number of resources.
    pub size: usize,
    contents: Contents,
    spec: Map<String, Value>,
}

impl Scene {
    /// Starts everything. The resources are not created yet. Their specs will have these fields too.
    pub async fn start(contents: Contents, size: usize, spec: &Map<String, Value>) -> Result<Self> {
        let rig = tokio::task::spawn_blocking(move || {
            let rig = Rig::start_unaudited()?;
            if contents == Contents::Chart {
                // Only the rights are needed, for a spec that restarts workloads.
                let restarts = "--set=features.workloadRestarts=true";
                rig.install_with(env!("CARGO_MANIFEST_DIR").as_ref(), &[restarts])?;
            }
            anyhow::Ok(rig)
        });
        let rig = Arc::new(rig.await??);
        let sts = Responder::start()?;
        sts.inject(Fault::delay(STS_DELAY));
        let admin = client(rig.kubeconfig().to_owned()).await?;
        let scene = Self { rig, sts, admin, size, contents, spec: spec.clone() };
        scene.prepare().await?;
        Ok(scene)
    }

    async fn prepare(&self) -> Result<()> {
        for number in 0..NAMESPACES {
            let object = json!({"metadata": {"name": namespace(number)}});
            Api::<Namespace>::all(self.admin.clone())
                .create(&PostParams::default(), &serde_json::from_value(object)?)
                .await?;
        }
        match self.contents {
            Contents::Chart => {
                let grant = json!({
                    "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
                    "metadata": {"name": "scale"},
                    "spec": {
                        "namespaces": {"names": ["scale-*"]},
                        "roleArns": ["arn:aws:iam::123456789012:role/*"],
                    },
                });
                Api::<RoleGrant>::all(self.admin.clone())
                    .create(&PostParams::default(), &serde_json::from_value(grant)?)
                    .await?;
            }
            Contents::BareResources => {
                let params = PatchParams::apply("scale").force();
                let crd = bare_crd();
                let kind =
                    GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
                Api::<DynamicObject>::all_with(self.admin.clone(), &ApiResource::from_gvk(&kind))
                    .patch("bares.scale.test", &params, &Patch::Apply(crd))
                    .await?;
                let rig = Arc::clone(&self.rig);
                let wait = move || rig.wait_for_crds(&["crd/bares.scale.test"]);
                tokio::task::spawn_blocking(wait).await??;
            }
        }
        Ok(())
    }

    /// Creates the resources.
    pub async fn create_resources(&self) -> Result<()> {
        let (client, kind, spec) = (self.admin.clone(), self.kind(), self.spec.clone());
        workers::for_each(self.size, move |number| {
            let (client, kind, mut spec) = (client.clone(), kind.clone(), spec.clone());
            spec.insert("assumeRole".to_owned(), json!({"roleArn": role_arn(number)}));
            async move {
                let api = Api::<DynamicObject>::namespaced_with(client, &namespace(number), &kind);
                let object = json!({
                    "apiVersion": kind.api_version, "kind": kind.kind,
                    "metadata": {"name": name(number)},
                    "spec": spec,
                });
                let object = serde_json::from_value(object)?;
                // A CRD that was just established may not be served yet.
                let retry = |error: &kube::Error| {
                    matches!(error, kube::Error::Api(status) if status.code == 404)
                };
                for _ in 0..50 {
                    match api.create(&PostParams::default(), &object).await {
                        Err(error) if retry(&error) => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        created => return created.map(drop).map_err(Into::into),
                    }
                }
                anyhow::bail!("the API server does not serve {}", kind.plural)
            }
        })
        .await
    }

    /// Requests a renewal of all resources. `request` is the value of the annotation.
    pub async fn request_renewals(&self, request: &'static str) -> Result<()> {
        let client = self.admin.clone();
        workers::for_each(self.size, move |number| {
            let api = Api::<TemporaryCredential>::namespaced(client.clone(), &namespace(number));
            async move {
                let patch = json!({"metadata": {"annotations": {RENEW_REQUESTED_AT: request}}});
                let patch = Patch::Merge(patch);
                api.patch_metadata(&name(number), &PatchParams::default(), &patch).await?;
                Ok(())
            }
        })
        .await
    }

    /// The kind of the resources.
    pub fn kind(&self) -> ApiResource {
        match self.contents {
            Contents::Chart => ApiResource::erase::<TemporaryCredential>(&()),
            Contents::BareResources => {
                let kind = GroupVersionKind::gvk("scale.test", "v1", "Bare");
                ApiResource::from_gvk_with_plural(&kind, "bares")
            }
        }
    }

    /// A kubeconfig of the operator's ServiceAccount.
    pub async fn operator_kubeconfig(&self) -> Result<PathBuf> {
        let rig = Arc::clone(&self.rig);
        tokio::task::spawn_blocking(move || rig.kubeconfig_for(rig.operator(), None)).await?
    }

    /// The process ID of the API server.
    pub fn api_server(&self) -> Result<u32> {
        let pid = self.rig.api_server_pid();
        pid.context("the benchmark needs a control plane of its own: unset TEMPCRED_RIG_KUBECONFIG")
    }

    /// The port of the API server.
    pub fn api_port(&self) -> Result<u16> {
        port(self.rig.server())
    }

    /// The port of STS.
    pub fn sts_port(&self) -> Result<u16> {
        port(&self.sts.url())
    }
}

fn port(url: &str) -> Result<u16> {
    let port = url.rsplit_once(':').context("a URL without a port")?.1;
    Ok(port.trim_end_matches('/').parse()?)
}

/// A client that does not retry, like that of the operator.
pub async fn client(kubeconfig: PathBuf) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The namespace of a resource.
pub fn namespace(number: usize) -> String {
    format!("scale-{}", number % NAMESPACES)
}

/// The name of a resource, and of its Secret.
pub fn name(number: usize) -> String {
    format!("app-{number}")
}

/// The role of a resource.
pub fn role_arn(number: usize) -> String {
    format!("arn:aws:iam::123456789012:role/app-{number}")
}

fn bare_crd() -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "bares.scale.test"},
        "spec": {
            "group": "scale.test", "scope": "Namespaced",
            "names": {"kind": "Bare", "plural": "bares", "singular": "bare", "listKind": "BareList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": any}, "subresources": {"status": {}},
            }],
        },
    })
}
