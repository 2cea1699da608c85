//! The values of the chart, with their defaults and their documentation.
//!
//! The chart's own objects are strict: an unknown name is an error. Objects that the chart passes to
//! Kubernetes are open, because Kubernetes validates them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::admission::AdmissionPolicies;
use super::injection::Injection;
use super::metrics::Metrics;
use super::settings::Settings;

/// A part of a manifest, in the format of Kubernetes.
pub type Open = BTreeMap<String, Value>;

/// Labels, annotations and the like.
pub type Texts = BTreeMap<String, String>;

/// All values of the chart.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Values {
    /// Number of Pods. One of them is the leader and does the work. The others are on standby.
    replicas: u16,
    /// The container image.
    image: Image,
    /// Secrets with registry credentials to pull the image: a list of `{name: ...}`.
    image_pull_secrets: Vec<Open>,
    /// Replaces the name of the chart in the names of objects.
    name_override: String,
    /// Name of all objects. Default: the name of the release, followed by the name of the chart
    /// unless the release name already contains it.
    fullname_override: String,
    /// Settings of `tempcred run`. The chart passes each one as an environment variable. If a
    /// setting is empty (or `null`), the chart does not set its variable, and the default of the
    /// program applies.
    settings: Settings,
    /// Optional features of the operator. If a feature is disabled, the chart does not grant the
    /// permissions that it needs.
    features: Features,
    /// The operator's ServiceAccount: its identity in Kubernetes and, through annotations, in AWS.
    service_account: ServiceAccount,
    /// Mount a token for the API server into the Pods. If disabled, mount a token with
    /// `extraVolumes`.
    automount_service_account_token: bool,
    /// Permissions in Kubernetes.
    rbac: Rbac,
    /// ValidatingAdmissionPolicies. The API server enforces them regardless of the permissions of a
    /// user.
    admission_policies: AdmissionPolicies,
    /// Injection of credentials into Pods by their label `tempcred.dev/inject`.
    injection: Injection,
    /// CustomResourceDefinitions.
    crds: Crds,
    /// Labels of every object.
    common_labels: Texts,
    /// Annotations of every object.
    common_annotations: Texts,
    /// Additional labels of the Pods.
    pod_labels: Texts,
    /// Additional annotations of the Pods.
    pod_annotations: Texts,
    /// Resource requests and limits of a Pod.
    resources: Open,
    /// Security context of the Pods. To remove a field, set it to `null`. OpenShift needs this for
    /// `runAsUser` and `runAsGroup`.
    pod_security_context: Open,
    /// Security context of the container.
    security_context: Open,
    /// Timing of the liveness probe, which requests `/livez`.
    liveness_probe: Open,
    /// Timing of the readiness probe, which requests `/readyz`.
    readiness_probe: Open,
    /// Update strategy of the Deployment. Without `settings.leaderElect`, it is always `Recreate`,
    /// because two replicas must not run at the same time.
    strategy: Open,
    /// Time for the Pod to finish operations in flight before it is killed. The operator itself
    /// waits 25 s.
    termination_grace_period_seconds: u32,
    /// Priority class of the Pods, such as `system-cluster-critical`.
    priority_class_name: String,
    /// Labels of the nodes that the Pods may run on.
    node_selector: Texts,
    /// Taints that the Pods tolerate.
    tolerations: Vec<Open>,
    /// Affinity rules of the Pods.
    affinity: Open,
    /// Topology spread constraints. A constraint without `labelSelector` selects the Pods of this
    /// release.
    topology_spread_constraints: Vec<Open>,
    /// Additional environment variables. They take precedence over the variables from `settings`.
    extra_env: Vec<Open>,
    /// ConfigMaps and Secrets with additional environment variables.
    extra_env_from: Vec<Open>,
    /// Additional volumes.
    extra_volumes: Vec<Open>,
    /// Mounts of additional volumes.
    extra_volume_mounts: Vec<Open>,
    /// PodDisruptionBudget: keeps one Pod running while nodes are drained. Created only for more
    /// than one replica.
    pod_disruption_budget: PodDisruptionBudget,
    /// NetworkPolicy for the traffic of the Pods.
    network_policy: NetworkPolicy,
    /// Monitoring. The operator always serves `/metrics` at `settings.port`.
    metrics: Metrics,
    /// Not used by this chart: for the `condition` of a chart that depends on this one.
    #[serde(skip_serializing)]
    #[expect(dead_code, reason = "only for the schema")]
    enabled: bool,
    /// Not used by this chart: values that a chart shares with its dependencies.
    #[serde(skip_serializing)]
    #[expect(dead_code, reason = "only for the schema")]
    global: Open,
}

impl Default for Values {
    fn default() -> Self {
        let spread = |key: &str| {
            open(json!({"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}))
        };
        Self {
            replicas: 2,
            image: Image::default(),
            image_pull_secrets: vec![],
            name_override: String::new(),
            fullname_override: String::new(),
            settings: Settings::default(),
            features: Features::default(),
            service_account: ServiceAccount::default(),
            automount_service_account_token: true,
            rbac: Rbac::default(),
            admission_policies: AdmissionPolicies::default(),
            injection: Injection::default(),
            crds: Crds::default(),
            common_labels: Texts::new(),
            common_annotations: Texts::new(),
            pod_labels: Texts::new(),
            pod_annotations: Texts::new(),
            resources: open(json!({
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": "256Mi"},
            })),
            pod_security_context: open(json!({
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            })),
            security_context: open(json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            })),
            liveness_probe: open(json!({"periodSeconds": 10, "timeoutSeconds": 5})),
            readiness_probe: open(json!({"periodSeconds": 5, "timeoutSeconds": 5})),
            strategy: open(json!({
                "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            })),
            termination_grace_period_seconds: 30,
            priority_class_name: String::new(),
            node_selector: Texts::new(),
            tolerations: vec![],
            affinity: Open::new(),
            topology_spread_constraints: vec![
                spread("kubernetes.io/hostname"),
                spread("topology.kubernetes.io/zone"),
            ],
            extra_env: vec![],
            extra_env_from: vec![],
            extra_volumes: vec![],
            extra_volume_mounts: vec![],
            pod_disruption_budget: PodDisruptionBudget::default(),
            network_policy: NetworkPolicy::default(),
            metrics: Metrics::default(),
            enabled: true,
            global: Open::new(),
        }
    }
}

/// The container image.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Image {
    /// Repository of the image.
    repository: String,
    /// Tag of the image. Default: the chart's `appVersion`.
    tag: String,
    /// Digest of the image, `sha256:...`. It takes precedence over the tag.
    #[schemars(regex(pattern = r"^(sha256:[0-9a-f]{64})?$"))]
    digest: String,
    /// Pull policy of the image.
    pull_policy: PullPolicy,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            repository: "ghcr.io/tempcred/tempcred".to_owned(),
            tag: String::new(),
            digest: String::new(),
            pull_policy: PullPolicy::IfNotPresent,
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[expect(dead_code, reason = "the schema names them all, the default is one of them")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Optional features.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Features {
    /// Web identity with `serviceAccountName`: the operator may request tokens for ServiceAccounts.
    /// If disabled, `tokenSecretRef` still works.
    service_account_tokens: bool,
    /// `spec.restart`: the operator may read and patch Deployments, StatefulSets and DaemonSets. A
    /// patch can change every field, so an attacker who controls the operator can then run any
    /// image in the namespaces that it serves.
    workload_restarts: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { service_account_tokens: true, workload_restarts: false }
    }
}

/// The operator's ServiceAccount.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ServiceAccount {
    /// Create the ServiceAccount.
    create: bool,
    /// Name of the ServiceAccount. Default: the name of the Deployment, or `default` if `create` is
    /// false.
    name: String,
    /// Annotations of the ServiceAccount, such as `eks.amazonaws.com/role-arn` for IRSA.
    annotations: Texts,
}

impl Default for ServiceAccount {
    fn default() -> Self {
        Self { create: true, name: String::new(), annotations: Texts::new() }
    }
}

/// Permissions in Kubernetes.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Rbac {
    /// Create the roles that the operator needs, and bind them.
    create: bool,
    /// Add the resource types of tempcred to the built-in ClusterRoles `view`, `edit` and `admin`.
    /// Check which users have these roles: a user who may create a resource can use everything that
    /// is granted to its namespace, and the Secrets and ServiceAccounts of the namespace as inputs.
    aggregate: bool,
}

impl Default for Rbac {
    fn default() -> Self {
        Self { create: true, aggregate: false }
    }
}

/// CustomResourceDefinitions.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Crds {
    /// Install the CustomResourceDefinitions, and upgrade them with the chart.
    install: bool,
    /// Keep the CustomResourceDefinitions, and with them all resources, when the release is
    /// uninstalled.
    keep: bool,
    /// Annotations of the CustomResourceDefinitions, for example to protect them from being pruned.
    annotations: Texts,
}

impl Default for Crds {
    fn default() -> Self {
        Self { install: true, keep: true, annotations: Texts::new() }
    }
}

/// The PodDisruptionBudget.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct PodDisruptionBudget {
    /// Create the PodDisruptionBudget.
    enabled: bool,
    /// Maximum number of unavailable Pods: a number or a percentage.
    max_unavailable: CountOrPercentage,
}

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema names them all, the default is one of them")]
enum CountOrPercentage {
    Count(u16),
    Percentage(#[schemars(regex(pattern = "^[0-9]+%$"))] String),
}

impl Default for PodDisruptionBudget {
    fn default() -> Self {
        Self { enabled: true, max_unavailable: CountOrPercentage::Count(1) }
    }
}

/// The NetworkPolicy.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct NetworkPolicy {
    /// Create the NetworkPolicy. It allows only the traffic of the following values.
    enabled: bool,
    /// Peers that may connect to `/metrics`, such as `{namespaceSelector: {matchLabels:
    /// {kubernetes.io/metadata.name: monitoring}}}`. The kubelet may always connect. Default: all.
    ingress_from: Vec<Open>,
    /// Peers that the Pods may ask for DNS names (port 53). Default: all.
    dns_to: Vec<Open>,
    /// Peers that the Pods may connect to by HTTPS: STS (443), the API server (443 and 6443), and
    /// the ports in `settings.stsEndpoint` and `settings.otlpEndpoint`. Default: all, because the
    /// addresses of STS change.
    https_to: Vec<Open>,
    /// Addresses that the operator may get its AWS identity from, by HTTP (port 80). The defaults
    /// are the EKS Pod Identity agent and the instance metadata of EC2.
    identity_endpoints: Vec<String>,
    /// Additional ingress rules.
    extra_ingress: Vec<Open>,
    /// Additional egress rules.
    extra_egress: Vec<Open>,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        let endpoints =
            ["169.254.170.23/32", "fd00:ec2::23/128", "169.254.169.254/32", "fd00:ec2::254/128"];
        Self {
            enabled: false,
            ingress_from: vec![],
            dns_to: vec![],
            https_to: vec![],
            identity_endpoints: endpoints.map(str::to_owned).to_vec(),
            extra_ingress: vec![],
            extra_egress: vec![],
        }
    }
}

/// A JSON object as a map.
pub fn open(value: Value) -> Open {
    serde_json::from_value(value).unwrap()
}
