//! Requests for Secrets. They are read when they must be verified, and written in one server-side apply.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PartialObjectMeta, Patch, PatchParams, Preconditions, Request};
use kube::{Api, Resource};

use super::client::{Cluster, for_metadata};
use super::errors::{Failed, request};
use super::manager::MANAGER;
use crate::planted::Bug;
use tempcred_core::problem::Reason;
use tempcred_core::secret::{Manifest, SecretVersion};

impl Cluster {
    /// Reads a Secret.
    ///
    /// # Errors
    /// [`Failed`] if the request fails. For a Secret that does not exist, the result is `Ok(None)`.
    pub async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Failed> {
        let api: Api<Secret> = Api::namespaced(self.values.clone(), namespace);
        request(&format!("Reading Secret {name}"), Reason::SecretRejected, api.get_opt(name)).await
    }

    /// Writes a Secret in one server-side apply, which takes ownership of fields of other managers. Returns the new
    /// resource version.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the precondition of the manifest is not met. Then nothing is written.
    pub async fn apply_secret(
        &self,
        namespace: &str,
        manifest: &Manifest,
    ) -> Result<String, Failed> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(MANAGER).force();
        if Bug::WritesInParts.is_planted()
            && let Ok(mut part) = serde_json::to_value(manifest)
        {
            part["data"]["AWS_SESSION_TOKEN"].take();
            let part = Patch::Apply(&part);
            let _ = api.patch_metadata(manifest.name(), &params, &part).await;
        }
        // The reply contains only metadata, and so no values.
        let patch = Patch::Apply(manifest);
        let what = format!("Writing Secret {}", manifest.name());
        let written = request(
            &what,
            Reason::SecretRejected,
            api.patch_metadata(manifest.name(), &params, &patch),
        )
        .await?;
        self.metrics.write("secret");
        Ok(written.metadata.resource_version.unwrap_or_default())
    }

    /// Deletes a Secret if it still has this version.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the Secret has another version, or does not exist. Then nothing is deleted.
    pub async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
        version: &SecretVersion,
    ) -> Result<(), Failed> {
        let preconditions = Preconditions {
            uid: Some(version.uid.clone()),
            resource_version: Some(version.resource_version.clone()),
        };
        let params = DeleteParams::default().preconditions(preconditions);
        let delete = Request::new(Secret::url_path(&(), Some(namespace)));
        let delete = async {
            let delete = delete.delete(name, &params).map_err(kube::Error::BuildRequest)?;
            // If a finalizer keeps the Secret, the reply contains it, but only its metadata, and so no values.
            self.client.request_status::<PartialObjectMeta<Secret>>(for_metadata(delete)).await
        };
        let what = format!("Removing Secret {name}");
        request(&what, Reason::SecretRejected, delete).await?;
        self.metrics.write("secret");
        Ok(())
    }
}
