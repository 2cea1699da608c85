//! Deployments, StatefulSets and DaemonSets: how far their rollout is, and the annotation that restarts them.

use std::collections::BTreeMap;

use kube::api::{PartialObjectMeta, Patch, PatchParams, Request};
use serde_json::json;
use tokio::sync::Semaphore;

use super::client::{Cluster, for_metadata};
use super::errors::{Failed, request};
use super::manager::MANAGER;
use tempcred_core::api::RestartTarget;
use tempcred_core::problem::Reason;
use tempcred_core::restart::Workload;

/// Number of workloads that are read at the same time. Users decide how large they are.
const READS: usize = 2;

static READING: Semaphore = Semaphore::const_new(READS);

impl Cluster {
    /// Reads a workload. The result is `Ok(None)` if it does not exist.
    ///
    /// # Errors
    /// [`Failed::Problem`] if the request fails.
    pub async fn workload(
        &self,
        namespace: &str,
        target: &RestartTarget,
    ) -> Result<Option<Workload>, Failed> {
        // The semaphore is never closed.
        let _permit = READING.acquire().await;
        let read = async {
            let read = Request::new(url(namespace, target)).get(&target.name, &Default::default());
            let read = read.map_err(kube::Error::BuildRequest)?;
            self.client.request::<Workload>(read).await
        };
        let what = format!("Reading {} {}", target.kind.as_str(), target.name);
        match request(&what, Reason::ClusterRefused, read).await {
            Ok(workload) => Ok(Some(workload)),
            Err(Failed::Conflict) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// Sets annotations of the Pod template of a workload, if the workload still has this version.
    ///
    /// # Errors
    /// [`Failed::Conflict`] if the workload has another version, or does not exist. Then nothing is changed.
    pub async fn annotate_template(
        &self,
        namespace: &str,
        target: &RestartTarget,
        resource_version: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), Failed> {
        // A merge patch leaves everything else as it is. With a server-side apply, the annotations of other resources
        // would have to be repeated.
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": resource_version},
            "spec": {"template": {"metadata": {"annotations": annotations}}},
        }));
        let params =
            PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let write = async {
            let write = Request::new(url(namespace, target)).patch(&target.name, &params, &patch);
            let write = for_metadata(write.map_err(kube::Error::BuildRequest)?);
            self.client.request::<PartialObjectMeta>(write).await
        };
        let what = format!("Restarting {} {}", target.kind.as_str(), target.name);
        request(&what, Reason::ClusterRefused, write).await?;
        self.metrics.write("workload");
        Ok(())
    }
}

fn url(namespace: &str, target: &RestartTarget) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/{}", target.kind.plural())
}
