//! The values of the chart for monitoring.

use schemars::JsonSchema;
use serde::Serialize;

use super::values::{Open, Texts};

/// Monitoring.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Metrics {
    /// HTTPS for the listener: `/metrics` and the probes.
    tls: Tls,
    /// Tokens for `/metrics`.
    auth: Auth,
    /// Service for the metrics port.
    service: Service,
    /// ServiceMonitor for the Prometheus operator: scrapes through the Service, which must be
    /// enabled.
    service_monitor: Monitor,
    /// PodMonitor for the Prometheus operator: scrapes the Pods directly.
    pod_monitor: Monitor,
    /// PrometheusRule for the Prometheus operator, with the alerts of `files/alerts.yaml`.
    prometheus_rule: PrometheusRule,
    /// Dashboard for Grafana, in a ConfigMap that the Grafana sidecar finds.
    dashboard: Dashboard,
}

/// TLS.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Tls {
    /// Name of a Secret of type `kubernetes.io/tls` in the namespace of the release, for example one
    /// that cert-manager writes. A new certificate in it is used without a restart. Default: the
    /// listener serves HTTP.
    #[schemars(regex(pattern = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    secret_name: String,
    /// Where the monitors find the certificate of the CA: `{secret: {name: ..., key: ...}}` or
    /// `{configMap: ...}`. Default: `ca.crt` in the same Secret, where cert-manager writes it.
    ca: Open,
    /// Name in the certificate that the monitors expect. Default: the name of the Service,
    /// `NAME-metrics.NAMESPACE.svc`.
    server_name: String,
}

/// Authentication and authorization.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Auth {
    /// Require a token of a Kubernetes user that may get the nonResourceURL `/metrics`. This needs
    /// `metrics.tls.secretName`. The operator then gets the permission to review tokens.
    enabled: bool,
    /// Users that may read `/metrics`: a list of RBAC subjects, such as `{kind: ServiceAccount,
    /// name: prometheus-k8s, namespace: monitoring}`. The chart binds them to a ClusterRole.
    readers: Vec<Open>,
    /// Secret with the token that the monitors send: `{name: ..., key: ...}`. Default: the
    /// ServiceMonitor uses the token of the Pod of Prometheus; a PodMonitor has no default.
    token_secret: Open,
}

/// The Service.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Service {
    /// Create the Service.
    enabled: bool,
    /// Port of the Service.
    port: u16,
    /// Additional labels of the Service.
    labels: Texts,
    /// Additional annotations of the Service.
    annotations: Texts,
}

impl Default for Service {
    fn default() -> Self {
        Self { enabled: true, port: 8080, labels: Texts::new(), annotations: Texts::new() }
    }
}

/// A ServiceMonitor or PodMonitor.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Monitor {
    /// Create the monitor.
    enabled: bool,
    /// Labels that your Prometheus selects, such as `release: prometheus`.
    labels: Texts,
    /// Scrape interval.
    #[schemars(regex(pattern = "^([0-9]+(ms|[smhdwy]))*$"))]
    interval: String,
    /// Rules that rewrite the labels of the scrape target.
    relabelings: Vec<Open>,
    /// Rules that rewrite or drop metrics.
    metric_relabelings: Vec<Open>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            enabled: false,
            labels: Texts::new(),
            interval: "30s".to_owned(),
            relabelings: vec![],
            metric_relabelings: vec![],
        }
    }
}

/// The PrometheusRule.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct PrometheusRule {
    /// Create the PrometheusRule.
    enabled: bool,
    /// Labels that your Prometheus selects, such as `release: prometheus`.
    labels: Texts,
}

/// The dashboard.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Dashboard {
    /// Create the ConfigMap.
    enabled: bool,
    /// Labels that the sidecar selects.
    labels: Texts,
    /// Annotations of the ConfigMap, for example the name of the folder.
    annotations: Texts,
}

impl Default for Dashboard {
    fn default() -> Self {
        let one = |key: &str, value: &str| Texts::from([(key.to_owned(), value.to_owned())]);
        Self {
            enabled: false,
            labels: one("grafana_dashboard", "1"),
            annotations: one("grafana_folder", "tempcred"),
        }
    }
}
