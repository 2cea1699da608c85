//! The values of the chart for the injection of credentials into Pods.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::values::{Open, open};

/// The MutatingAdmissionPolicy.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Injection {
    /// Create a MutatingAdmissionPolicy that gives every Pod with the label `tempcred.dev/inject:
    /// SECRET` the credentials of this Secret. This needs Kubernetes 1.36 or later, and permission
    /// to create cluster-scoped objects. The API server needs no webhook for it.
    enabled: bool,
    /// Selector of the namespaces in which Pods are changed, in addition to `settings.namespaces`.
    /// Default: all namespaces without the label `tempcred.dev/inject: disabled`.
    namespace_selector: Open,
    /// The sidecar of Pods with the label `tempcred.dev/inject-mode: agent`. It runs the image of
    /// the chart. `imagePullSecrets` are not added to the Pods.
    agent: Agent,
}

impl Default for Injection {
    fn default() -> Self {
        Self {
            enabled: false,
            namespace_selector: open(json!({"matchExpressions": [
                {"key": "tempcred.dev/inject", "operator": "NotIn", "values": ["disabled"]},
            ]})),
            agent: Agent::default(),
        }
    }
}

/// The container of the agent.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Agent {
    /// Resource requests and limits of the agent. The memory is also used by its startup probe.
    resources: Open,
    /// Security context of the agent. To remove a field, set it to `null`. OpenShift needs this for
    /// `runAsUser` and `runAsGroup`.
    security_context: Open,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            resources: open(json!({
                "requests": {"cpu": "5m", "memory": "8Mi"},
                "limits": {"memory": "16Mi"},
            })),
            security_context: open(json!({
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            })),
        }
    }
}
