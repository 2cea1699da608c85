//! The settings of `tempcred run`. Each setting is a flag with an environment variable.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, ValueEnum};
use tempcred_core::plan::WithdrawnSecrets;

use crate::telemetry::logging::LogFormat;

/// Settings of `tempcred run`.
///
/// The operator finds the Kubernetes cluster like other clients, through KUBECONFIG or in the cluster. It finds its own
/// AWS identity with the default credential chain of the AWS SDK.
#[derive(Args, Debug)]
pub struct Run {
    /// AWS region for resources that set none. Default: the region that the AWS SDK finds, for example in AWS_REGION.
    #[arg(long, env = "TEMPCRED_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// Comma-separated list of the AWS regions that resources may set. The region of the operator is always allowed.
    /// Default: all regions.
    #[arg(long, env = "TEMPCRED_ALLOWED_REGIONS", value_name = "REGIONS", value_delimiter = ',')]
    pub allowed_regions: Vec<String>,

    /// URL of an STS endpoint to use instead of the regional endpoints of AWS. Default: the URL that the AWS SDK finds,
    /// for example in AWS_ENDPOINT_URL_STS, or the regional endpoint.
    #[arg(long, env = "TEMPCRED_STS_ENDPOINT", value_name = "URL")]
    pub sts_endpoint: Option<String>,

    /// Comma-separated list of the namespaces to serve. Default: all namespaces.
    #[arg(long, env = "TEMPCRED_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// Label selector: serve only resources that match it, for example `team=data`. Default: all resources.
    #[arg(long, env = "TEMPCRED_SELECTOR", value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Maximum number of resources whose credentials are issued at the same time. Each of them counts until its Secret
    /// and its status are written. A single namespace gets at most half of them, so that slow calls of one namespace do
    /// not delay others. 1 to 65535.
    #[arg(long, env = "TEMPCRED_CONCURRENCY", value_name = "COUNT", default_value = "96")]
    pub concurrency: NonZeroU16,

    /// Maximum average number of STS calls per second in each region, at least 1, for the operator's identity, and for the
    /// other identities of each namespace together. The rate in force adapts below it: it begins at 50 calls per second,
    /// grows while STS answers, and is halved when STS throttles a call. Namespaces share it equally. Each call of a chain
    /// of roles counts. AWS throttles at about 600 calls per second for each account and region, a quota that all clients in
    /// the account share.
    #[arg(long, env = "TEMPCRED_STS_RATE", value_name = "PER_SECOND", default_value = "300")]
    pub sts_rate: NonZeroU32,

    /// Comma-separated list of prefixes, for example `example.com/,team`: resources may put only labels and annotations
    /// whose keys begin with one of them on Secrets. Restrict them if a controller in the cluster acts on them, for
    /// example one that copies Secrets to other namespaces. Default: all keys.
    #[arg(
        long,
        env = "TEMPCRED_SECRET_KEY_PREFIXES",
        value_name = "PREFIXES",
        value_delimiter = ','
    )]
    pub secret_key_prefixes: Vec<String>,

    /// What happens to the Secret of a resource whose RoleGrant was deleted or narrowed. In both cases, it is not renewed.
    #[arg(long, env = "TEMPCRED_WITHDRAWN_SECRETS", value_name = "WHAT", default_value = "expire")]
    pub withdrawn_secrets: Withdrawn,

    /// Enable leader election with a Lease. Required with several replicas: only the leader issues credentials.
    #[arg(long, env = "TEMPCRED_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Name of the Lease for leader election, in the operator's own namespace. Different operators in one namespace
    /// need different names.
    #[arg(
        long,
        env = "TEMPCRED_LEASE_NAME",
        value_name = "NAME",
        default_value = "tempcred",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub lease_name: String,

    /// Name of this cluster, for the variable `{{ cluster }}` in grants, the label `cluster` of all metrics, and the
    /// attribute `k8s.cluster.name` of traces.
    #[arg(long, env = "TEMPCRED_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// Whether to export gauges for each resource: six time series per resource. Disable them in very large clusters.
    #[arg(
        long,
        env = "TEMPCRED_RESOURCE_METRICS",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub resource_metrics: bool,

    /// Address of the listener for /metrics, /livez and /readyz. Port 0 selects a free port.
    #[arg(
        long,
        env = "TEMPCRED_HTTP_ADDR",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub http_addr: SocketAddr,

    /// PEM file with the certificate chain of the listener, which then serves HTTPS only. The file is read again when
    /// it changes. Default: the listener serves HTTP.
    #[arg(
        long,
        env = "TEMPCRED_METRICS_TLS_CERT",
        value_name = "FILE",
        requires = "metrics_tls_key"
    )]
    pub metrics_tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate. It is read again when it changes.
    #[arg(
        long,
        env = "TEMPCRED_METRICS_TLS_KEY",
        value_name = "FILE",
        requires = "metrics_tls_cert"
    )]
    pub metrics_tls_key: Option<PathBuf>,

    /// Require a token of a Kubernetes user that may get the nonResourceURL /metrics. /livez and /readyz need no token.
    /// Requires --metrics-tls-cert, because a token must not be sent unencrypted.
    #[arg(long, env = "TEMPCRED_METRICS_AUTH", requires_if("true", "metrics_tls_cert"))]
    pub metrics_auth: bool,

    /// Format of the log lines.
    #[arg(long, env = "TEMPCRED_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Log filter: a level, or levels by module, for example `info,tempcred=debug`.
    #[arg(long, env = "TEMPCRED_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// What happens to withdrawn Secrets.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The Secret stays until its credentials expire, and is removed then.
    Expire,
    /// The Secret is removed immediately. Its credentials stay valid at AWS until they expire.
    Remove,
}

impl From<Withdrawn> for WithdrawnSecrets {
    fn from(withdrawn: Withdrawn) -> Self {
        match withdrawn {
            Withdrawn::Expire => Self::Expire,
            Withdrawn::Remove => Self::Remove,
        }
    }
}

/// Treats an empty value like an absent one: charts and shells may set variables to empty values.
pub(super) fn set(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

/// The entries of a list, without empty ones and without the spaces around them.
pub(super) fn listed(values: Vec<String>) -> impl Iterator<Item = String> {
    values.into_iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use clap::{Arg, Args, Command};

    use super::Run;

    /// Asserts that these flags of another command are flags of `run`, with the same variables, delimiters and defaults.
    /// Returns their number.
    pub fn assert_flags_of_run<'a>(flags: impl Iterator<Item = &'a Arg>) -> usize {
        let run = Run::augment_args(Command::new("run"));
        let check = |flag: &Arg| {
            let same = run.get_arguments().find(|other| other.get_id() == flag.get_id()).unwrap();
            assert_eq!(same.get_env(), flag.get_env(), "{flag}");
            assert_eq!(same.get_long(), flag.get_long(), "{flag}");
            assert_eq!(same.get_value_delimiter(), flag.get_value_delimiter(), "{flag}");
            assert_eq!(same.get_default_values(), flag.get_default_values(), "{flag}");
        };
        flags.inspect(|flag| check(flag)).count()
    }
}
