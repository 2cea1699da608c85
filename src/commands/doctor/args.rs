//! The flags of `tempcred doctor`: those of `tempcred run` that matter for the checks, with the same environment
//! variables, and those that select the cluster.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::commands::settings::{listed, set};

/// The flags of `tempcred doctor`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Doctor {
    /// AWS region for resources that set none. Default: the region that the AWS SDK finds.
    #[arg(long, env = "TEMPCRED_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// Comma-separated list of the AWS regions that resources may set.
    #[arg(long, env = "TEMPCRED_ALLOWED_REGIONS", value_name = "REGIONS", value_delimiter = ',')]
    pub allowed_regions: Vec<String>,

    /// URL of an STS endpoint. Default: the endpoint that the AWS SDK finds.
    #[arg(long, env = "TEMPCRED_STS_ENDPOINT", value_name = "URL")]
    pub sts_endpoint: Option<String>,

    /// Comma-separated list of the namespaces that the operator serves. Default: all namespaces.
    #[arg(long, env = "TEMPCRED_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// Name of this cluster. Grants that use it are invalid without it.
    #[arg(long, env = "TEMPCRED_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// Whether the operator elects a leader.
    #[arg(long, env = "TEMPCRED_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Name of the Lease for leader election.
    #[arg(
        long,
        env = "TEMPCRED_LEASE_NAME",
        value_name = "NAME",
        default_value = "tempcred",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub lease_name: String,

    /// Whether the operator reviews the tokens of requests for its metrics.
    #[arg(long, env = "TEMPCRED_METRICS_AUTH")]
    pub metrics_auth: bool,

    /// Namespace of the operator. Default: that of the Pod or of the context.
    #[arg(short, long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// File of the kubeconfig. Default: that of KUBECONFIG, then ~/.kube/config, then the ServiceAccount of the Pod.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Check the permissions of this Kubernetes user, for example
    /// system:serviceaccount:tempcred-system:tempcred. Your own user needs the permission to impersonate it.
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,

    /// Format of the output. Default: text.
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// A format of the output.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
}

const AFTER_HELP: &str = "Nothing is created, changed or deleted.

Exit codes: 0 if there is no problem, 1 if there are problems, 2 if the report cannot be written.

Examples:
  kubectl exec -n tempcred-system deploy/tempcred -- /tempcred doctor
  tempcred doctor --as system:serviceaccount:tempcred-system:tempcred -n tempcred-system";

impl Doctor {
    /// The flags, with empty values as absent ones, as `tempcred run` treats them.
    #[must_use]
    pub fn normalized(self) -> Self {
        Self {
            region: set(self.region),
            allowed_regions: each_once(self.allowed_regions),
            sts_endpoint: set(self.sts_endpoint),
            namespaces: each_once(self.namespaces),
            cluster_name: set(self.cluster_name),
            namespace: set(self.namespace),
            ..self
        }
    }
}

/// The entries of a list, each once.
fn each_once(values: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for value in listed(values) {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

#[cfg(test)]
impl Doctor {
    /// These flags.
    pub(super) fn of(flags: &[&str]) -> Self {
        let command = Self::augment_args(clap::Command::new("doctor"));
        let matches = command.get_matches_from([&["doctor"][..], flags].concat());
        clap::FromArgMatches::from_arg_matches(&matches).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::settings::tests::assert_flags_of_run;
    use clap::Command;

    #[test]
    fn the_flags_are_those_of_the_operator() {
        let doctor = Doctor::augment_args(Command::new("doctor"));
        // The chart sets the namespace; `run` reads it for the Lease.
        let (namespace, shared): (Vec<_>, Vec<_>) = doctor
            .get_arguments()
            .filter(|flag| flag.get_env().is_some())
            .partition(|flag| flag.get_id() == "namespace");
        assert_eq!(namespace[0].get_env().unwrap(), "POD_NAMESPACE");
        assert_eq!(assert_flags_of_run(shared.into_iter()), 8);
    }

    #[test]
    fn empty_and_repeated_values_do_not_count() {
        let once = each_once(["", " team-a ", "team-b", "team-a"].map(str::to_owned).to_vec());
        assert_eq!(once, ["team-a", "team-b"]);
        assert_eq!(set(Some(String::new())), None);
    }
}
