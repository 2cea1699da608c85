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
    /// Writes a status, whole.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the resource is no longer the one with this UID.
    pub async fn write_status(
        &self,
        desired: &Desired,
        status: &CredentialStatus,
    ) -> Result<(), Failed> {
        let api: Api<TemporaryCredential> =
            Api::namespaced(self.client.clone(), &desired.namespace);
        // With the UID, an apply does not bring back a resource that was deleted meanwhile.
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
