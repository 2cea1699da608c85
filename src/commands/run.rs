//! `tempcred run`: starts all parts of the operator, and shuts down gracefully.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Config;

use super::hardening;
use super::kubernetes::without_proxy;
use super::settings::{Run, listed, set};
use super::signals::stop_on_signal;
use crate::aws::Sts;
use crate::cluster::lease::{ElectionConfig, LeaderElector, Leadership};
use crate::cluster::{Clients, Cluster, Events, TokenReviewer, clients};
use crate::controller::{self, Parts, Settings};
use crate::telemetry::http::{self, Access, Certificates, Handlers, Readiness};
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Exporter;
use crate::telemetry::version;

/// How long the operator waits for operations in progress after a signal. Releasing the Lease may take 3 s more, and
/// sending the last traces 5 s. The sum of 25 s is less than the 30 s after which Kubernetes kills a pod by default.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(17);

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// If no cluster is configured, or the HTTP listener, the logs or the traces cannot be started.
pub async fn run(settings: Run) -> anyhow::Result<()> {
    // First, before the process reads any secret value.
    let no_core_dumps = hardening::no_core_dumps();
    let exporter = Exporter::start(set(settings.cluster_name.clone()).as_deref())
        .context("cannot start tracing: check the variables OTEL_EXPORTER_OTLP_*")?;
    logging::start(&settings.log, settings.log_format, exporter.as_ref())
        .context("cannot start logging: check --log")?;
    tracing::info!(version = version::VERSION, commit = version::COMMIT, "starting");
    if let Err(error) = no_core_dumps {
        tracing::warn!(%error, "core dumps could not be disabled: a crash may write credentials to a file");
    }
    let ended = serve(settings).await;
    if let Some(exporter) = exporter {
        // This call blocks until the collector has received the traces.
        let _ = tokio::task::spawn_blocking(|| exporter.stop()).await;
    }
    ended
}

async fn serve(settings: Run) -> anyhow::Result<()> {
    let config = Config::infer().await.context(
        "no Kubernetes cluster is configured: run inside a pod with a ServiceAccount, or set KUBECONFIG",
    )?;
    let mut config = without_proxy(config)?;
    // The operator backs off and retries; two layers of retries would multiply the requests.
    config.default_retry = false;
    let clients = clients(config.clone(), settings.concurrency.get())
        .context("the Kubernetes cluster cannot be used")?;
    let Clients { watches, client, values } = clients;
    let stop = stop_on_signal()?;
    let cluster_name = set(settings.cluster_name);
    let metrics = Metrics::of_cluster(settings.resource_metrics, cluster_name.as_deref());
    let metrics = Arc::new(metrics);
    let readiness = Arc::new(Readiness::default());
    let certificates = settings.metrics_tls_cert.zip(settings.metrics_tls_key);
    let certificates = certificates.map(|(certificate, key)| Certificates::read(certificate, key));
    let certificates = certificates
        .transpose()
        .context("check the files of --metrics-tls-cert and --metrics-tls-key")?;
    let reviewer = || Access::new(Arc::new(TokenReviewer::new(values.clone())));
    let handlers = Handlers {
        readiness: Arc::clone(&readiness),
        metrics: Arc::clone(&metrics),
        access: settings.metrics_auth.then(reviewer),
        stop: stop.clone(),
    };
    http::serve(settings.http_addr, certificates, handlers).await.with_context(|| {
        format!("cannot listen on {}: choose another --http-addr", settings.http_addr)
    })?;
    let pod = set(std::env::var("POD_NAME").ok());
    let instance = pod.clone().or_else(|| set(std::env::var("HOSTNAME").ok()));
    let (region, endpoint) = (set(settings.region), set(settings.sts_endpoint));
    let (elector, leadership) = if settings.leader_elect {
        let election = ElectionConfig {
            lease: settings.lease_name,
            namespace: set(std::env::var("POD_NAMESPACE").ok())
                .unwrap_or_else(|| config.default_namespace.clone()),
            identity: identity(pod, instance.as_deref()),
        };
        let metrics = Arc::clone(&metrics);
        let (elector, leadership) = LeaderElector::start(election, config, stop.clone(), metrics)
            .context("the Kubernetes cluster cannot be used")?;
        (Some(elector), leadership)
    } else {
        metrics.leads(true);
        (None, Leadership::ElectionDisabled)
    };
    let (events, publisher) = Events::new(client.clone(), instance, Arc::clone(&metrics));
    let publisher = tokio::spawn(publisher.run());
    let parts = Parts {
        sts: Sts::load(region, endpoint, listed(settings.allowed_regions), Arc::clone(&metrics))
            .await,
        cluster: Cluster::new(client, values, events, Arc::clone(&metrics)),
        metrics,
        leadership,
    };
    let controller = Settings {
        cluster: cluster_name.unwrap_or_default(),
        namespaces: listed(settings.namespaces).collect(),
        selector: set(settings.selector),
        concurrency: settings.concurrency,
        sts_rate: settings.sts_rate,
        secret_key_prefixes: listed(settings.secret_key_prefixes).collect(),
        withdrawn_secrets: settings.withdrawn_secrets.into(),
    };
    let done = async {
        controller::run(watches, parts, controller, readiness, stop.clone()).await;
        // The controller has ended, so there are no further events.
        let _ = publisher.await;
    };
    let timeout = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    let all_done = tokio::select! {
        () = done => true,
        () = timeout => false,
    };
    if let Some(elector) = elector {
        elector.release().await;
    }
    if all_done {
        tracing::info!("stopped: all operations in progress are finished");
    } else {
        tracing::warn!(
            "stopped: some operations were still in progress after {SHUTDOWN_TIMEOUT:?}"
        );
    }
    Ok(())
}

/// A unique identity for leader election. In a pod it is the name of the pod. Elsewhere it contains the process ID and
/// the start time, because several processes may run on one host.
fn identity(pod: Option<String>, instance: Option<&str>) -> String {
    pod.unwrap_or_else(|| {
        let started = jiff::Timestamp::now().as_millisecond();
        format!("{}_{}_{started}", instance.unwrap_or("tempcred"), std::process::id())
    })
}
