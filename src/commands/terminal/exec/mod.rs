//! `tempcred exec`: runs a command with the credentials of a resource.

mod agent;
mod child;
mod environment;
mod secret;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use clap::Args;

use super::kube::Target;
use super::output::ended;
use secret::Secret;

/// Exit code if the command was not started, because the credentials cannot be used.
const NO_CREDENTIALS: u8 = 125;

/// Exit code if the command is not executable.
const NOT_EXECUTABLE: u8 = 126;

/// Exit code if the command was not found.
const NOT_FOUND: u8 = 127;

/// The flags of `tempcred exec`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Exec {
    /// Name of the TemporaryCredential.
    #[arg(value_name = "NAME")]
    name: String,

    /// Serve the credentials to the command over HTTP on 127.0.0.1, instead of writing them to its environment: every
    /// AWS SDK then refreshes them by itself. For commands that run longer than the credentials are valid.
    #[arg(long)]
    agent: bool,

    #[command(flatten)]
    target: Target,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str =
    "Exit codes: that of the command, or 128 + N if signal N ended it; 125 if the \
credentials cannot be used, 126 if the command is not executable, 127 if it was not found.

Examples:
  tempcred exec reports -- aws s3 ls
  tempcred exec reports -n analytics --agent -- python3 sync.py";

/// Runs the command. Without --agent, it replaces this process, so it receives all signals itself.
pub async fn exec(args: Exec) -> ExitCode {
    ended(run(args).await, NO_CREDENTIALS)
}

async fn run(args: Exec) -> anyhow::Result<ExitCode> {
    let secret = Secret::new(args.target.connect().await?, args.name.clone());
    // Also with --agent: credentials that cannot be used are reported before the command starts.
    let credentials = secret.read().await?;
    let mut words = args.command.into_iter();
    let Some(program) = words.next() else {
        anyhow::bail!("no command: write it after --");
    };
    let mut command = Command::new(&program);
    command.args(words);
    let error = if args.agent {
        let endpoint = agent::serve(args.name, Arc::new(secret)).await?;
        environment::serve(&mut command, &endpoint, credentials.region.as_deref());
        drop(credentials);
        match child::run(command).await {
            Ok(code) => return Ok(code),
            Err(error) => error,
        }
    } else {
        environment::fill(&mut command, &credentials);
        // Returns only if it fails.
        command.exec()
    };
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    eprintln!("Error: cannot run {}: {error}", program.display());
    Ok(code.into())
}
