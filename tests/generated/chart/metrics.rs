//! The part of the chart's values that is about watching the operator.

use schemars::JsonSchema;
use serde::Serialize;

use super::values::{Open, Texts};

/// How the operator is watched.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Metrics {
    /// A Service for the port of the metrics.
    service: Service,
    /// For the Prometheus operator: scrape through the Service, which must be there.
    service_monitor: Monitor,
    /// For the Prometheus operator: scrape the Pods themselves.
    pod_monitor: Monitor,
    /// For the Prometheus operator: the alerts of `files/alerts.yaml`.
    prometheus_rule: PrometheusRule,
    /// For Grafana: a dashboard in a ConfigMap, which its sidecar finds.
    dashboard: Dashboard,
}

/// The Service.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Service {
    /// Make one.
    enabled: bool,
    /// Its port.
    port: u16,
    /// Further labels of it.
    labels: Texts,
    /// Further annotations of it.
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
    /// Make one.
    enabled: bool,
    /// Labels by which your Prometheus selects it, such as `release: prometheus`.
    labels: Texts,
    /// How often it scrapes.
    #[schemars(regex(pattern = "^([0-9]+(ms|[smhdwy]))*$"))]
    interval: String,
    /// Rules that rewrite labels of what is scraped.
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
    /// Make one.
    enabled: bool,
    /// Labels by which your Prometheus selects it, such as `release: prometheus`.
    labels: Texts,
}

/// The dashboard.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Dashboard {
    /// Make the ConfigMap.
    enabled: bool,
    /// Labels by which the sidecar finds it.
    labels: Texts,
    /// Its annotations, such as the one that names the folder.
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
