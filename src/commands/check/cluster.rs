//! Reads the grants and the resources of a cluster, for `tempcred check --cluster`.

use anyhow::Context;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client, ResourceExt};
use tempcred_core::api::{StoredGrant, TemporaryCredential};

use super::grants::Namespaces;
use crate::commands::kubernetes::{self, pages, without_proxy};

/// Objects in a page of a list.
const PAGE: u32 = 500;

/// What the cluster contains.
pub struct Live {
    /// The grants that are not being deleted.
    pub grants: Vec<StoredGrant>,
    /// The namespaces of the resources, with their labels.
    pub namespaces: Namespaces,
    /// The resources.
    pub credentials: Vec<TemporaryCredential>,
    /// Namespace and name of the resources that this version cannot decode.
    pub undecodable: Vec<String>,
}

/// Reads the grants, and the resources of a namespace or of all. `namespace` is that of the context if it is `None`.
///
/// # Errors
/// If no cluster is configured, or a request fails. The message says what to change.
pub async fn read(
    context: Option<&str>,
    namespace: Option<&str>,
    all_namespaces: bool,
) -> anyhow::Result<Live> {
    let config = kubernetes::config(context, None).await;
    let config =
        config.context("no Kubernetes cluster is configured: set KUBECONFIG or --context")?;
    let config = without_proxy(config)?;
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let client = Client::try_from(config).context("the Kubernetes cluster cannot be used")?;
    let grants: Vec<StoredGrant> = pages(&Api::all(client.clone()), PAGE)
        .await
        .context("the RoleGrants cannot be listed: check that the CRDs are installed and that you may list rolegrants.tempcred.dev")?;
    let resource = ApiResource::erase::<TemporaryCredential>(&());
    let api: Api<DynamicObject> = if all_namespaces {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &namespace, &resource)
    };
    let objects = pages(&api, PAGE)
        .await
        .context("the TemporaryCredentials cannot be listed: check that you may list temporarycredentials.tempcred.dev")?;
    let (mut credentials, mut undecodable) = (Vec::new(), Vec::new());
    for object in objects {
        let title = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        match object.try_parse::<TemporaryCredential>() {
            Ok(credential) => credentials.push(credential),
            Err(_) => undecodable.push(title),
        }
    }
    let api: Api<Namespace> = Api::all(client);
    let labels = "the labels of namespaces cannot be read: check that you may read namespaces";
    let found: Vec<(String, _)> = if all_namespaces {
        let all = pages(&api, PAGE).await.context(labels)?.into_iter();
        all.map(|namespace| (namespace.name_any(), namespace.metadata.labels)).collect()
    } else {
        let found = api.get_metadata_opt(&namespace).await.context(labels)?;
        let found = found.with_context(|| format!("there is no namespace {namespace}"))?;
        vec![(namespace, found.metadata.labels)]
    };
    let namespaces = found.into_iter().map(|(name, labels)| (name, labels.unwrap_or_default()));
    let grants = grants.into_iter().filter(|grant| grant.metadata.deletion_timestamp.is_none());
    Ok(Live {
        grants: grants.collect(),
        namespaces: namespaces.collect(),
        credentials,
        undecodable,
    })
}
