//! `tempcred agent`: serves mounted credentials to the containers of a Pod, in the protocol of ECS and EKS Pod Identity.

mod access;
mod answer;
mod args;
mod document;
mod names;
mod probe;
mod program;
mod server;
mod source;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;

use super::hardening;
use super::signals::stop_on_signal;
use crate::telemetry::logging::{self, LogFormat};

pub use args::AgentArgs;
pub use program::become_small_agent;

use access::token_file;

pub(super) use answer::Agent;
pub(super) use document::{Document, Unavailable};
pub(super) use server::serve;
pub(super) use source::Source;

/// Serves credentials until SIGTERM or SIGINT, or asks a running agent.
///
/// # Errors
/// If the flags contradict each other, the address cannot be bound, or the agent that is asked answers with an error.
pub async fn agent(args: AgentArgs) -> anyhow::Result<ExitCode> {
    if let Some(url) = &args.check {
        return probe::check(url).await.map(|()| ExitCode::SUCCESS);
    }
    // First, before the process reads any secret value.
    let no_core_dumps = hardening::no_core_dumps();
    logging::start("info", LogFormat::Text, None)?;
    if let Err(error) = no_core_dumps {
        tracing::warn!(%error, "core dumps could not be disabled: a crash may write credentials to a file");
    }
    let named = names::named(&args.file).map_err(|error| anyhow!(error))?;
    let stop = stop_on_signal()?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!("cannot listen on {}: choose a free port with --listen", args.listen)
    })?;
    let sources = named.into_iter().map(|(name, path)| Source::file(name, path)).collect();
    let agent = Agent::new(sources, args.authorization_token_file.map(token_file));
    tracing::info!(address = %listener.local_addr()?, credentials = agent.names(), "serving credentials");
    serve(listener, Arc::new(agent), stop).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
