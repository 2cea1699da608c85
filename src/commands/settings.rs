//! The settings of `tempcred run`. Each is a flag with an environment variable.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};

use crate::telemetry::logging::LogFormat;

/// Settings of `tempcred run`.
///
/// The Kubernetes cluster is found as every client finds it (KUBECONFIG, in-cluster), and the
/// operator's own AWS identity by the default chain of the AWS SDK.
#[derive(Args, Debug)]
pub struct Run {
    /// AWS region for resources that name none. Default: what the AWS SDK finds (AWS_REGION, ...).
    #[arg(long, env = "TEMPCRED_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// URL of the STS endpoint, instead of the regional one. Default: what the AWS SDK finds
    /// (AWS_ENDPOINT_URL_STS, ...), else AWS.
    #[arg(long, env = "TEMPCRED_STS_ENDPOINT", value_name = "URL")]
    pub sts_endpoint: Option<String>,

    /// Namespaces to serve, separated by commas. Default: all.
    #[arg(long, env = "TEMPCRED_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// Serve only resources whose labels match this selector, for example `team=data`.
    #[arg(long, env = "TEMPCRED_SELECTOR", value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// How many credentials are issued at the same time.
    #[arg(long, env = "TEMPCRED_CONCURRENCY", value_name = "COUNT", default_value = "64")]
    pub concurrency: NonZeroU16,

    /// How many calls to STS are made a second, on average; after a pause as many may come at once.
    /// AWS throttles at about 600 per account and
    /// region, which others share.
    #[arg(long, env = "TEMPCRED_STS_RATE", value_name = "PER_SECOND", default_value = "100")]
    pub sts_rate: NonZeroU32,

    /// Stand for election by a Lease, so that of several replicas one works and the others wait.
    #[arg(long, env = "TEMPCRED_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Name of the Lease, in the operator's own namespace: one for each operator in it.
    #[arg(
        long,
        env = "TEMPCRED_LEASE_NAME",
        value_name = "NAME",
        default_value = "tempcred",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub lease_name: String,

    /// Name of this cluster, for grants (`{{ cluster }}`) and traces (`k8s.cluster.name`).
    #[arg(long, env = "TEMPCRED_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// Whether metrics have gauges for each resource. Without them, very large clusters are spared six
    /// time series a resource.
    #[arg(
        long,
        env = "TEMPCRED_RESOURCE_METRICS",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub resource_metrics: bool,

    /// Address of the listener for /metrics, /livez and /readyz; port 0 takes a free one.
    #[arg(
        long,
        env = "TEMPCRED_HTTP_ADDR",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub http_addr: SocketAddr,

    /// How log lines look.
    #[arg(long, env = "TEMPCRED_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: a level, or levels by module (`info,tempcred=debug`).
    #[arg(long, env = "TEMPCRED_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}
