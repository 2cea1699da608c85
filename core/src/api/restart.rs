//! `spec.restart` and `status.restarts`: workloads that are restarted after a rotation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A workload in the namespace of the resource.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct RestartTarget {
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: WorkloadKind,
    /// Name of the workload.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
}

// Documented at the field, as `Format` is.
#[allow(missing_docs)]
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl WorkloadKind {
    /// The name in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// The plural in URLs.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

/// The restart of one workload after the last rotation.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RestartStatus {
    /// Kind of the workload.
    pub kind: WorkloadKind,
    /// Name of the workload.
    pub name: String,
    /// `Complete`: its Pods started after the last rotation, or there was none since the first issue. `Pending`: the
    /// restart has not begun. `Progressing`: Kubernetes replaces its Pods. `Stuck`: the Pods were not replaced in time.
    /// `Missing`: there is no such workload, so nothing is restarted until the next rotation. `Failed`: the operator
    /// could not restart it.
    pub state: RestartState,
    /// Since when the restart is in this state.
    pub since: Time,
    /// What the restart waits for, or what to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[allow(missing_docs)] // As with `WorkloadKind`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartState {
    Pending,
    Progressing,
    Complete,
    Stuck,
    Missing,
    Failed,
}

impl RestartStatus {
    /// Whether it is about this workload.
    pub fn is_of(&self, target: &RestartTarget) -> bool {
        self.kind == target.kind && self.name == target.name
    }

    /// The workload.
    pub fn target(&self) -> RestartTarget {
        RestartTarget { kind: self.kind, name: self.name.clone() }
    }
}
