//! `tempcred run`: puts the parts together and ends in good order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Run;
use crate::cluster::Cluster;
use crate::controller::{self, Readiness, Settings};
use crate::http::{self, Answers};
use crate::logging;
use crate::metrics::Metrics;
use crate::sts::Sts;
use crate::version;

/// How long what is in flight may take to end after a signal. Kubernetes kills a pod 30 s after the
/// signal by default.
const GRACE: Duration = Duration::from_secs(25);

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// If the cluster is not configured, or the listener or the logs cannot be started.
pub async fn run(settings: Run) -> anyhow::Result<()> {
    logging::start(&settings.log, settings.log_format)
        .context("cannot start logging: check --log")?;
    tracing::info!(version = version::VERSION, commit = version::COMMIT, "tempcred starts");
    let client = Client::try_default().await.context(
        "no Kubernetes cluster is configured: run inside a pod with a ServiceAccount, or set KUBECONFIG",
    )?;
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::new(Readiness::default());
    let answers = Answers {
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        stop: stop.clone(),
    };
    http::serve(settings.http_addr, answers).await.with_context(|| {
        format!("cannot listen on {}: choose another --http-addr", settings.http_addr)
    })?;
    // A variable that is set to nothing, as charts and shells leave them, is a variable not set.
    let set = |value: Option<String>| value.filter(|value| !value.is_empty());
    let (region, endpoint) = (set(settings.region), set(settings.sts_endpoint));
    let sts = Sts::load(region, endpoint, Arc::clone(&metrics)).await;
    let instance = std::env::var("HOSTNAME").ok();
    let cluster = Cluster::new(client.clone(), instance, metrics);
    let controller = Settings {
        namespaces: settings.namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        selector: set(settings.selector),
        concurrency: settings.concurrency,
        sts_rate: settings.sts_rate,
    };
    let done = controller::run(client, cluster, sts, controller, readiness, stop.clone());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = done => tracing::info!("tempcred ends: all that was in flight is done"),
        () = late => tracing::warn!("tempcred ends: something was still in flight after {GRACE:?}"),
    }
    Ok(())
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: finishing what is in flight"),
            _ = int.recv() => tracing::info!("SIGINT: finishing what is in flight"),
        }
        token.cancel();
    });
    Ok(stop)
}
