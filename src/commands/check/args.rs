//! The flags of `tempcred check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::limits::Limits;

/// The flags of `tempcred check`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Check {
    /// Files and folders to check, or `-` for standard input. In folders, the files *.yaml, *.yml and *.json count.
    /// Documents of other API groups are used as context, for example Namespaces and Deployments.
    #[arg(value_name = "FILE", required_unless_present = "cluster")]
    pub files: Vec<PathBuf>,

    /// File or folder with RoleGrants. Repeat it for several. Shows for each resource whether these grants, and those of
    /// FILE, allow its request, and which parameters they set.
    #[arg(long, value_name = "FILE")]
    pub grants: Vec<PathBuf>,

    /// The operator's --cluster-name, for `{{ cluster }}` in grants.
    #[arg(long, env = "TEMPCRED_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// The operator's limits.
    #[command(flatten)]
    pub limits: Limits,

    /// Compare --grants with the grants in the cluster: which resources in the cluster would they reject, constrain or
    /// revoke? A grant replaces the one of its name; all others stay. Nothing is changed.
    #[arg(long, requires = "grants")]
    pub cluster: bool,

    /// Context of the kubeconfig, for --cluster.
    #[arg(long, value_name = "NAME", requires = "cluster")]
    pub context: Option<String>,

    /// Namespace of manifests that set none. With --cluster, the namespace of the resources to compare.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// With --cluster, compare the resources of all namespaces.
    #[arg(short = 'A', long, requires = "cluster", conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Format of the output.
    #[arg(short, long, value_name = "FORMAT", default_value = "human")]
    pub output: Format,

    /// Treat warnings as errors.
    #[arg(long)]
    pub warnings_as_errors: bool,
}

const AFTER_HELP: &str =
    "Exit codes: 0 if there is no error, 1 if there is one, 2 if an input cannot be read.

Examples:
  tempcred check manifests/
  kustomize build overlays/prod | tempcred check --grants grants/ -
  helm template charts/reports | tempcred check -o sarif - > tempcred.sarif
  tempcred check --cluster -A --grants grants/

All rules: https://github.com/tempcred/tempcred/blob/main/docs/check.md";

/// A format of the output.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Human,
    /// JSON.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for the test reports of CI systems.
    Junit,
}
