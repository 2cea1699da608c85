//! The state of a rollout, by the rules of `kubectl rollout status`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::WorkloadKind;

/// The fields of a Deployment, StatefulSet or DaemonSet that say how far its rollout is.
#[derive(Deserialize, Clone, Debug)]
pub struct Workload {
    /// Which of the three it is. The API server sets it in each reply.
    pub kind: WorkloadKind,
    /// The metadata.
    pub metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

/// The used metadata of a workload.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The version, for a precondition.
    pub resource_version: String,
    #[serde(default)]
    generation: i64,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i32>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    template: Template,
    #[serde(default)]
    update_strategy: Strategy,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct Template {
    #[serde(default)]
    metadata: TemplateMetadata,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct TemplateMetadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    #[serde(default, rename = "type")]
    type_: String,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct RollingUpdate {
    #[serde(default)]
    partition: Option<i32>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    replicas: i32,
    updated_replicas: i32,
    available_replicas: i32,
    ready_replicas: i32,
    desired_number_scheduled: i32,
    updated_number_scheduled: i32,
    number_available: i32,
    conditions: Vec<StatusCondition>,
}

#[derive(Deserialize, Clone, Debug)]
struct StatusCondition {
    #[serde(rename = "type")]
    type_: String,
    #[serde(default)]
    reason: String,
}

/// How far the rollout of a workload is.
#[derive(Clone, Debug, PartialEq)]
pub enum Rollout {
    /// All Pods have the current template.
    Complete,
    /// Pods are being replaced. Contains how many.
    Progressing(String),
    /// Pods were not replaced within the deadline of the Deployment. Contains how many were.
    Stuck(String),
    /// The Deployment is paused, so a new template has no effect yet.
    Paused,
    /// A new template replaces no Pods, or not all. Contains what to change.
    NotReplaced(String),
}

impl Workload {
    /// The value of an annotation of the Pod template.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.spec.template.metadata.annotations.get(key).map(String::as_str)
    }

    /// How far its rollout is.
    pub fn rollout(&self) -> Rollout {
        if self.spec.paused {
            return Rollout::Paused;
        }
        if self.spec.update_strategy.type_ == "OnDelete" {
            return Rollout::NotReplaced(
                "its updateStrategy is OnDelete, so Kubernetes does not replace its Pods: use RollingUpdate"
                    .to_owned(),
            );
        }
        let partition = self.spec.update_strategy.rolling_update.as_ref();
        if partition.and_then(|update| update.partition).is_some_and(|partition| partition > 0) {
            return Rollout::NotReplaced(
                "its updateStrategy has a partition, so Kubernetes does not replace all of its Pods: remove partition"
                    .to_owned(),
            );
        }
        let status = &self.status;
        let (wanted, total, updated, available) = match self.kind {
            WorkloadKind::Deployment => (
                self.spec.replicas.unwrap_or(1),
                status.replicas,
                status.updated_replicas,
                status.available_replicas,
            ),
            // Not every version of Kubernetes counts available replicas of a StatefulSet.
            WorkloadKind::StatefulSet => (
                self.spec.replicas.unwrap_or(1),
                status.replicas,
                status.updated_replicas,
                status.ready_replicas,
            ),
            WorkloadKind::DaemonSet => (
                status.desired_number_scheduled,
                status.desired_number_scheduled,
                status.updated_number_scheduled,
                status.number_available,
            ),
        };
        let observed = status.observed_generation >= self.metadata.generation;
        if observed && updated >= wanted && total <= updated && available >= updated {
            return Rollout::Complete;
        }
        let pods = if observed {
            format!("{updated} of {wanted} Pods are replaced, and {available} are available")
        } else {
            "Kubernetes has not observed the change yet".to_owned()
        };
        let deadline = |condition: &StatusCondition| {
            condition.type_ == "Progressing" && condition.reason == "ProgressDeadlineExceeded"
        };
        if observed && status.conditions.iter().any(deadline) {
            Rollout::Stuck(format!("{pods}: see why the new Pods do not become ready"))
        } else {
            Rollout::Progressing(pods)
        }
    }
}
