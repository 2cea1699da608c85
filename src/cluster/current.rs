//! Reads of the current state, for decisions that must not depend on a cache that is behind.
//!
//! Kubernetes answers a list without `resourceVersion` with the state at the time of the request
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list>). A list of one name needs no
//! other permission than the watches.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use tempcred_core::api::{StoredGrant, TemporaryCredential};
use tempcred_core::key::Key;
use tempcred_core::problem::Reason;

use super::client::Cluster;
use super::errors::{Failed, request};
use super::watch::{NamespaceMeta, Watched, pages};

/// A grant of which only the name can be read.
#[derive(Debug)]
pub struct Undecodable {
    /// The name.
    pub name: String,
    /// The error of the decoder.
    pub error: String,
}

impl Cluster {
    /// Passes on each grant that is not being deleted.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the grants have no CustomResourceDefinition; [`Failed::Problem`] if the request fails.
    pub async fn current_grants(
        &self,
        mut each: impl FnMut(Result<StoredGrant, Undecodable>),
    ) -> Result<(), Failed> {
        let api = Api::<DeserializeGuard<StoredGrant>>::all(pages::limited(self.client.clone()));
        let mut parameters = ListParams::default().limit(pages::MOST);
        loop {
            let list = api.list(&parameters);
            let page = request("Listing the RoleGrants", Reason::ClusterRefused, list).await?;
            for grant in page.items {
                if grant.meta().deletion_timestamp.is_none() {
                    let name = grant.name_any();
                    each(grant.decoded().map_err(|error| Undecodable { name, error }));
                }
            }
            parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if parameters.continue_token.is_none() {
                return Ok(());
            }
        }
    }

    /// The metadata of a namespace. `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failed`] if the request fails.
    pub async fn current_namespace(&self, name: &str) -> Result<Option<NamespaceMeta>, Failed> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let (what, named) = (format!("Reading Namespace {name}"), named(name));
        let list = request(&what, Reason::ClusterRefused, api.list_metadata(&named)).await?;
        Ok(list.items.into_iter().next())
    }

    /// A resource. `None` if it does not exist, or cannot be decoded.
    ///
    /// # Errors
    /// [`Failed`] if the request fails.
    pub async fn current_credential(
        &self,
        Key { namespace, name }: &Key,
    ) -> Result<Option<TemporaryCredential>, Failed> {
        let api: Api<DeserializeGuard<TemporaryCredential>> =
            Api::namespaced(self.client.clone(), namespace);
        let (what, named) = (format!("Reading TemporaryCredential {name}"), named(name));
        let list = request(&what, Reason::ClusterRefused, api.list(&named)).await?;
        Ok(list.items.into_iter().next().and_then(|resource| resource.decoded().ok()))
    }
}

/// Only the object with this name.
fn named(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}
