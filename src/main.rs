//! The `tempcred` binary.

use std::alloc::System;

use clap::Parser;
use tempcred::cli::{Cli, Command};
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: values pass through the libraries for HTTP, TLS, XML and JSON, which do not
/// wipe what they used.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(settings) => tempcred::run::run(*settings).await,
        Command::Crds => {
            for crd in tempcred::api::crds() {
                print!("---\n{}", serde_yaml::to_string(&crd)?);
            }
            Ok(())
        }
    }
}
