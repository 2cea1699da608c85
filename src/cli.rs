//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{Check, Run};
use crate::telemetry::version;

/// Writes short-lived AWS credentials from STS to Kubernetes Secrets, and renews them before they expire.
#[derive(Parser, Debug)]
#[command(name = "tempcred", version = version::with_commit(), about, arg_required_else_help = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the binary.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the controller.
    Run(Box<Run>),
    /// Print the CustomResourceDefinitions as YAML, for `kubectl apply --server-side -f -`.
    Crds,
    /// Check manifests before they are applied, and show what changed grants would do.
    Check(Box<Check>),
}
