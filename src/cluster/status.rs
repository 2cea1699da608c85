//! The status subresource.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::client::{Cluster, MANAGER};
use super::errors::{Failed, request};
use tempcred_core::api::{CredentialStatus, TemporaryCredential};
use tempcred_core::desired::Desired;
use tempcred_core::problem::Reason;

impl Cluster {
    /// Replaces the status of a resource.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the resource with this UID does not exist any more.
    pub async fn write_status(
        &self,
        desired: &Desired,
        status: &CredentialStatus,
    ) -> Result<(), Failed> {
        let api: Api<TemporaryCredential> =
            Api::namespaced(self.client.clone(), &desired.namespace);
        // The UID prevents the apply from creating a resource that was deleted in the meantime.
        let patch = Patch::Apply(json!({
            "apiVersion": "tempcred.dev/v1alpha1",
            "kind": "TemporaryCredential",
            "metadata": {"name": desired.name, "uid": desired.uid},
            "status": status,
        }));
        let params = PatchParams::apply(MANAGER).force();
        let what = format!("Writing the status of {}", desired.name);
        request(&what, Reason::ClusterRefused, api.patch_status(&desired.name, &params, &patch))
            .await?;
        self.metrics.write("status");
        Ok(())
    }
}
