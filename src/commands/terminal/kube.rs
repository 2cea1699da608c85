//! The flags that select a cluster and a namespace, as for kubectl, and requests in their scope.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use kube::api::{ApiResource, Object};
use kube::core::DynamicResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};

use crate::cluster::clients;
use crate::commands::kubernetes::{self, Pages};

/// Objects in a page of a list: few requests for many resources, and a few megabytes of memory for a page.
const PAGE: u32 = 1000;

/// Requests at the same time, about.
const CONNECTIONS: u16 = 8;

/// Selects the cluster and the namespace.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Namespace of the resources. Default: that of the context.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// File of the kubeconfig. Default: that of KUBECONFIG, then ~/.kube/config, then the ServiceAccount of the Pod.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// A connection to the cluster.
pub struct Connection {
    /// The client for requests whose replies contain no secret values.
    pub client: Client,
    /// The client for Secrets: it keeps no connection, and so no reply, when it is idle.
    pub values: Client,
    /// The namespace of the flags, or of the context.
    pub namespace: String,
}

impl Target {
    /// Connects to the selected cluster. No request is made yet.
    ///
    /// # Errors
    /// If no cluster is configured. The message says what to set.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let config = kubernetes::config(self.context.as_deref(), self.kubeconfig.as_deref()).await;
        let config = config.context(
            "no Kubernetes cluster is configured: set KUBECONFIG, --kubeconfig or --context",
        )?;
        let config = kubernetes::without_proxy(config)?;
        let namespace = self.namespace.as_ref().unwrap_or(&config.default_namespace).clone();
        let clients =
            clients(config, CONNECTIONS).context("the Kubernetes cluster cannot be used")?;
        Ok(Connection { client: clients.watches, values: clients.values, namespace })
    }
}

/// The fields of a spec that these commands use. A list decodes no others, so it also reads newer specs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// The Secret.
    pub secret: SpecSecret,
    /// Whether renewals are stopped.
    pub suspend: bool,
    /// The region.
    pub region: Option<String>,
}

/// The field of `spec.secret` that these commands use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SpecSecret {
    /// Name of the Secret.
    pub name: Option<String>,
}

/// A resource, with only these fields.
pub type Credential = Object<Spec, CredentialStatus>;

/// The type of the resources.
pub fn resource() -> ApiResource {
    ApiResource::erase::<TemporaryCredential>(&())
}

/// The name of the Secret of a resource.
pub fn secret_name(credential: &Credential) -> &str {
    let own = credential.spec.secret.name.as_deref();
    own.or(credential.metadata.name.as_deref()).unwrap_or_default()
}

impl Connection {
    /// The resources of the namespace, or of all namespaces.
    pub fn api<K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>>(
        &self,
        all: bool,
    ) -> Api<K> {
        if all {
            Api::all_with(self.client.clone(), &resource())
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource())
        }
    }

    /// A resource of the namespace.
    ///
    /// # Errors
    /// If the request fails, or there is no such resource.
    pub async fn credential(&self, name: &str) -> anyhow::Result<Credential> {
        let found = self.api(false).get_opt(name).await;
        found.map_err(|error| cannot("read", &error))?.with_context(|| self.missing(name))
    }

    /// The message for a resource that does not exist.
    pub fn missing(&self, name: &str) -> String {
        format!(
            "there is no TemporaryCredential {name} in namespace {}: check the name, or set --namespace",
            self.namespace
        )
    }
}

/// A list of resources that is read page by page.
pub struct Listing<'a, K>(Pages<'a, K>);

impl<'a, K> Listing<'a, K>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    /// All resources of the API's scope. No request is made yet.
    pub fn of(api: &'a Api<K>) -> Self {
        Self(Pages::new(api, PAGE))
    }

    /// The next page. `None` after the last one.
    ///
    /// # Errors
    /// If the request fails.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<K>>> {
        self.0.next().await.map_err(|error| cannot("list", &error))
    }
}

/// The error of a request for TemporaryCredentials, with what to change.
pub fn cannot(verb: &str, error: &kube::Error) -> anyhow::Error {
    let (why, advice) = match error {
        kube::Error::Api(status) if status.code == 404 => (
            "the cluster does not know them".to_owned(),
            "install the CRDs: tempcred crds | kubectl apply --server-side -f -",
        ),
        kube::Error::Api(status) if status.code == 403 => (
            "forbidden".to_owned(),
            "ask for permission, for example the ClusterRole view or edit in this namespace",
        ),
        kube::Error::Api(status) if status.code == 401 => (
            "unauthorized".to_owned(),
            "log in again: the credentials of the kubeconfig are invalid",
        ),
        kube::Error::Api(status) => {
            (format!("{} (HTTP {})", status.message, status.code), "change what the message names")
        }
        _ => (
            format!("the API server cannot be reached: {error}"),
            "check the kubeconfig, and the network path to the cluster",
        ),
    };
    anyhow::anyhow!("TemporaryCredentials: cannot {verb}: {why}. What to do: {advice}")
}
