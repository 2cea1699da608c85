//! Watches of the resources, the grants, and the metadata of Secrets and Namespaces. The data of Secrets is never
//! watched, so no cache contains secret values.

mod changes;

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::PartialObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tempcred_core::api::{StoredGrant, TemporaryCredential};
use tempcred_core::secret::{CREDENTIAL_UID, labelled_owner};
use tokio::sync::SetOnce;

pub use changes::{Change, Changes, Key, Watched};

/// The metadata of a Secret.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// The metadata of a Namespace.
pub type NamespaceMeta = PartialObjectMeta<Namespace>;

/// Set once a cache is synced.
///
/// [`Store::wait_until_ready`] has the same purpose, but wakes only one of several waiting tasks.
pub type Synced = Arc<SetOnce<()>>;

/// A cache, and the changes after they were applied to it. Errors of the watch are logged, and the watch is retried.
pub struct Cached<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// The cache.
    pub store: Store<K>,
    /// The changes, which must be polled to update the cache.
    pub changes: BoxStream<'static, Change<K>>,
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

/// Watches the resources of one namespace, or of all namespaces, that match a label selector. Their identity is their
/// UID.
pub fn credentials(
    client: Client,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Cached<TemporaryCredential> {
    let config = selector
        .iter()
        .fold(watcher::Config::default(), |config, selector| config.labels(selector));
    let api = api::<DeserializeGuard<TemporaryCredential>>(client, namespace);
    let changes = changes("TemporaryCredentials", uid, watcher(api, config));
    cached(changes)
}

/// Watches the metadata of the Secrets that tempcred wrote. Their identity is the UID of the resource that they belong
/// to.
pub fn owned_secrets(client: Client, namespace: Option<&str>) -> Cached<SecretMeta> {
    let config = watcher::Config::default().labels(CREDENTIAL_UID);
    let owner =
        |metadata: &kube::core::ObjectMeta| labelled_owner(metadata).unwrap_or_default().to_owned();
    cached(changes("Secrets", owner, watcher(api::<SecretMeta>(client, namespace), config)))
}

/// Watches the metadata of the Secrets that tempcred did not write. Some of them may be inputs of requests. Only their
/// names are stored.
pub fn other_secrets(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Change<SecretMeta>> + Send + use<> {
    let config = watcher::Config::default().labels(&format!("!{CREDENTIAL_UID}"));
    changes("Secrets", |_| String::new(), watcher(api::<SecretMeta>(client, namespace), config))
}

/// Watches the grants. Their specs are decoded later, because a grant that cannot be decoded must not be ignored.
pub fn grants(client: Client) -> impl Stream<Item = Change<StoredGrant>> + Send + use<> {
    let api = Api::<DeserializeGuard<StoredGrant>>::all(client);
    changes("RoleGrants", |_| String::new(), watcher(api, watcher::Config::default()))
}

/// Watches the metadata of one namespace, or of all namespaces.
pub fn namespaces(
    client: Client,
    namespace: Option<&str>,
) -> impl Stream<Item = Change<NamespaceMeta>> + Send + use<> {
    // With the name as a field selector, the permission for this one namespace is sufficient.
    let config = namespace.iter().fold(watcher::Config::default(), |config, name| {
        config.fields(&format!("metadata.name={name}"))
    });
    changes("Namespaces", |_| String::new(), watcher(Api::<NamespaceMeta>::all(client), config))
}

fn uid(metadata: &kube::core::ObjectMeta) -> String {
    metadata.uid.clone().unwrap_or_default()
}

/// Converts the events of a watch to changes.
fn changes<W: Watched + Send + 'static>(
    kind: &'static str,
    identity: fn(&kube::core::ObjectMeta) -> String,
    events: impl Stream<Item = watcher::Result<Event<W>>> + Send + 'static,
) -> impl Stream<Item = Change<W::Object>> + Send
where
    W::Object: Send,
{
    let mut changes = Changes::new(identity);
    events.backoff(backoff()).flat_map(move |event| {
        let event = event.map(|event| changes.of(event)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the watch of {kind} failed and will be retried");
            Vec::new()
        });
        stream::iter(event)
    })
}

/// Applies changes to a new cache, and passes them on.
fn cached<K>(changes: impl Stream<Item = Change<K>> + Send + 'static) -> Cached<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (store, mut writer) = store();
    // All changes, including those of a list, are applied one by one. The writer expects a list first: it gets an empty
    // one.
    writer.apply_watcher_event(&Event::Init);
    writer.apply_watcher_event(&Event::InitDone);
    let cache = store.clone();
    let changes = changes.map(move |change| apply(&mut writer, &cache, change));
    Cached { store, changes: changes.boxed() }
}

fn apply<K>(writer: &mut Writer<K>, cache: &Store<K>, change: Change<K>) -> Change<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut remove = |key: &Key| {
        if let Some(object) = cache.get(&ObjectRef::new(&key.name).within(&key.namespace)) {
            writer.apply_watcher_event(&Event::Delete((*object).clone()));
        }
    };
    match change {
        Change::Applied(mut object) => {
            object.managed_fields_mut().clear();
            writer.apply_watcher_event(&Event::Apply(object.clone()));
            Change::Applied(object)
        }
        Change::Undecodable(key, error) => {
            // An older version of the object must not be used.
            remove(&key);
            let Key { namespace, name } = &key;
            tracing::warn!(namespace, name, error, "the object cannot be decoded and is ignored");
            Change::Undecodable(key, error)
        }
        Change::Removed(key, identity) => {
            remove(&key);
            Change::Removed(key, identity)
        }
        Change::Synced => Change::Synced,
    }
}

/// The backoff before a failed watch is retried: 0.5 s to 4 s. With this maximum, a Secret that was deleted during an
/// outage is restored within seconds after the outage. The default maximum of Kubernetes clients, 30 s, is meant for
/// thousands of clients.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .with_jitter()
        .without_max_times()
        .into()
}
