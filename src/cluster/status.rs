//! The status subresource.

use kube::Resource;
use kube::api::{PartialObjectMeta, Patch, PatchParams, Request};
use serde_json::json;

use super::client::{Cluster, for_metadata};
use super::errors::{Failed, request};
use super::manager::MANAGER;
use tempcred_core::api::{CredentialStatus, TemporaryCredential};
use tempcred_core::desired::Desired;
use tempcred_core::problem::Reason;

impl Cluster {
    /// Replaces the status of a resource.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the resource with this UID does not exist any more, or the API server gave up because other
    /// writes came first.
    pub async fn write_status(
        &self,
        desired: &Desired,
        status: &CredentialStatus,
    ) -> Result<(), Failed> {
        // The UID prevents the apply from creating a resource that was deleted in the meantime.
        let patch = Patch::Apply(json!({
            "apiVersion": "tempcred.dev/v1alpha1",
            "kind": "TemporaryCredential",
            "metadata": {"name": desired.name, "uid": desired.uid},
            "status": status,
        }));
        let params = PatchParams::apply(MANAGER).force();
        let what = format!("Writing the status of {}", desired.name);
        let url = TemporaryCredential::url_path(&(), Some(&desired.namespace));
        let write = async {
            let write =
                Request::new(url).patch_subresource("status", &desired.name, &params, &patch);
            let write = for_metadata(write.map_err(kube::Error::BuildRequest)?);
            self.client.request::<PartialObjectMeta<TemporaryCredential>>(write).await
        };
        request(&what, Reason::ClusterRefused, write).await?;
        self.metrics.write("status");
        Ok(())
    }
}
