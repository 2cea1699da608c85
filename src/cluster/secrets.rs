//! Secrets: read whole when they must be verified, written whole in one server-side apply.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PartialObjectMeta, Patch, PatchParams, Preconditions};

use super::errors::request;
use super::{Cluster, Failed, MANAGER};
use crate::reason::Reason;
use crate::secret::Manifest;

impl Cluster {
    /// Reads a Secret.
    ///
    /// # Errors
    /// [`Failed`]; a Secret that does not exist is `Ok(None)`.
    pub async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Failed> {
        let api: Api<Secret> = Api::namespaced(self.values.clone(), namespace);
        request(&format!("Reading Secret {name}"), Reason::SecretRejected, api.get_opt(name)).await
    }

    /// Writes a Secret, whole, takes over the fields that others set in it, and gives its version.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the manifest's precondition does not hold; nothing was written then.
    pub async fn apply_secret(
        &self,
        namespace: &str,
        manifest: &Manifest,
    ) -> Result<String, Failed> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(MANAGER).force();
        // The reply is asked for as metadata, so that no value comes back.
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

    /// Deletes a Secret, if it still has this UID and version.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if it has not; nothing was deleted then.
    pub async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
        (uid, resource_version): (&str, &str),
    ) -> Result<(), Failed> {
        // The reply is the object, values included, if something keeps it from ending at once.
        let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.values.clone(), namespace);
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
        };
        let params = DeleteParams::default().preconditions(preconditions);
        let what = format!("Removing Secret {name}");
        request(&what, Reason::SecretRejected, api.delete(name, &params)).await?;
        self.metrics.write("secret");
        Ok(())
    }
}
