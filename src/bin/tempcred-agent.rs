//! The `tempcred-agent` binary: `tempcred agent`, without all other commands.

use std::alloc::System;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tempcred::commands::{self, AgentArgs};
use tempcred::telemetry::version;
use tokio::runtime::Builder;
use zeroizing_alloc::ZeroAlloc;

/// Zeroes freed memory, because it may contain secret values.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// The command line, as in [`tempcred::cli::Cli`].
#[derive(Parser)]
#[command(name = "tempcred", version = version::with_commit())]
struct Cli {
    #[command(subcommand)]
    command: Only,
}

#[derive(Subcommand)]
enum Only {
    /// Serve mounted credentials to AWS SDKs on the loopback interface, as a sidecar.
    Agent(Box<AgentArgs>),
}

fn main() -> anyhow::Result<ExitCode> {
    let Only::Agent(args) = Cli::parse().command;
    // Each further thread would take memory in every Pod.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(commands::agent(*args))
}
