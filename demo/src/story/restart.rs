//! The chapter about a workload that is restarted.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tempcred_core::api::{RENEW_REQUESTED_AT, RestartState};

use super::{SOON, Story};
use crate::stage::{NAMESPACE, RESTARTED};

/// Within this time a rotation and a rollout must be complete. The restart begins 5 s after the rotation.
const RESTARTED_WITHIN: Duration = Duration::from_secs(60);

/// Of a Secret: which credentials it contains.
const FINGERPRINT: &str = "tempcred.dev/fingerprint";

impl Story<'_> {
    pub(super) async fn a_workload_is_restarted(&self) -> Result<()> {
        self.chapter(
            "A program that reads its credentials only when it starts is restarted after a rotation.",
        );
        if !self.stage.rig.runs_controllers() {
            self.deed("left out: this control plane has no Deployment controller");
            return Ok(());
        }
        let before = self
            .until("the Deployment is available", SOON, |board| {
                board.deployed.clone().filter(|deployed| deployed.is_complete())
            })
            .await?;
        ensure!(
            (before.rollouts, &before.restarted_for) == (1, &None),
            "the first issue of {RESTARTED} restarted its Deployment"
        );
        let (old_pods, old_key) = (self.pods().await?, self.row(RESTARTED)?.key().to_owned());
        if self.plays_kubelet {
            self.deed(
                "no kubelet runs here, so the demo reports the Pods of the Deployment as ready",
            );
        }
        let value = Timestamp::now().strftime("%FT%TZ").to_string();
        self.deed(format!("kubectl annotate tempcred {RESTARTED} {RENEW_REQUESTED_AT}={value}"));
        let annotation = json!({"metadata": {"annotations": {RENEW_REQUESTED_AT: value}}});
        self.patch(RESTARTED, annotation).await?;
        let after = self
            .until("the Deployment is restarted", RESTARTED_WITHIN, |board| {
                let (row, deployed) = (board.row(RESTARTED)?, board.deployed.as_ref()?);
                let restarts = &row.status.restarts;
                let done = row.key() != old_key
                    && row.status.last_renew_request.as_ref() == Some(&value)
                    && !restarts.is_empty()
                    && restarts.iter().all(|one| one.state == RestartState::Complete)
                    && deployed.rollouts > before.rollouts
                    && deployed.is_complete();
                done.then(|| deployed.clone())
            })
            .await?;
        ensure!(after.rollouts == 2, "one rotation caused {} rollouts", after.rollouts - 1);
        let fingerprint = self.fingerprint().await?;
        ensure!(
            after.restarted_for.as_ref() == Some(&fingerprint),
            "the Pods were restarted for {:?}, and the Secret has {fingerprint}",
            after.restarted_for
        );
        let new_pods = self.pods().await?;
        ensure!(
            !new_pods.is_empty() && new_pods.is_disjoint(&old_pods),
            "the Pods before the restart were {old_pods:?}, after it {new_pods:?}"
        );
        self.good(format!("{}: replaced by {}", join(&old_pods), join(&new_pods)));
        Ok(())
    }

    /// The Pods of the Deployment that are not being deleted.
    async fn pods(&self) -> Result<BTreeSet<String>> {
        let api = Api::<Pod>::namespaced(self.client.clone(), NAMESPACE);
        let pods = api.list(&ListParams::default().labels(&format!("app={RESTARTED}"))).await?;
        let stay = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(stay.map(|pod| pod.name_any()).collect())
    }

    /// The fingerprint of the credentials in the Secret.
    async fn fingerprint(&self) -> Result<String> {
        let api = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        let secret = api.get_metadata(&self.row(RESTARTED)?.secret).await?;
        let fingerprint = secret.annotations().get(FINGERPRINT).cloned();
        fingerprint.with_context(|| format!("the Secret of {RESTARTED} has no {FINGERPRINT}"))
    }
}

fn join(pods: &BTreeSet<String>) -> String {
    pods.iter().map(String::as_str).collect::<Vec<_>>().join(" and ")
}
