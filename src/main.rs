//! The `tempcred` binary.

use clap::Parser;
use tempcred::cli::{Cli, Command};

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
