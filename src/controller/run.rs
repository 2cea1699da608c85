//! Starts and stops the watches and the reconciliations of each scope.

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::join_all;
use futures::{StreamExt, stream};
use kube::Client;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Error};
use tokio_util::sync::CancellationToken;

use super::follow;
use super::grant_statuses;
use super::queue::StsQueue;
use super::reconcile::reconcile;
use super::shared::{Indexes, Parts, Scope, Shared};
use super::waker::Waker;
use crate::cluster::watch::{self, Synced};
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
    /// Maximum average number of STS calls per second.
    pub sts_rate: NonZeroU32,
}

/// Runs the controller until `stop` is cancelled and all operations in progress are finished.
pub async fn run(
    client: Client,
    parts: Parts,
    settings: Settings,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let concurrency = settings.concurrency.get().into();
    let metrics = Arc::clone(&parts.metrics);
    let queue = StsQueue::new(concurrency, settings.sts_rate, stop.clone(), metrics);
    let indexes = Indexes::new(settings.cluster);
    let shared = Arc::new(Shared { parts, queue, indexes });
    let weak = Arc::downgrade(&shared);
    shared.parts.metrics.count_grants(move || {
        weak.upgrade().map(|shared| shared.indexes.grants.figures()).unwrap_or_default()
    });
    let serves_all = settings.namespaces.is_empty();
    let mut scopes: Vec<Option<&str>> =
        settings.namespaces.iter().map(|name| Some(name.as_str())).collect();
    if serves_all {
        scopes.push(None);
    }
    readiness.expect(scopes.len());
    let scopes = scopes.into_iter().map(|namespace| {
        serve(
            client.clone(),
            Arc::clone(&shared),
            namespace,
            settings.selector.as_deref(),
            &readiness,
            stop.clone(),
        )
    });
    let grants = follow::grants(&shared.indexes, watch::grants(client.clone()));
    let statuses = grant_statuses::write(&shared, serves_all);
    // The watch of the grants never ends. It is dropped when all scopes have ended.
    tokio::select! {
        _ = join_all(scopes) => {}
        () = async { tokio::join!(grants, statuses); } => {}
    }
}

/// Serves one scope: one namespace, or all namespaces.
async fn serve(
    client: Client,
    shared: Arc<Shared>,
    namespace: Option<&str>,
    selector: Option<&str>,
    readiness: &Readiness,
    stop: CancellationToken,
) {
    let resources = watch::credentials(client.clone(), namespace, selector);
    let secrets = watch::owned_secrets(client.clone(), namespace);
    let other_secrets = watch::other_secrets(client.clone(), namespace);
    let namespaces = watch::namespaces(client, namespace);
    let (resources_synced, other_secrets_synced) = (Synced::default(), Synced::default());
    let (wake, woken) = mpsc::unbounded();
    let waker = Waker { resources: resources.store.clone(), wake };
    shared.parts.metrics.count(resources.store.clone());
    shared.indexes.add_waker(waker.clone());
    let scope = Arc::new(Scope {
        shared: Arc::clone(&shared),
        resources: resources.store.clone(),
        secrets: secrets.store,
        secrets_synced: Synced::default(),
        namespaces_synced: Synced::default(),
        stop: stop.clone(),
    });
    let indexes = &shared.indexes;
    let follow_all = async {
        tokio::join!(
            follow::credentials(indexes, &waker, &resources_synced, resources.changes),
            follow::secrets(indexes, &waker, &scope.secrets_synced, secrets.changes),
            follow::secrets(indexes, &waker, &other_secrets_synced, other_secrets),
            follow::namespaces(indexes, &scope.namespaces_synced, namespaces),
            shared.parts.leadership.new_terms().for_each(|()| async {
                waker.wake_all(|_| true);
            }),
            async {
                tokio::join!(
                    resources_synced.wait(),
                    scope.secrets_synced.wait(),
                    scope.namespaces_synced.wait(),
                    indexes.grants.synced.wait(),
                );
                readiness.synced();
                if readiness.is_ready() {
                    indexes.grants.set_all_synced();
                }
                tracing::info!(credentials = scope.resources.len(), "caches are synced");
            }
        );
    };
    let reconciliations = Controller::for_stream(stream::empty(), resources.store)
        .reconcile_on(woken)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::clone(&scope))
        .for_each(|ended| async move {
            match ended {
                // It is not an error if a resource was deleted after it was requeued.
                Ok(_) | Err(Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "cannot start a reconciliation"),
            }
        });
    // The watches never end. They are dropped when the reconciliations have ended.
    tokio::select! {
        () = reconciliations => {}
        () = follow_all => {}
    }
}
