//! The values of the chart: what can be set, what it is by default, what it means.
//!
//! What is our own is strict: a name that nobody knows is an error. What is handed on to Kubernetes
//! is open, as Kubernetes checks it.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::admission::AdmissionPolicies;
use super::metrics::Metrics;

/// A piece of a manifest, as Kubernetes has it.
pub type Open = BTreeMap<String, Value>;

/// Labels, annotations and the like.
pub type Texts = BTreeMap<String, String>;

/// Everything that can be set.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Values {
    /// How many Pods run. One of them works, the others wait to take over.
    replicas: u16,
    /// The program.
    image: Image,
    /// Secrets to pull the image with: a list of `{name: ...}`.
    image_pull_secrets: Vec<Open>,
    /// Takes the place of the chart's name in the names of objects.
    name_override: String,
    /// The name of all objects. Default: the name of the release, followed by that of the chart
    /// unless it is part of it.
    fullname_override: String,
    /// What `tempcred run` is told, each by an environment variable. A setting that is left empty
    /// (or `null`) gets none, and the program's own default holds.
    settings: Settings,
    /// What the operator may be asked for. Switching something off takes away the rights it needs.
    features: Features,
    /// Who the operator is, to Kubernetes and, by its annotations, to AWS.
    service_account: ServiceAccount,
    /// Whether the Pods get a token for the API server. Without, mount one by `extraVolumes`.
    automount_service_account_token: bool,
    /// Rights.
    rbac: Rbac,
    /// What the API server itself refuses, whatever rights somebody has: ValidatingAdmissionPolicies.
    admission_policies: AdmissionPolicies,
    /// The kinds that tempcred adds to Kubernetes.
    crds: Crds,
    /// Labels of every object.
    common_labels: Texts,
    /// Annotations of every object.
    common_annotations: Texts,
    /// Further labels of the Pods.
    pod_labels: Texts,
    /// Further annotations of the Pods.
    pod_annotations: Texts,
    /// What a Pod asks for and may use at most.
    resources: Open,
    /// Security context of the Pods. A field is taken out by `null`, as OpenShift wants it for
    /// `runAsUser` and `runAsGroup`.
    pod_security_context: Open,
    /// Security context of the container.
    security_context: Open,
    /// How often, and how patiently, `/livez` is asked.
    liveness_probe: Open,
    /// How often, and how patiently, `/readyz` is asked.
    readiness_probe: Open,
    /// How a new version replaces the old one. Without `settings.leaderElect` it is always
    /// `Recreate`, as two may not run side by side then.
    strategy: Open,
    /// How long what is in flight may take to end. The operator itself waits 25 s.
    termination_grace_period_seconds: u32,
    /// Priority of the Pods, such as `system-cluster-critical`.
    priority_class_name: String,
    /// Labels of the nodes that the Pods may run on.
    node_selector: Texts,
    /// Taints that the Pods tolerate.
    tolerations: Vec<Open>,
    /// Further wishes where the Pods run.
    affinity: Open,
    /// How the Pods are spread. One without `labelSelector` is about the Pods of this release.
    topology_spread_constraints: Vec<Open>,
    /// Further environment variables, which win over those made from `settings`.
    extra_env: Vec<Open>,
    /// ConfigMaps and Secrets to take further environment variables from.
    extra_env_from: Vec<Open>,
    /// Further volumes.
    extra_volumes: Vec<Open>,
    /// Where they are mounted.
    extra_volume_mounts: Vec<Open>,
    /// Keeps one Pod up while nodes are drained. Made only for more than one replica.
    pod_disruption_budget: PodDisruptionBudget,
    /// Who may talk to the Pods, and with whom they may talk.
    network_policy: NetworkPolicy,
    /// How the operator is watched. It serves `/metrics` at `settings.port` in any case.
    metrics: Metrics,
    /// Not used here: for the `condition` of a chart that has this one as a dependency.
    #[serde(skip_serializing)]
    #[expect(dead_code, reason = "only for the schema")]
    enabled: bool,
    /// Not used here: values that a chart shares with its dependencies.
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

/// Which image.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Image {
    /// Where it is.
    repository: String,
    /// Which version. Default: the chart's `appVersion`.
    tag: String,
    /// Which content, whatever the tag says: `sha256:...`.
    #[schemars(regex(pattern = r"^(sha256:[0-9a-f]{64})?$"))]
    digest: String,
    /// When it is pulled.
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

/// The settings of `tempcred run`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Settings {
    /// AWS region for resources that name none. Default: what the AWS SDK finds (`AWS_REGION`,
    /// which EKS sets, ...).
    region: String,
    /// URL of the STS endpoint, instead of the regional one: of a VPC endpoint, for example.
    #[schemars(regex(pattern = "^(https?://.+)?$"))]
    sts_endpoint: String,
    /// Namespaces to serve. Default: all. If set, the operator gets a Role in each of them, and its
    /// ClusterRole only lets it know grants and the labels of these namespaces. They must exist.
    #[schemars(inner(regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")))]
    namespaces: Vec<String>,
    /// Serve only resources whose labels match this selector, for example `team=data`.
    selector: String,
    /// How many credentials are issued at the same time.
    concurrency: Option<NonZeroU16>,
    /// How many calls to STS are made a second, on average. AWS throttles at about 600 per account
    /// and region, which others share.
    sts_rate: Option<NonZeroU32>,
    /// Address to listen on for `/metrics`, `/livez` and `/readyz`; `::` where there is only IPv6.
    listen: String,
    /// Port for them.
    port: NonZeroU16,
    /// How log lines look.
    log_format: Option<LogFormat>,
    /// What is logged: a level, or levels by module (`info,tempcred=debug`).
    log: String,
    /// Let one Pod work at a time. Without, only one replica may run. Always told, as the rights
    /// depend on it.
    leader_elect: bool,
    /// Name of the Lease by which the Pods agree who works. Default: the name of the Deployment.
    #[schemars(regex(pattern = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    lease_name: String,
    /// Name of this cluster, for grants (`{{ cluster }}`) and traces (`k8s.cluster.name`).
    cluster_name: String,
    /// Tell about each resource in the metrics, by namespace and name.
    resource_metrics: bool,
    /// URL of an OpenTelemetry collector to send traces to. Default: none are sent.
    #[schemars(regex(pattern = "^(https?://.+)?$"))]
    otlp_endpoint: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: String::new(),
            sts_endpoint: String::new(),
            namespaces: vec![],
            selector: String::new(),
            concurrency: NonZeroU16::new(64),
            sts_rate: NonZeroU32::new(100),
            listen: "0.0.0.0".to_owned(),
            port: NonZeroU16::new(8080).unwrap(),
            log_format: Some(LogFormat::Text),
            log: "info".to_owned(),
            leader_elect: true,
            lease_name: String::new(),
            cluster_name: String::new(),
            resource_metrics: true,
            otlp_endpoint: String::new(),
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema names them all, the default is one of them")]
enum LogFormat {
    Text,
    Json,
}

/// What can be left out.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Features {
    /// Web identity by `serviceAccountName`: the operator may request tokens for ServiceAccounts.
    /// Without, `tokenSecretRef` still works.
    service_account_tokens: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { service_account_tokens: true }
    }
}

/// The operator's ServiceAccount.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ServiceAccount {
    /// Make one.
    create: bool,
    /// Its name. Default: the name of the Deployment, or `default` if none is made.
    name: String,
    /// Its annotations, such as `eks.amazonaws.com/role-arn` for IRSA.
    annotations: Texts,
}

impl Default for ServiceAccount {
    fn default() -> Self {
        Self { create: true, name: String::new(), annotations: Texts::new() }
    }
}

/// Rights.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Rbac {
    /// Make the roles that the operator needs, and bind them.
    create: bool,
    /// Add the kinds of tempcred to the roles `view`, `edit` and `admin` that come with
    /// Kubernetes. Mind who has these: whoever may create a resource can use what is granted to its
    /// namespace, and the Secrets and ServiceAccounts of the namespace as sources.
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
    /// Install them, and upgrade them with the chart.
    install: bool,
    /// Leave them, and with them all resources, when the release is uninstalled.
    keep: bool,
}

impl Default for Crds {
    fn default() -> Self {
        Self { install: true, keep: true }
    }
}

/// The PodDisruptionBudget.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct PodDisruptionBudget {
    /// Make one.
    enabled: bool,
    /// How many Pods may be away: a number or a percentage.
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
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct NetworkPolicy {
    /// Make one. It lets the Pods reach DNS, HTTPS (443), the API server (443 and 6443), the agent
    /// of EKS Pod Identity, and ports that `settings.stsEndpoint` and `settings.otlpEndpoint` name.
    enabled: bool,
    /// Who may read `/metrics`: a list of peers. Default: everybody.
    ingress_from: Vec<Open>,
    /// Further rules for what comes in.
    extra_ingress: Vec<Open>,
    /// Further rules for what goes out.
    extra_egress: Vec<Open>,
}

/// A JSON object as a map.
pub fn open(value: Value) -> Open {
    serde_json::from_value(value).unwrap()
}
