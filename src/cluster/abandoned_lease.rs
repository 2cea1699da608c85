//! Frees a Lease whose renewal time is of a clock that was ahead.
//!
//! A Lease of another replica also counts as expired if it has not changed for its whole duration, by the monotonic clock of
//! this process. The leader election of Kubernetes does the same. So a Lease of this replica, from before its start or a
//! failed renewal, must not count as renewed until its renewal time: the others do not wait for it.

use std::time::Duration;

use jiff::Timestamp;
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
    /// Reads the Lease `name`, while this replica does not lead. Frees it if another replica holds it and `before` saw the
    /// same version at least `duration` ago, or if this replica, `identity`, was to renew it in the future. Returns what
    /// was seen of another holder.
    ///
    /// # Errors
    /// If a request fails, except with a conflict: then the holder has renewed the Lease meanwhile.
    pub(super) async fn look(
        api: &Api<Lease>,
        (name, identity): (&str, &str),
        duration: Duration,
        before: Option<Self>,
    ) -> kube::Result<Option<Self>> {
        let Some(lease) = api.get_opt(name).await? else { return Ok(None) };
        let spec = lease.spec.unwrap_or_default();
        let Some(holder) = spec.holder_identity else { return Ok(None) };
        let version = lease.metadata.resource_version;
        if holder == identity {
            if spec.renew_time.is_none_or(|renewed| renewed.0 <= Timestamp::now()) {
                return Ok(None);
            }
        } else {
            let Some(same) = before.filter(|before| before.version == version) else {
                return Ok(Some(Self { version, since: Instant::now() }));
            };
            if same.since.elapsed() < duration {
                return Ok(Some(same));
            }
        }
        let free = json!({
            // The precondition: nobody has renewed it.
            "metadata": {"resourceVersion": version},
            "spec": {
                "holderIdentity": null, "acquireTime": null, "renewTime": null, "leaseDurationSeconds": null,
            },
        });
        match api.patch(name, &PatchParams::default(), &Patch::Merge(free)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => return Ok(None),
            Err(error) => return Err(error),
        }
        tracing::info!(
            holder,
            "freed the Lease: its holder does not renew it, or its clock was ahead"
        );
        Ok(None)
    }
}
