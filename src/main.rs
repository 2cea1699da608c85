//! The `tempcred` binary.

use std::alloc::System;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tempcred::cli::{Cli, Command};
use tempcred::commands;
use tokio::runtime::{Builder, Runtime};
use zeroizing_alloc::ZeroAlloc;

/// Zeroes freed memory: secret values pass through the libraries for HTTP, TLS, XML and JSON, which do not zero it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> anyhow::Result<ExitCode> {
    commands::become_small_agent();
    let command = parse();
    runtime(&command)?.block_on(execute(command))
}

/// Reads the command line. As a plugin of kubectl, the program calls itself `kubectl tempcred` in help and errors.
fn parse() -> Command {
    let mut command = Cli::command();
    let program = std::env::args_os().next().unwrap_or_default();
    if Path::new(&program).file_name().is_some_and(|name| name == "kubectl-tempcred") {
        command = command.bin_name("kubectl tempcred");
    }
    let parsed = Cli::from_arg_matches(&command.get_matches());
    parsed.unwrap_or_else(|error| error.exit()).command
}

/// Only the operator has work for several threads. For the agent, each of them would take memory in every Pod.
fn runtime(command: &Command) -> io::Result<Runtime> {
    let is_operator = matches!(command, Command::Run(_));
    let mut builder =
        if is_operator { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

async fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(settings) => commands::run(*settings).await?,
        Command::Crds => commands::crds()?,
        Command::Agent(args) => return commands::agent(*args).await,
        Command::Check(args) => return Ok(commands::check(&args).await),
        Command::Doctor(args) => return Ok(commands::doctor(*args).await),
        Command::Status(args) => return Ok(commands::status(&args).await),
        Command::Renew(args) => return Ok(commands::renew(&args).await),
        Command::Exec(args) => return Ok(commands::exec(*args).await),
        Command::Completions(args) => commands::completions(args, Cli::command())?,
        Command::Man(args) => commands::man(&args, Cli::command())?,
    }
    Ok(ExitCode::SUCCESS)
}
