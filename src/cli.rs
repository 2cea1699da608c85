//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::Run;
use crate::telemetry::version;

/// Keeps Kubernetes Secrets filled with short-lived AWS credentials from STS.
#[derive(Parser, Debug)]
#[command(name = "tempcred", version = version::with_commit(), about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the controller.
    Run(Box<Run>),
    /// Print the CustomResourceDefinitions as YAML, for `kubectl apply --server-side -f -`.
    Crds,
}
