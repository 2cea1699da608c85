//! The status subresource of grants.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::client::{Cluster, MANAGER};
use super::errors::{Failed, request};
use tempcred_core::api::{GrantStatus, RoleGrant};
use tempcred_core::problem::Reason;

impl Cluster {
    /// Writes the status of a grant, whole.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the grant is gone.
    pub async fn write_grant_status(&self, name: &str, status: &GrantStatus) -> Result<(), Failed> {
        let api: Api<RoleGrant> = Api::all(self.client.clone());
        // A merge patch: an apply would bring back a grant that was deleted meanwhile.
        let patch = Patch::Merge(json!({"status": status}));
        let what = format!("Writing the status of RoleGrant {name}");
        let params =
            PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        request(&what, Reason::ClusterRefused, api.patch_status(name, &params, &patch)).await?;
        self.metrics.write("grant_status");
        Ok(())
    }
}
