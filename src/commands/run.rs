//! `tempcred run`: puts the parts together and ends in good order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::hardening;
use super::settings::Run;
use crate::aws::Sts;
use crate::cluster::lease::{Candidacy, Candidate, Leadership};
use crate::cluster::{Cluster, client_for_values};
use crate::controller::{self, Parts, Settings};
use crate::telemetry::http::{self, Answers, Readiness};
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Exporter;
use crate::telemetry::version;

/// How long what is in flight may take to end after a signal. To give the Lease back may take 3 s more, to
/// send the last traces 5 s: 25 s in all, of the 30 s after which Kubernetes kills a pod by default.
const GRACE: Duration = Duration::from_secs(17);

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// If the cluster is not configured, or the listener, the logs or the traces cannot be started.
pub async fn run(settings: Run) -> anyhow::Result<()> {
    // Before anything secret is read.
    let no_core_dumps = hardening::no_core_dumps();
    let exporter = Exporter::start(set(settings.cluster_name.clone()).as_deref())
        .context("cannot start tracing: check the variables OTEL_EXPORTER_OTLP_*")?;
    logging::start(&settings.log, settings.log_format, exporter.as_ref())
        .context("cannot start logging: check --log")?;
    tracing::info!(version = version::VERSION, commit = version::COMMIT, "tempcred starts");
    if let Err(error) = no_core_dumps {
        tracing::warn!(%error, "core dumps could not be turned off: a crash may write credentials to a file");
    }
    let ended = serve(settings).await;
    if let Some(exporter) = exporter {
        // It waits for the collector, and would keep everything else from ending.
        let _ = tokio::task::spawn_blocking(|| exporter.stop()).await;
    }
    ended
}

async fn serve(settings: Run) -> anyhow::Result<()> {
    let mut config = Config::infer().await.context(
        "no Kubernetes cluster is configured: run inside a pod with a ServiceAccount, or set KUBECONFIG",
    )?;
    // Retrying is the backoff's business, and two layers of it would multiply.
    config.default_retry = false;
    let client =
        Client::try_from(config.clone()).context("the Kubernetes cluster cannot be used")?;
    let values =
        client_for_values(config.clone()).context("the Kubernetes cluster cannot be used")?;
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::new(settings.resource_metrics));
    let readiness = Arc::new(Readiness::default());
    let answers = Answers {
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        stop: stop.clone(),
    };
    http::serve(settings.http_addr, answers).await.with_context(|| {
        format!("cannot listen on {}: choose another --http-addr", settings.http_addr)
    })?;
    let pod = set(std::env::var("POD_NAME").ok());
    let instance = pod.clone().or_else(|| set(std::env::var("HOSTNAME").ok()));
    let (region, endpoint) = (set(settings.region), set(settings.sts_endpoint));
    let (candidate, leadership) = if settings.leader_elect {
        let candidacy = Candidacy {
            lease: settings.lease_name,
            namespace: set(std::env::var("POD_NAMESPACE").ok())
                .unwrap_or_else(|| config.default_namespace.clone()),
            identity: identity(pod, instance.as_deref()),
        };
        let metrics = Arc::clone(&metrics);
        let (candidate, leadership) = Candidate::stand(candidacy, config, stop.clone(), metrics)
            .context("the Kubernetes cluster cannot be used")?;
        (Some(candidate), leadership)
    } else {
        metrics.leads(true);
        (None, Leadership::Alone)
    };
    let parts = Parts {
        sts: Sts::load(region, endpoint, Arc::clone(&metrics)).await,
        cluster: Cluster::new(client.clone(), values, instance, Arc::clone(&metrics)),
        metrics,
        leadership,
    };
    let controller = Settings {
        cluster: settings.cluster_name.unwrap_or_default(),
        namespaces: settings.namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        selector: set(settings.selector),
        concurrency: settings.concurrency,
        sts_rate: settings.sts_rate,
    };
    let done = controller::run(client, parts, controller, readiness, stop.clone());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let all_done = tokio::select! {
        () = done => true,
        () = late => false,
    };
    if let Some(candidate) = candidate {
        candidate.withdraw().await;
    }
    if all_done {
        tracing::info!("tempcred ends: all that was in flight is done");
    } else {
        tracing::warn!("tempcred ends: something was still in flight after {GRACE:?}");
    }
    Ok(())
}

/// A variable that is set to nothing, as charts and shells leave them, is a variable not set.
fn set(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

/// What no other candidate calls itself: the name of a pod is unique; elsewhere two processes may run on
/// one host.
fn identity(pod: Option<String>, instance: Option<&str>) -> String {
    pod.unwrap_or_else(|| {
        let started = jiff::Timestamp::now().as_millisecond();
        format!("{}_{}_{started}", instance.unwrap_or("tempcred"), std::process::id())
    })
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
