//! The `tempcred` binary.

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use tempcred::cli::{Cli, Command};
use tempcred::commands;
use zeroizing_alloc::ZeroAlloc;

/// Zeroes freed memory: secret values pass through the libraries for HTTP, TLS, XML and JSON, which do not zero it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(settings) => commands::run(*settings).await?,
        Command::Crds => commands::crds()?,
        Command::Check(args) => return Ok(commands::check(&args).await),
    }
    Ok(ExitCode::SUCCESS)
}
