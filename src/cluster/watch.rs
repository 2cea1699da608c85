//! Watches: the resources themselves, the grants, and the metadata of Secrets and Namespaces. Values of Secrets are
//! never watched, so they do not sit in a cache.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::channel::mpsc;
use futures::future::ready;
use futures::{Stream, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::PartialObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::SetOnce;

use crate::api::{RoleGrant, TemporaryCredential};
use crate::secret::{CREDENTIAL_UID, credential_name};

/// The metadata of a Secret.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// The metadata of a Namespace.
pub type NamespaceMeta = PartialObjectMeta<Namespace>;

/// Set once the first whole list has arrived.
///
/// [`Store::wait_until_ready`] says the same, but wakes only one of the tasks that wait for it.
pub type Listed = Arc<SetOnce<()>>;

/// Tells when a whole list arrived again, after a watch was interrupted for long: what was deleted
/// meanwhile is no longer there, and no event told of it.
pub type Relisted = mpsc::UnboundedReceiver<()>;

/// A watch: what it has seen so far, and what it sees next.
pub struct Watch<K: Resource + Clone + 'static, S>
where
    K::DynamicType: std::hash::Hash + Eq,
{
    /// What it has seen.
    pub store: Store<K>,
    /// Set once it has seen everything once.
    pub listed: Listed,
    /// Tells of each later time.
    pub relisted: Relisted,
    /// What it sees next.
    pub stream: S,
}

fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Watches the resources of one namespace, or of all, that a label selector matches. `notice` is
/// called with each event.
pub fn credentials<F: Fn(&Event<TemporaryCredential>) + Send + 'static>(
    client: Client,
    namespace: Option<&str>,
    selector: Option<&str>,
    notice: F,
) -> Watch<
    TemporaryCredential,
    impl Stream<Item = watcher::Result<TemporaryCredential>> + Send + use<F>,
> {
    let config = selector
        .iter()
        .fold(watcher::Config::default(), |config, selector| config.labels(selector));
    let api = api::<DeserializeGuard<TemporaryCredential>>(client, namespace);
    let events = watcher(api, config).backoff(backoff());
    let events = events.try_filter_map(|event| ready(Ok(readable(event))));
    let events = events.inspect_ok(notice);
    let (store, listed, relisted, events) = remembered(events);
    Watch { store, listed, relisted, stream: events.applied_objects() }
}

/// Leaves out a resource that is not what this version knows, for example after a downgrade: without
/// this, one of them would keep the watch from telling of any other.
fn readable(
    event: Event<DeserializeGuard<TemporaryCredential>>,
) -> Option<Event<TemporaryCredential>> {
    let read = |guard: DeserializeGuard<TemporaryCredential>| match guard.0 {
        Ok(resource) => Some(resource),
        Err(invalid) => {
            let (namespace, name) = (&invalid.metadata.namespace, &invalid.metadata.name);
            let error = &invalid.error;
            tracing::warn!(
                namespace,
                name,
                error,
                "this resource cannot be read and is not served"
            );
            None
        }
    };
    Some(match event {
        Event::Apply(guard) => Event::Apply(read(guard)?),
        Event::Delete(guard) => Event::Delete(read(guard)?),
        Event::Init => Event::Init,
        Event::InitApply(guard) => Event::InitApply(read(guard)?),
        Event::InitDone => Event::InitDone,
    })
}

/// A grant, or why it is none that this version knows.
pub type GrantGuard = DeserializeGuard<RoleGrant>;

/// Watches the grants.
pub fn grants(
    client: Client,
) -> impl Stream<Item = watcher::Result<Event<GrantGuard>>> + Send + use<> {
    watcher(Api::<GrantGuard>::all(client), watcher::Config::default()).backoff(backoff())
}

/// Watches the metadata of one namespace, or of all.
pub fn namespaces(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = watcher::Result<Event<NamespaceMeta>>> + Send + use<> {
    // With the name as a field selector, the right to one namespace is enough.
    let config = namespace.iter().fold(watcher::Config::default(), |config, name| {
        config.fields(&format!("metadata.name={name}"))
    });
    watcher(Api::<NamespaceMeta>::all(client), config).backoff(backoff())
}

/// Watches the metadata of the Secrets that tempcred wrote.
pub fn secrets(
    client: Client,
    namespace: Option<&str>,
) -> Watch<SecretMeta, impl Stream<Item = watcher::Result<SecretMeta>> + Send + use<>> {
    let config = watcher::Config::default().labels(CREDENTIAL_UID);
    let events = watcher(api::<SecretMeta>(client, namespace), config).backoff(backoff());
    let (store, listed, relisted, events) = remembered(events);
    Watch { store, listed, relisted, stream: events.touched_objects() }
}

/// Watches the metadata of the Secrets that tempcred did not write: some may be what credentials are
/// made from. Nothing is kept of them.
pub fn sources(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = watcher::Result<SecretMeta>> + Send + use<> {
    let config = watcher::Config::default().labels(&format!("!{CREDENTIAL_UID}"));
    watcher(api::<SecretMeta>(client, namespace), config).backoff(backoff()).touched_objects()
}

/// How long a broken watch waits before it is tried again: at most a few seconds, so that a Secret
/// deleted during an outage comes back within seconds of its end. Kubernetes clients wait up to 30 s
/// by default, which is meant for thousands of them.
pub fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .with_jitter()
        .without_max_times()
        .into()
}

/// Keeps what passes in a store, and notes when a whole list has passed.
fn remembered<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
) -> (Store<K>, Listed, Relisted, impl Stream<Item = watcher::Result<Event<K>>> + Send)
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let listed = Listed::default();
    let note = Arc::clone(&listed);
    let (again, relisted) = mpsc::unbounded();
    let events = events.modify(|object| object.managed_fields_mut().clear()).reflect(writer);
    let events = events.inspect_ok(move |event| {
        if matches!(event, Event::InitDone) && note.set(()).is_err() {
            // Nobody listens any more only while the operator ends.
            let _ = again.unbounded_send(());
        }
    });
    (reader, listed, relisted, events)
}

/// The resource that a Secret was written for.
pub fn credential_of(secret: &SecretMeta) -> Option<ObjectRef<TemporaryCredential>> {
    // The owner first: nothing else names it after somebody edited the annotation.
    let owner = secret.owner_references().iter().find(|owner| owner.controller == Some(true));
    let owner = owner.map(|owner| owner.name.as_str());
    let name = owner.or_else(|| credential_name(secret.annotations()))?;
    Some(ObjectRef::new(name).within(&secret.namespace()?))
}
