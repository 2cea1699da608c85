//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{AgentArgs, Check, Completions, Doctor, Exec, Man, Renew, Run, Status};
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
    /// Serve mounted credentials to AWS SDKs on the loopback interface, as a sidecar.
    Agent(Box<AgentArgs>),
    /// Check manifests before they are applied, and show what changed grants would do.
    Check(Box<Check>),
    /// Check what the operator needs in the cluster and at AWS, and say what to change.
    Doctor(Box<Doctor>),
    /// Show which credentials are ready, and why the others are not.
    Status(Box<Status>),
    /// Request a renewal of credentials, and wait for it.
    Renew(Box<Renew>),
    /// Run a command with credentials, without printing them.
    Exec(Box<Exec>),
    /// Print completions for a shell.
    Completions(Completions),
    /// Print the man page, or write one for each command.
    Man(Man),
}
