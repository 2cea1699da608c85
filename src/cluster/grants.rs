//! The status subresource of grants.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::client::Cluster;
use super::errors::{Failed, request};
use super::manager::MANAGER;
use tempcred_core::api::{GrantStatus, RoleGrant};
use tempcred_core::problem::Reason;

impl Cluster {
    /// Replaces the status of a grant.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the grant does not exist any more.
    pub async fn write_grant_status(&self, name: &str, status: &GrantStatus) -> Result<(), Failed> {
        let api: Api<RoleGrant> = Api::all(self.client.clone());
        // A merge patch, because an apply would create a grant that was deleted in the meantime.
        let patch = Patch::Merge(json!({"status": status}));
        let what = format!("Writing the status of RoleGrant {name}");
        let params =
            PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        request(&what, Reason::ClusterRefused, api.patch_status(name, &params, &patch)).await?;
        self.metrics.write("grant_status");
        Ok(())
    }
}
