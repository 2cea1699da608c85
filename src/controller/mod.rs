//! The controller: watches, one queue, and the reconciliation of each resource.

mod act;
mod gate;
mod ledger;
mod permissions;
mod reconcile;
mod references;
mod reports;

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{Stream, StreamExt, stream};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::api::TemporaryCredential;
use crate::cluster::Cluster;
use crate::cluster::watch::{self, Listed, SecretMeta};
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::secret::CREDENTIAL_UID;
use crate::sts::Sts;
use gate::Gate;
use ledger::Ledger;
use permissions::{Affected, Permissions};
use references::References;

/// How the controller works.
pub struct Settings {
    /// Namespaces to serve; none for all.
    pub namespaces: BTreeSet<String>,
    /// Label selector of the resources to serve.
    pub selector: Option<String>,
    /// Name of the cluster, for grants that speak of it; empty if it has none.
    pub cluster: String,
    /// How many credentials are issued at the same time.
    pub concurrency: NonZeroU16,
    /// How many calls to STS are made a second.
    pub sts_rate: NonZeroU32,
}

/// What the controller works with.
pub struct Parts {
    /// The Kubernetes API.
    pub cluster: Cluster,
    /// AWS STS.
    pub sts: Sts,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this process leads. While it does not, it watches and does nothing.
    pub leadership: Leadership,
}

/// Everything that outlives one reconciliation.
pub(crate) struct Operator {
    parts: Parts,
    gate: Arc<Gate>,
    ledger: Ledger,
    references: References,
    permissions: Permissions,
}

impl Operator {
    /// Notes what an event about a resource means for the others.
    fn notice(&self, event: &Event<TemporaryCredential>) {
        match event {
            Event::Apply(resource) | Event::InitApply(resource) => self.references.note(resource),
            Event::Delete(resource) => {
                self.references.forget(resource);
                let namespace = resource.namespace().unwrap_or_default();
                self.permissions.forget(&namespace, &resource.name_any());
                self.ledger.forget(&resource.uid().unwrap_or_default());
            }
            Event::Init | Event::InitDone => {}
        }
    }

    /// A Secret of a resource that was made anew under its name stands in its way until the garbage
    /// collector takes it. Once that happens, the resource has no reason to wait any longer.
    fn notice_heritage(
        &self,
        secret: &SecretMeta,
        owner: &ObjectRef<TemporaryCredential>,
        resources: &Store<TemporaryCredential>,
    ) {
        let heir = resources.get(owner).and_then(|heir| heir.uid());
        if heir.is_some() && heir.as_ref() != secret.labels().get(CREDENTIAL_UID) {
            self.references.mark(owner.namespace.as_deref().unwrap_or_default(), &owner.name);
        }
    }

    /// The resources that are made from a Secret that changed.
    fn made_from(&self, secret: &SecretMeta) -> Vec<ObjectRef<TemporaryCredential>> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        self.references.changed(namespace, &secret.name_any())
    }

    /// The resources that are to write a Secret that changed, whomever it says that it belongs to.
    fn written_by(&self, secret: &SecretMeta) -> Vec<ObjectRef<TemporaryCredential>> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        self.references.writers(namespace, &secret.name_any())
    }
}

/// What a reconciliation works with in one scope of namespaces.
struct Scope {
    operator: Arc<Operator>,
    credentials: Store<TemporaryCredential>,
    secrets: Store<SecretMeta>,
    secrets_listed: Listed,
    namespaces_listed: Listed,
    stop: CancellationToken,
}

/// How many of the watches have their first whole list; the operator is ready when all have.
#[derive(Default)]
pub struct Readiness {
    wanted: AtomicUsize,
    reached: AtomicUsize,
}

impl Readiness {
    /// Whether every watch has seen everything once.
    pub fn is_ready(&self) -> bool {
        let wanted = self.wanted.load(Ordering::Acquire);
        wanted > 0 && self.reached.load(Ordering::Acquire) >= wanted
    }
}

/// Runs until `stop`, and then until what is in flight is done.
pub async fn run(
    client: Client,
    parts: Parts,
    settings: Settings,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let concurrency = settings.concurrency.get().into();
    let metrics = Arc::clone(&parts.metrics);
    let gate = Gate::open(concurrency, settings.sts_rate, stop.clone(), metrics);
    let operator = Arc::new(Operator {
        parts,
        gate,
        ledger: Ledger::default(),
        references: References::default(),
        permissions: Permissions::new(settings.cluster),
    });
    let mut scopes: Vec<Option<&str>> =
        settings.namespaces.iter().map(|name| Some(name.as_str())).collect();
    if scopes.is_empty() {
        scopes.push(None);
    }
    readiness.wanted.store(scopes.len(), Ordering::Release);
    let selector = settings.selector.as_deref();
    let serve = |namespace| {
        serve(
            client.clone(),
            Arc::clone(&operator),
            namespace,
            selector,
            Arc::clone(&readiness),
            stop.clone(),
        )
    };
    let serves_all = settings.namespaces.is_empty();
    let grants = operator.permissions.follow_grants(watch::grants(client.clone()));
    let reports = reports::write(&operator, serves_all);
    // The watch of the grants has no end: it ends with those that it is for.
    tokio::select! {
        _ = join_all(scopes.into_iter().map(serve)) => {}
        () = async { tokio::join!(grants, reports); } => {}
    }
}

/// The resources to look at when other grants are for their namespaces: those that the operator signs.
fn concerned(
    scope: Arc<Scope>,
    affected: impl Stream<Item = Affected>,
) -> impl Stream<Item = ObjectRef<TemporaryCredential>> {
    affected.flat_map(move |namespaces| {
        let is_concerned = |resource: &Arc<TemporaryCredential>| {
            resource.is_signed_by_operator()
                && resource.namespace().is_some_and(|namespace| namespaces.contains(&namespace))
        };
        let concerned: Vec<_> = scope
            .credentials
            .state()
            .iter()
            .filter(|resource| is_concerned(resource))
            .map(|resource| ObjectRef::from_obj(&**resource))
            .collect();
        for resource in &concerned {
            // Whatever failed may work by now.
            let namespace = resource.namespace.as_deref().unwrap_or_default();
            scope.operator.references.mark(namespace, &resource.name);
        }
        stream::iter(concerned)
    })
}

async fn serve(
    client: Client,
    operator: Arc<Operator>,
    namespace: Option<&str>,
    selector: Option<&str>,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let attentive = Arc::clone(&operator);
    let credentials = watch::credentials(client.clone(), namespace, selector, move |event| {
        attentive.notice(event);
    });
    let secrets = watch::secrets(client.clone(), namespace);
    let sources = watch::sources(client.clone(), namespace);
    let namespaces = watch::namespaces(client, namespace);
    let namespaces_listed = Listed::default();
    let affected = operator.permissions.listen();
    let resources = credentials.store.clone();
    operator.parts.metrics.count(resources.clone());
    let begins = operator.parts.leadership.begins();
    let (of_ours, of_others) = (Arc::clone(&operator), Arc::clone(&operator));
    let scope = Arc::new(Scope {
        operator,
        credentials: credentials.store.clone(),
        secrets: secrets.store,
        secrets_listed: secrets.listed,
        namespaces_listed: Arc::clone(&namespaces_listed),
        stop: stop.clone(),
    });
    let listed = Arc::clone(&credentials.listed);
    let watched = async {
        tokio::join!(
            credentials.listed.wait(),
            scope.secrets_listed.wait(),
            scope.namespaces_listed.wait(),
            scope.operator.permissions.listed.wait(),
        );
        readiness.reached.fetch_add(1, Ordering::AcqRel);
        if readiness.is_ready() {
            scope.operator.permissions.complete();
        }
        tracing::info!(credentials = scope.credentials.len(), "watching");
    };
    let rounds = Controller::for_stream(credentials.stream, credentials.store)
        .watches_stream(secrets.stream, move |secret| {
            let owner = watch::credential_of(&secret);
            if let Some(owner) = &owner {
                of_ours.notice_heritage(&secret, owner, &resources);
            }
            let concerned = of_ours.made_from(&secret).into_iter().chain(owner);
            concerned.chain(of_ours.written_by(&secret)).collect::<Vec<_>>()
        })
        .watches_stream(sources, move |secret| of_others.made_from(&secret))
        .reconcile_on(concerned(Arc::clone(&scope), affected))
        .reconcile_all_on(secrets.relisted)
        .reconcile_all_on(begins)
        .trigger_backoff(watch::backoff())
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            reconcile::reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            Arc::clone(&scope),
        )
        .for_each(|round| async move {
            if let Err(error) = round {
                use kube::runtime::controller::Error;
                match error {
                    // Deleted between its event and its turn: nothing to do.
                    Error::ObjectNotFound(_) => {}
                    other => tracing::warn!(error = %other, "a watch failed and is tried again"),
                }
            }
        });
    // Without a first list, kube's controller does not end by itself; nor has it begun anything.
    let stopped_unlisted = async {
        stop.cancelled().await;
        if listed.initialized() {
            std::future::pending().await
        }
    };
    // The watches feed the rounds: once these have ended, nothing will be listed any more.
    tokio::select! {
        () = rounds => {}
        () = async { watched.await; std::future::pending().await } => {}
        () = scope.operator.permissions.follow_namespaces(namespaces, &namespaces_listed) => {}
        () = stopped_unlisted => {}
    }
}
