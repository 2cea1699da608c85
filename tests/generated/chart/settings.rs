//! The values of the chart that become settings of `tempcred run`.

use std::num::{NonZeroU16, NonZeroU32};

use schemars::JsonSchema;
use serde::Serialize;

/// The settings of `tempcred run`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// AWS region for resources without `region`. Default: the region that the AWS SDK finds
    /// (`AWS_REGION`, which EKS sets, ...).
    region: String,
    /// AWS regions that resources may set. The region of the operator is always allowed. Default:
    /// all regions.
    #[schemars(inner(regex(pattern = "^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$")))]
    allowed_regions: Vec<String>,
    /// URL of the STS endpoint, for example of a VPC endpoint. Default: the regional endpoint.
    #[schemars(regex(pattern = "^(https?://.+)?$"))]
    sts_endpoint: String,
    /// Namespaces to serve. They must exist. If set, the operator gets a Role in each of them, and
    /// its ClusterRole allows only access to grants and to the labels of these namespaces. Default:
    /// all namespaces.
    #[schemars(inner(regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")))]
    namespaces: Vec<String>,
    /// Serve only resources whose labels match this selector, for example `team=data`.
    selector: String,
    /// Maximum number of credentials that are issued at the same time. One namespace gets at most
    /// half of them.
    concurrency: Option<NonZeroU16>,
    /// Maximum number of calls to STS per second, on average, for each identity that signs them and
    /// each region. It is lower while STS throttles calls. Namespaces share it equally. AWS
    /// throttles at about 600 calls per second for each account and region, a limit that other
    /// clients share.
    sts_rate: Option<NonZeroU32>,
    /// Prefixes of the labels and annotations that resources may put on Secrets, for example
    /// `example.com/`. Restrict them if a controller in the cluster acts on them. Default: all.
    #[schemars(inner(regex(pattern = "^[A-Za-z0-9./_-]+$")))]
    secret_key_prefixes: Vec<String>,
    /// What happens to the Secret of a resource whose RoleGrant was deleted or narrowed: `expire` keeps
    /// it until its credentials expire, and `remove` removes it immediately. In both cases, it is not
    /// renewed. Removing a Secret does not revoke its credentials at AWS.
    withdrawn_secrets: Option<WithdrawnSecrets>,
    /// Address to listen on for `/metrics`, `/livez` and `/readyz`. Use `::` if the cluster has
    /// only IPv6.
    listen: String,
    /// Port to listen on for these paths.
    port: NonZeroU16,
    /// Format of log lines.
    log_format: Option<LogFormat>,
    /// Log filter: a level, or levels by module (`info,tempcred=debug`).
    log: String,
    /// Elect one Pod as the leader. Without leader election, only one replica may run. The chart
    /// always sets this variable, because the RBAC rules depend on it.
    leader_elect: bool,
    /// Name of the Lease for leader election. Default: the name of the Deployment.
    #[schemars(regex(pattern = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"))]
    lease_name: String,
    /// Name of this cluster, for grants (`{{ cluster }}`), metrics (label `cluster`) and traces
    /// (`k8s.cluster.name`).
    cluster_name: String,
    /// Export metrics for each resource, with its namespace and name as labels.
    resource_metrics: bool,
    /// URL of an OpenTelemetry collector that receives traces. Default: no traces are sent.
    #[schemars(regex(pattern = "^(https?://.+)?$"))]
    otlp_endpoint: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: String::new(),
            allowed_regions: vec![],
            sts_endpoint: String::new(),
            namespaces: vec![],
            selector: String::new(),
            concurrency: NonZeroU16::new(96),
            sts_rate: NonZeroU32::new(300),
            secret_key_prefixes: vec![],
            withdrawn_secrets: Some(WithdrawnSecrets::Expire),
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

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema names them all, the default is one of them")]
enum WithdrawnSecrets {
    Expire,
    Remove,
}
