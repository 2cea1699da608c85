//! The CustomResourceDefinition of the grants. Kubernetes deletes all grants with it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use super::client::Cluster;
use super::errors::{Failed, request};
use tempcred_core::problem::Reason;

/// Name of the CustomResourceDefinition of the grants.
pub const GRANT_CRD: &str = "rolegrants.tempcred.dev";

/// A CustomResourceDefinition in the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// It exists. Contains its UID, which changes if it is deleted and created again.
    Exists(String),
    /// It is being deleted, and so are all its objects.
    Terminating,
    /// It does not exist.
    Missing,
}

impl Cluster {
    /// Reads the metadata of the CustomResourceDefinition of the grants. The API server reads it from etcd, not from a
    /// cache, so the result is not older than the request.
    ///
    /// # Errors
    /// [`Failed`] if the request fails.
    pub async fn grant_definition(&self) -> Result<Definition, Failed> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let what = format!("Reading CustomResourceDefinition {GRANT_CRD}");
        let read = api.get_metadata_opt(GRANT_CRD);
        let found = request(&what, Reason::ClusterRefused, read).await?;
        Ok(match found.map(|found| found.metadata) {
            None => Definition::Missing,
            Some(metadata) if metadata.deletion_timestamp.is_some() => Definition::Terminating,
            Some(metadata) => Definition::Exists(metadata.uid.unwrap_or_default()),
        })
    }
}
