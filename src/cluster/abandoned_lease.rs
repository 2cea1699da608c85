//! Frees a Lease that its holder does not renew any more.
//!
//! The renewal time in a Lease is of the clock of its holder, which may be ahead. So a Lease also counts as expired if it
//! has not changed for its whole duration by the monotonic clock of this process, as in the leader election of Kubernetes.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

/// A Lease of another holder, as it was seen last.
pub(super) struct SeenLease {
    version: Option<String>,
    since: Instant,
}

impl SeenLease {
    /// Reads the Lease `name`, and frees it if `before` saw the same version at least `duration` ago. Returns what was
    /// seen; `None` if nobody else holds it. `identity` is that of this replica.
    ///
    /// # Errors
    /// If a request fails. With a conflict, the holder has renewed the Lease meanwhile.
    pub(super) async fn look(
        api: &Api<Lease>,
        (name, identity): (&str, &str),
        duration: Duration,
        before: Option<Self>,
    ) -> kube::Result<Option<Self>> {
        let Some(lease) = api.get_opt(name).await? else { return Ok(None) };
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        let Some(holder) = holder.filter(|holder| holder != identity) else { return Ok(None) };
        let version = lease.metadata.resource_version;
        let Some(same) = before.filter(|before| before.version == version) else {
            return Ok(Some(Self { version, since: Instant::now() }));
        };
        if same.since.elapsed() < duration {
            return Ok(Some(same));
        }
        let none = json!(null);
        let free = json!({
            // The precondition: the holder has not renewed it.
            "metadata": {"resourceVersion": version},
            "spec": {
                "holderIdentity": none, "acquireTime": none, "renewTime": none, "leaseDurationSeconds": none,
            },
        });
        api.patch(name, &PatchParams::default(), &Patch::Merge(free)).await?;
        tracing::info!(holder, "freed the Lease: its holder has not renewed it for its duration");
        Ok(None)
    }
}
