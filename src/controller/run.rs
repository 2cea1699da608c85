//! Starts and stops the watches and the reconciliations of each scope.

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::join_all;
use kube::Client;
use tempcred_core::plan::WithdrawnSecrets;
use tempcred_core::secret::KeyPrefixes;
use tokio_util::sync::CancellationToken;

use super::clock;
use super::follow;
use super::grant_statuses;
use super::grant_watch;
use super::queue::TurnQueue;
use super::runner;
use super::shared::{Indexes, Parts, Scope, Shared};
use super::waker::Waker;
use crate::cluster::watch::{self, Key, Synced};
use crate::telemetry::http::Readiness;

/// Settings of the controller.
pub struct Settings {
    /// Namespaces to serve. Empty for all namespaces.
    pub namespaces: BTreeSet<String>,
    /// Label selector of the resources to serve.
    pub selector: Option<String>,
    /// Name of the cluster, for grants that use it. Empty if it is not set.
    pub cluster: String,
    /// Maximum number of resources whose credentials are issued at the same time.
    pub concurrency: NonZeroU16,
    /// Maximum average number of STS calls per second for each signing identity and region. It is lower while STS throttles
    /// calls.
    pub sts_rate: NonZeroU32,
    /// Prefixes of the labels and annotations that resources may put on Secrets. Empty for all.
    pub secret_key_prefixes: Vec<String>,
    /// What happens to Secrets of resources that have lost their grants.
    pub withdrawn_secrets: WithdrawnSecrets,
}

/// Runs the controller until `stop` is cancelled and all operations in progress are finished.
pub async fn run(
    client: Client,
    parts: Parts,
    settings: Settings,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let metrics = Arc::clone(&parts.metrics);
    let (concurrency, rate) = (settings.concurrency.get(), settings.sts_rate.get());
    let depth = move |depth| metrics.sts_queue(depth);
    let queue = Arc::new(TurnQueue::of_sts(concurrency, rate, depth));
    let measured = Arc::clone(&queue);
    parts.metrics.measure_sts_rate(move || measured.operator_rate());
    let slots = Arc::new(TurnQueue::of_reconciliations());
    let key_prefixes = KeyPrefixes::new(settings.secret_key_prefixes.clone());
    let indexes = Indexes::new(settings.cluster.clone());
    let withdrawn_secrets = settings.withdrawn_secrets;
    let shared = Arc::new(Shared { parts, queue, slots, indexes, key_prefixes, withdrawn_secrets });
    let weak = Arc::downgrade(&shared);
    shared.parts.metrics.count_grants(move || {
        weak.upgrade().map(|shared| shared.indexes.grants.figures()).unwrap_or_default()
    });
    let all_namespaces = settings.namespaces.is_empty();
    let serves_all = all_namespaces && settings.selector.is_none();
    let mut scopes: Vec<Option<&str>> =
        settings.namespaces.iter().map(|name| Some(name.as_str())).collect();
    if all_namespaces {
        scopes.push(None);
    }
    readiness.expect(scopes.len());
    let scopes = scopes.into_iter().map(|namespace| {
        serve(client.clone(), Arc::clone(&shared), namespace, &settings, &readiness, stop.clone())
    });
    let grants = grant_watch::follow(&shared, &client);
    let statuses = grant_statuses::write(&shared, serves_all);
    let turns = stop.run_until_cancelled(async {
        let wake = |key: &Key| shared.indexes.wake(key);
        tokio::join!(shared.queue.run(wake), shared.slots.run(wake))
    });
    let clock = clock::follow(&shared.indexes);
    // The watch of the grants never ends. It is dropped when all scopes have ended.
    tokio::select! {
        _ = join_all(scopes) => {}
        () = async { tokio::join!(grants, statuses, turns, clock); } => {}
    }
}

/// Serves one scope: one namespace, or all namespaces.
async fn serve(
    client: Client,
    shared: Arc<Shared>,
    namespace: Option<&str>,
    settings: &Settings,
    readiness: &Readiness,
    stop: CancellationToken,
) {
    let resources = watch::credentials(client.clone(), namespace, settings.selector.as_deref());
    let secrets = watch::owned_secrets(client.clone(), namespace);
    let other_secrets = watch::other_secrets(client.clone(), namespace);
    let namespaces = watch::namespaces(client, namespace);
    let resources_synced = Synced::default();
    let (wake, woken) = mpsc::unbounded();
    let waker =
        Waker { namespace: namespace.map(str::to_owned), resources: resources.cache.clone(), wake };
    let counted = resources.cache.clone();
    shared.parts.metrics.count(move || counted.all());
    shared.indexes.add_waker(waker.clone());
    let scope = Arc::new(Scope {
        shared: Arc::clone(&shared),
        resources: resources.cache.clone(),
        secrets: secrets.cache,
        other_secrets: other_secrets.names,
        secrets_synced: Synced::default(),
        other_secrets_synced: Synced::default(),
        namespaces_synced: Synced::default(),
    });
    let indexes = &shared.indexes;
    let follow_all = async {
        tokio::join!(
            follow::credentials(&shared, &waker, &resources_synced, resources.changes),
            follow::secrets(indexes, &waker, &scope.secrets_synced, secrets.changes),
            follow::secrets(indexes, &waker, &scope.other_secrets_synced, other_secrets.changes),
            follow::namespaces(indexes, &scope.namespaces_synced, namespaces),
            shared.parts.leadership.new_terms().for_each(|()| async {
                waker.wake_all(|_| true);
            }),
            async {
                tokio::join!(scope.secrets_synced.wait(), scope.other_secrets_synced.wait());
                waker.wake_all(|resource| !resource.is_signed_by_operator);
                tokio::join!(
                    resources_synced.wait(),
                    scope.namespaces_synced.wait(),
                    indexes.grants.synced.wait(),
                );
                waker.wake_all(|resource| resource.is_signed_by_operator);
                readiness.synced();
                if readiness.is_ready() {
                    indexes.grants.set_all_synced();
                }
                tracing::info!(credentials = scope.resources.len(), "caches are synced");
            }
        );
    };
    // The watches never end. They are dropped when the reconciliations have ended.
    tokio::select! {
        () = runner::run(&scope, woken, &stop) => {}
        () = follow_all => {}
    }
}
